"""Comparisons: what may be asked, and that every cell is the image of a single run."""

import base64
import copy
from urllib.parse import parse_qsl

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from demo import app, compare, grid_files
from demo.compare import MAX_CELLS, Grid, draw_grid
from demo.grid_files import all_pictures, grid_frames, messages, save
from demo.prompts import asks_of
from demo.requests import Request
from demo.runs import FilesNotWritten, Runner
from demo.tabs import compare as tab
from ldm_core import InputError, LatentDiffusion, UserError, read_settings
from ldm_core.runtime.backends import make_backend

from .values import with_words

FIXED = {"label": "7", "steps": 3, "sampler": "ddim", "seed": 5}


@pytest.fixture(scope="module")
def words():
    return with_words()


@pytest.mark.parametrize(
    ("axes", "together"),
    [
        (("label", "0, 7", "seed", "1, 2"), 4),
        (("guidance_scale", "0, 1, 3.5"), 1),
        (("steps", [1, 2, 4], "sampler", "ddim, euler, ddpm"), 1),
        (("eta", "0, 0.5", "seed", "3, 4"), 2),
        (("negative_prompt", ["", "bold"]), 2),
        (("stroke", "-1, 0.5", "label", "1, 2"), 2),
        (("prompt", "bold, a thin one"), 2),
    ],
)
def test_a_cell_is_the_image_of_a_single_run(words, tmp_path, axes, together):
    """With PyTorch a batch of another size may round a grey to the next one; see the next test."""
    grid = Grid.check(words, *axes, fixed=FIXED)
    pictures = all_pictures(Runner(words, tmp_path), grid)
    batches = compare._batches(words, grid.cells)
    assert {len(cells) for cells, _ in batches} == {together}
    for cells, options in batches:
        requests = [grid.cells[cell] for cell in cells]
        made = words.generate(
            [request.asked(words) for request in requests],
            seeds=[request.seed for request in requests],
            negative=[request.file_settings(words).words.negative_prompt for request in requests],
            **options,
        )
        assert all((pictures[c][-1] == one.numpy()).all() for c, one in zip(cells, made))
    for request, steps in zip(grid.cells, pictures, strict=True):
        single = [step.x_t for step in Runner(words, tmp_path).steps(request)]
        apart = np.abs(np.stack(steps).astype(int) - np.stack(single))
        assert apart.max() <= (together > 1) and apart.mean() < 0.01


def test_with_onnx_runtime_a_cell_is_the_very_image_of_a_single_run(words, tmp_path):
    fast = copy.copy(words)
    fast.backend = make_backend("onnxruntime", words, words.device)
    runner = Runner(fast, tmp_path)
    for axes in (("label", "0, 7, any", "seed", "1, 2"), ("eta", "0, 0.5", "prompt", "bold, a")):
        grid = Grid.check(fast, *axes, FIXED)
        for request, steps in zip(grid.cells, all_pictures(runner, grid), strict=True):
            single = [step.x_t for step in runner.steps(request)]
            assert np.array_equal(np.stack(steps), np.stack(single))


def test_cells_differ_in_what_was_asked_and_lie_row_by_row(words):
    grid = Grid.check(words, "seed", "1,2,", "guidance_scale", [0, 4.5], FIXED)
    found = [(cell.seed, cell.guidance_scale) for cell in grid.cells]
    assert found == [(1, 0), (2, 0), (1, 4.5), (2, 4.5)]
    assert {(cell.label, cell.steps, cell.sampler) for cell in grid.cells} == {("7", 3, "ddim")}
    assert Grid.check(words, **grid.to_dict()).cells == grid.cells
    assert grid.cost() == "4 cells × 3 steps: 12 steps in all"


@pytest.mark.parametrize(
    "axes",
    [
        ("guidance_scale", [0, 0.1 + 0.2], "seed", [0, 2**32 - 1], FIXED | {"stroke": 0.5}),
        ("steps", "1, 2", None, None, {"prompt": "a thin two", "stroke": 0, "guidance_scale": 0}),
        ("prompt", "bold, a", "label", "0, any"),
    ],
)
def test_a_link_makes_the_same_grid_again(words, axes):
    grid = Grid.check(words, *axes)
    again = Grid.from_link(words, grid.link())
    assert (again.cells, again.across, again.down) == (grid.cells, grid.across, grid.down)
    assert asks_of(words).from_link(words, grid.link()) is None  # it is no link to one image


