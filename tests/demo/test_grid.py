"""Comparisons: what may be asked, and that every cell is the image of a single run."""

import copy

import numpy as np
import pytest
from PIL import Image

from demo.grid import (
    MAX_CELLS,
    Grid,
    draw_grid,
    join_values,
    lessons_of,
    messages,
    split_values,
)
from demo.grid_picture import grid_frames, write_grid
from demo.run import Runner
from ldm_core import InputError, UserError, read_settings
from ldm_core.runtime.backends import make_backend

from .values import greys, model_of

FIXED = {"label": "7", "steps": 3, "sampler": "ddim", "seed": 5}
NAMES = ("across", "across_values", "down", "down_values", "fixed")


@pytest.fixture
def runner(small_model):
    """With ONNX Runtime; with PyTorch, batches of another size may round a grey to the next one."""
    model = copy.copy(small_model)
    model.backend = make_backend("onnxruntime", model, model.device)
    return Runner(model)


def asked(model, *given):
    return Grid.check(model, dict(zip(NAMES, given)))


def all_pictures(runner, grid):
    pictures = [[] for _ in grid.cells]
    for cells, index, each in draw_grid(runner, grid):
        for cell, picture in zip(cells, each, strict=True):
            assert index == len(pictures[cell])
            pictures[cell].append(picture)
    return pictures


@pytest.mark.parametrize(
    ("axes", "together"),
    [
        (("label", "0, 7", "seed", "1, 2"), 4),
        (("guidance_scale", "0, 1, 3.5", None, None), 1),
        (("steps", [1, 2, 4], "sampler", "ddim, euler, ddpm"), 1),
        (("eta", "0, 0.5", "seed", "3, 4"), 2),
        (("negative_prompt", ["", "bold"], None, None), 2),
        (("stroke", "-1, 0.5", "label", "1, 2"), 2),
        (("prompt", "bold, a thin one", None, None), 2),
    ],
)
def test_a_cell_is_the_very_image_of_a_single_run(runner, axes, together):
    grid = asked(runner.model, *axes, FIXED)
    pictures = all_pictures(runner, grid)
    batches = {tuple(cells) for cells, *_ in draw_grid(runner, grid)}
    assert {len(cells) for cells in batches} == {together}
    for request, steps in zip(grid.cells, pictures, strict=True):
        single = [step.x_t for step in runner.steps(request)]
        assert np.array_equal(np.stack(steps), np.stack(single))


def test_cells_differ_in_what_was_asked_and_lie_row_by_row(small_model):
    grid = asked(small_model, "seed", "1,2,", "guidance_scale", [0, 4.5], FIXED)
    found = [(cell.values["seed"], cell.values["guidance_scale"]) for cell in grid.cells]
    assert found == [(1, 0), (2, 0), (1, 4.5), (2, 4.5)]
    assert all(cell.settings().items() >= {"label": "7", "steps": 3}.items() for cell in grid.cells)
    assert Grid.check(small_model, grid.to_dict()).cells == grid.cells


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('"a bold seven, leaning left", thin', ("a bold seven, leaning left", "thin")),
        ('bold,"", thin,', ("bold", "", "thin")),
        (", bold,,thin", ("", "bold", "", "thin")),
        ('""', ("",)),
        ('"a ""bold"" seven, thin" , wide', ('a "bold" seven, thin', "wide")),
        ("\u201cbold, wide\u201d\uff0c thin\nnarrow", ("bold, wide", "thin narrow")),
    ],
)
def test_values_are_read_as_csv(text, values):
    texts = split_values(text)
    assert tuple(texts) == values
    assert split_values(join_values(texts)) == texts


def test_a_class_with_a_comma_is_one_value():
    model = model_of(", .", 'say "a"', "b")
    for _, _, *axes in lessons_of(model):
        assert asked(model, *axes).down


def test_what_is_known_before_any_work(small_model):
    header = asked(small_model, "seed", "1, 2", "eta", "0, 0.5", FIXED).header()
    assert header["cost"] == "4 cells × 3 steps: 12 steps in all, of 2000 at most."
    assert (header["title"], header["name"]) == ("Seed across, eta down", "seed-by-eta")
    assert (header["across"]["titles"], header["down"]["title"]) == (["1", "2"], "Eta")
    assert [cell["settings"]["eta"] for cell in header["cells"]] == [0, 0, 0.5, 0.5]
    assert header["settings"]["across_values"] == [1, 2]


def test_a_prompt_without_a_class_is_about_the_label(small_model):
    grid = asked(small_model, "prompt", "a, thin", "label", "1, any")
    assert [cell.values["prompt"] for cell in grid.cells] == ["a one", "thin one", "a", "thin"]
    assert grid.across.titles == ("no word", "thin")
    grid = asked(small_model, "prompt", ["a thin two", ""], None, None, {"label": "1"})
    assert [cell.what() for cell in grid.cells] == ["a thin two", "1"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("seed", "1,,2"), "Seed must be a whole number from 0 to [0-9]*, not ''"),
        (("prompt", 'bold, "thin, wide'), 'A quote is not closed .* write "a, b" for one value'),
        (("size", "1"), "What differs must be one of label, guidance_scale, .*, not 'size'"),
        (("guidance_scale", "1,5"), "commas separate values, so write '1.5' .* or '1, 5' with a"),
        (("eta", "0,5, 1"), "write '0.5, 1' for decimals, or '0, 5, 1' with"),
        (("steps", ""), "Steps needs a list of values, with commas"),
        (("steps", "1, x"), "Steps must be a whole number from 1 to 100, not 'x'"),
        (("seed", [1] * 101), "at most 100 cells"),
        (("seed", [1] * 11, "steps", [1] * 10), "at most 100 cells, not 110"),
        (("seed", [1] * 21, None, None, {"steps": 100}), "2100 steps in all, but at most 2000"),
        (("seed", "1", "seed", "2"), "Seed is on both sides"),
        (("prompt", "a green one"), "Prompt: .*green"),
        (("prompt", "one", "label", "2"), "must say the same"),
        (("seed", "1" * 5001), "at most 5000 characters"),
        (("eta", "0, 1", None, None, {"sampler": "euler"}), "eta works with the sampler"),
        (("seed", "1", None, None, {"colour": 1}), "There is no colour here, only label"),
        (("seed", "1", None, None, [1]), "Fixed values must be given by their names"),
    ],
)
def test_what_is_refused(small_model, given, message):
    with pytest.raises(InputError, match=message):
        asked(small_model, *given)


def test_all_that_is_allowed_can_be_asked(small_model):
    axes = ("seed", list(range(10)), "label", list("0123456789"))
    grid = asked(small_model, *axes, {"steps": 20})
    assert (len(grid.cells), grid.image_steps) == (MAX_CELLS, 2000)


def test_every_question_is_allowed(small_model):
    assert len(lessons_of(small_model)) == 5
    for _, _, *axes in lessons_of(small_model):
        grid = asked(small_model, *axes)
        assert len(grid.cells) > 4 and grid.down


def test_a_grid_that_takes_too_long_is_ended(small_model):
    grid = asked(small_model, "seed", "1, 2", None, None, FIXED)
    with pytest.raises(UserError, match="ended after -1 seconds"):
        list(draw_grid(Runner(small_model, deadline_s=-1), grid))


def test_messages_hold_every_step_once(runner):
    grid = asked(runner.model, "steps", "1, 3", "seed", "8, 9", {"sampler": "ddim"})
    *found, last = messages(runner, grid)
    assert last == {"done": True}
    pictures = all_pictures(runner, grid)
    seen = {}
    for message in found:
        for cells, index, each in message["pictures"]:
            for cell, text in zip(cells, each, strict=True):
                assert (cell, index) not in seen
                seen[cell, index] = greys(text)
    assert len(seen) == sum(map(len, pictures)) == 12
    assert all((pictures[cell][index] == one).all() for (cell, index), one in seen.items())


def test_the_labelled_picture_shows_the_cells(runner, tmp_path):
    grid = asked(runner.model, "steps", "1, 2", "seed", "8, 9, 10", {"sampler": "ddim"})
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
    for ending in (".png", ".gif", ".mp4"):
        path = tmp_path / f"grid{ending}"
        write_grid(path, runner, grid, frames)
        assert read_settings(path)["compare"] == grid.to_dict()
    assert Image.open(tmp_path / "grid.gif").n_frames == 3


def test_titles_of_any_length_have_a_place(small_model):
    long = ", ".join(
        [
            "a bold seven leaning left",
            "thin",
            "a picture of a bold seven leaning left with narrow strokes",
        ]
    )
    grid = asked(small_model, "prompt", long, "sampler", "dpmpp_2m_sde", {"steps": 1})
    pictures = [[np.zeros((28, 28), np.uint8)] * 2 for _ in grid.cells]
    frame = grid_frames(grid, pictures)[-1]
    assert frame.shape[1] < 700 and frame.max() == 255