def test_a_link_that_is_none_or_wrong(words):
    assert Grid.from_link(words, {"label": "3", "across_values": "1"}) is None
    for query in ({"fixed_colour": "1"}, {"fixed_steps": "x"}, {"down": "size"}):
        with pytest.raises(InputError):
            Grid.from_link(words, {"across": "seed", "across_values": "1"} | query)


def test_a_cell_has_a_link_to_its_image_unless_that_cannot_say_it(words):
    grid = Grid.check(words, "eta", "0, 0.5", "seed", "3", {"sampler": "ddim", "prompt": "thin"})
    said, missing = grid_files._header(words, grid)["links"]
    asked = asks_of(words).from_link(words, dict(parse_qsl(said)))
    assert asked.settings() | {"eta": 0.0} == grid.cells[0].settings()
    assert missing == ""


def test_a_prompt_without_a_class_is_about_the_label(words):
    grid = Grid.check(words, "prompt", "a, thin", "label", "1, any")
    assert [cell.prompt for cell in grid.cells] == ["a one", "thin one", "a", "thin"]
    grid = Grid.check(words, "prompt", ["a thin two", ""], fixed={"label": "1"})
    assert [cell.what() for cell in grid.cells] == ["a thin two", "1"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("size", "1"), "What differs must be one of label, guidance_scale, .*, not 'size'"),
        ((["label"], "1"), "What differs must be one of"),
        (("steps", ""), "Steps needs a list of values, with commas"),
        (("steps", 5), "Steps needs a list of values"),
        (("steps", "1, x"), "Steps must be a whole number from 1 to 100, not 'x'"),
        (("steps", [True]), "Steps must be a whole number"),
        (("guidance_scale", "nan"), "Guidance scale must be a number from 0 to 10"),
        (("seed", [1] * 101), "at most 100 cells"),
        (("seed", [1] * 11, "steps", [1] * 10), "at most 100 cells, not 110"),
        (("seed", [1] * 21, None, None, {"steps": 100}), "2100 steps in all, but at most 2000"),
        (("seed", "1", "seed", "2"), "Seed is on both sides"),
        (("prompt", "a green one"), "Prompt: .*green"),
        (("prompt", "one", "label", "2"), "must say the same"),
        (("seed", "1" * 5001), "at most 5000 characters"),
        (("eta", "0, 1", None, None, {"sampler": "euler"}), "eta works with the sampler"),
        (("seed", "1", None, None, {"colour": 1}), "A comparison knows no colour; it knows label"),
        (("seed", "1", None, None, {"label": {}}), "Label must be one of"),
        (("seed", "1", None, None, [1]), "values by their names"),
    ],
)
def test_what_is_refused(words, given, message):
    with pytest.raises(InputError, match=message):
        Grid.check(words, *given)


def test_all_that_is_allowed_can_be_asked(words):
    grid = Grid.check(words, "seed", list(range(10)), "label", list("0123456789"), {"steps": 20})
    assert (len(grid.cells), grid.image_steps) == (MAX_CELLS, 2000)


def test_every_question_is_allowed(words, label_model):
    assert len(tab.lessons_of(words)) == 5
    for model in (words, label_model):
        for _, _, *axes in tab.lessons_of(model):
            grid = Grid.check(model, *axes)
            assert len(grid.cells) > 4 and grid.down


def test_a_grid_that_takes_too_long_is_ended(words):
    grid = Grid.check(words, "seed", "1, 2", fixed=FIXED)
    with pytest.raises(UserError, match="ended after 0 of 2 cells and -1 seconds"):
        list(draw_grid(words, grid, -1))


def test_messages_hold_every_step_once(runner, monkeypatch):
    monkeypatch.setattr(grid_files, "MESSAGE_S", -1)
    grid = Grid.check(runner.model, "steps", "1, 3", "seed", "8, 9", {"sampler": "ddim"})
    found = list(messages(runner, grid))
    assert found[0]["chunks"] == [] and found[0]["steps"] == [1, 3, 1, 3]
    assert (found[0]["across"]["titles"], found[0]["down"]["title"]) == (["1", "3"], "Seed")
    for before, after in zip(found, found[1:]):
        assert after["chunks"][: len(before["chunks"])] == before["chunks"]
    steps = {
        (cell, chunk["first"] + i)
        for chunk in found[-1]["chunks"]
        for cell in chunk["cells"]
        for i in range(chunk["count"])
    }
    assert steps == {(c, i) for c, n in enumerate([1, 3, 1, 3]) for i in range(n + 1)}
    assert len(found[-1]["chunks"]) == 6  # one for each step of each batch
    for name in ("png", "gif"):
        assert read_settings(found[-1][name]["path"])["compare"] == grid.to_dict()


def test_the_first_message_comes_before_any_work(runner, monkeypatch):
    grid = Grid.check(runner.model, "seed", "1, 2", fixed=FIXED)
    monkeypatch.setattr(LatentDiffusion, "denoise", lambda *_, **__: pytest.fail("it worked"))
    assert next(messages(runner, grid))["chunks"] == []


def test_the_labelled_picture_shows_the_cells(runner):
    grid = Grid.check(runner.model, "steps", "1, 2", "seed", "8, 9, 10", {"sampler": "ddim"})
    pictures = all_pictures(runner, grid)
    frames = grid_frames(grid, pictures)
    assert len(frames) == 3
    # The corner of each cell is found by its pixels, enlarged four times.
    for frame, cell_step in ((frames[0], (0, 0)), (frames[1], (0, 1)), (frames[2], (1, 2))):
        whole = frame.astype(int)
        for cell, step in ((0, cell_step[0]), (5, cell_step[1])):
            wanted = pictures[cell][step].repeat(4, 0).repeat(4, 1)
            rows, columns = np.nonzero(whole[: -112 + 1, : -112 + 1] == wanted[0, 0])
            corners = (whole[y : y + 112, x : x + 112] for y, x in zip(rows, columns))
            assert any((corner == wanted).all() for corner in corners)
    gif = save(runner, grid, frames, ".gif")
    assert Image.open(gif).n_frames == 3


def test_an_mp4_is_made_of_a_link_and_leaves_no_file(runner, tmp_path):
    film = tab._filmer(runner)
    grid = Grid.check(runner.model, "steps", "1, 3", fixed={"sampler": "ddim"})
    kind, _, content = film(grid.link())["mp4"].partition(",")
    assert kind == "data:video/mp4;base64"
    (tmp_path / "made.mp4").write_bytes(base64.b64decode(content))
    assert read_settings(tmp_path / "made.mp4")["compare"]["across_values"] == [1, 3]
    assert not list(runner.folder.glob("steps*"))
    for wrong in (None, [], {}, {"across": ["seed"]}, grid.link() | {"across_values": "0"}):
        assert "must be" in film(wrong)["refused"]


def test_on_a_full_disk_the_grid_stays(runner, monkeypatch):
    monkeypatch.setattr(grid_files, "write_png", lambda *_, **__: (_ for _ in ()).throw(OSError()))
    grid = Grid.check(runner.model, "seed", "1, 2", fixed=FIXED)
    *_, last = messages(runner, grid)
    assert last["chunks"] and "png" not in last
    assert "could not be written" in last["no_files"]
    with pytest.raises(FilesNotWritten):
        save(runner, grid, [np.zeros((2, 2), np.uint8)], ".png")


def test_the_tab_says_what_a_grid_costs(words):
    start = Request.start(words)
    names = list(start)
    said = tab._cost(words, ["seed", "1, 2", "nothing", "", *start.values()], names)
    assert "2 cells × 12 steps: 24 steps in all, of 2000 at most." in said
    said = tab._cost(words, ["seed", "<b>", "nothing", "", *start.values()], names)
    assert "data-wrong" in said and "&lt;b&gt;" in said


def test_the_endpoint_is_on_the_page(words):
    page = app.build(words)
    assert isinstance(page, gr.Blocks)
    found = page.get_api_info()["named_endpoints"]
    assert "/compare" in found
    parameters = [p["parameter_name"] for p in found["/compare"]["parameters"]]
    assert parameters == ["across", "across_values", "down", "down_values", "fixed"]
