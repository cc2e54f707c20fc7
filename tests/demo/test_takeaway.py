"""Files to take away, texts that make the same again, and the way back from a file."""

import importlib.util
import shlex

import numpy as np
import pytest

from demo.more import COUNT, more, next_seeds
from demo.prompts import PromptRequest
from demo.runs import FilesNotWritten, Runner
from demo.takeaway import (
    KINDS,
    MAX_FILE,
    Take,
    as_command,
    as_python,
    kinds,
    opened,
    request_of,
    save,
)
from ldm_core import InputError, LatentDiffusion, UserError, read_settings
from ldm_core.files.animation import write_animation
from ldm_core.output.file_settings import picture_text
from ldm_core.sample import main

from ..browser.actions import pixels
from ..conftest import small_parts

ASKED = {
    "a label": {"label": "7", "guidance_scale": 3, "steps": 2, "sampler": "ddim", "seed": 5},
    "no label": {"label": "any", "steps": 3, "seed": 4294967295},
    "words": {
        "prompt": "a bold seven",
        "negative_prompt": "wide",
        "lean": -0.3,
        "steps": 2,
        "guidance_scale": 2.5,
    },
}


@pytest.fixture(scope="module")
def model(weights):
    """As the page loads it: with the same backend as the command line."""
    return LatentDiffusion.load(weights)


@pytest.fixture
def runner(model, tmp_path):
    return Runner(model, tmp_path / "page")


def taken(runner, name="a label", kind="gif", **options):
    take = Take.check(runner.model, ASKED[name], kind, **options)
    return take, save(runner, take)


# Files


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [
        ("a label", "gif", {}),
        ("a label", "webp", {"show": "both", "frame_ms": 40}),
        ("a label", "mp4", {"scale": 4, "show": "latent"}),
        ("no label", "apng", {"show": "estimate", "scale": 16}),
        ("no label", "strip", {"show": "both"}),
        ("words", "strip", {"scale": 4}),
        ("words", "gif", {"show": "both", "scale": 1}),
    ],
)
def test_a_file_is_the_one_that_its_command_line_makes(
    runner, weights, tmp_path, monkeypatch, name, kind, options
):
    take, file = taken(runner, name, kind, **options)
    monkeypatch.chdir(tmp_path)
    python, module, program, *line = shlex.split(as_command(take))
    assert (python, module, program) == ("python", "-m", "ldm_core.sample")
    assert main([*line, "--weights", str(weights)]) == 0
    assert (tmp_path / take.file_name()).read_bytes() == file.read_bytes()
    assert file.suffix == KINDS[kind]


def test_mp4_is_offered_only_where_it_can_be_written(monkeypatch):
    assert kinds() == list(KINDS)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert kinds() == ["gif", "webp", "apng", "strip"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((None,), "The settings must be values by their names"),
        (({"lable": "7"},), "The settings of one image have no lable; they are label, "),
        (({"label": "x"},), "Label must be one of"),
        (({}, "tiff"), "format must be one of gif, mp4, webp, apng, strip, not 'tiff'"),
        (({}, ["gif"]), "format must be one of"),
        (({}, "gif", "all"), "show must be one of noisy, estimate, both, latent, not 'all'"),
        (({}, "gif", "noisy", 17), "scale must be a whole number from 1 to 16, not 17"),
        (({}, "gif", "noisy", 8, 1), "frame_ms must be a whole number from 20"),
    ],
)
def test_what_cannot_be_made_is_refused(runner, values, message):
    with pytest.raises(InputError, match=message):
        Take.check(runner.model, *values)


def test_a_strip_that_would_be_too_wide_is_refused(runner):
    take = Take.check(runner.model, {"steps": 100}, "strip", scale=16)
    with pytest.raises(InputError, match="choose a smaller scale"):
        save(runner, take)
    assert not list(runner.folder.glob("*"))


def test_a_file_that_takes_too_long_is_given_up(model, tmp_path):
    runner = Runner(model, tmp_path, deadline_s=-1)
    for draw in (
        lambda: taken(runner),
        lambda: more(runner, request_of(model, ASKED["a label"]), 5),
    ):
        with pytest.raises(UserError, match="This was ended at step 1 of 2"):
            draw()


def test_a_folder_that_is_gone_is_told(model, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FilesNotWritten, match="could not be written"):
        taken(Runner(model, tmp_path / "file"))


# Texts


def test_python_says_what_is_asked_and_nothing_else(runner):
    text = as_python(runner.model, request_of(runner.model, ASKED["words"]))
    for line in ('["a bold seven"],', 'negative="wide",', 'style={"lean": -0.3},', "seeds=[6],"):
        assert f"\n    {line}\n" in text
    text = as_python(runner.model, request_of(runner.model, ASKED["no label"]))
    assert "\n    [None],\n" in text and "negative" not in text and "style" not in text


def test_a_command_line_can_be_pasted(runner):
    command = as_command(Take.check(runner.model, ASKED["words"]))
    assert '--prompt "a bold seven" --negative-prompt wide --lean=-0.3' in command
    assert "--stroke" not in command and "--show" not in command
    odd = LatentDiffusion(small_parts(("any", "1")))
    command = as_command(Take.check(odd, {"label": "*"}))  # a class is called any: this is no label
    assert "--label '*'" in command and command.endswith("--out=--seed-6.gif")


# The way back


@pytest.mark.parametrize("name", ASKED)
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_brings_its_settings_back(runner, name, kind):
    take, file = taken(runner, name, kind, show="both", scale=2, frame_ms=160)
    found = opened(runner, file.read_bytes(), file.name)
    assert found.request == take.request
    assert found.show == {"format": kind, "show": "both", "scale": 2, "frame_ms": 160}
    assert found.said == f"{file.name} is opened."


LINES = {
    "--label 7 --eta 0.5 --sampler ddim": ("7", "no control for eta 0.5, so the picture"),
    "--label 7 --spacing karras --guidance-interval 0.2 0.8": (
        "7",
        "no control for spacing karras and guidance interval 0.2 to 0.8,",
    ),
    "--label 3-5": ("3", "Of its images, this is the first."),
    "": ("0", "Of its images, this is the first."),
    "--label any --stroke 1": ("any", "is opened."),
    "--prompt= --count 2": ("any", "Of its images, this is the first."),
}


@pytest.mark.parametrize(("line", "wanted"), LINES.items(), ids=LINES)
def test_a_file_of_the_command_line_is_opened_too(run, runner, tmp_path, line, wanted):
    label, said = wanted
    run(f"{line} --seed 9 --out a.npz")
    found = opened(runner, (tmp_path / "a.npz").read_bytes(), "a.npz")
    assert (found.request.label, found.request.seed, found.request.steps) == (label, 9, 2)
    assert found.said.startswith("a.npz is opened.") and said in found.said


def gif(tmp_path, settings) -> bytes:
    path = tmp_path / "made.gif"
    write_animation(path, np.zeros((1, 28, 28), np.uint8), settings=settings, scale=1)
    return path.read_bytes()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"morph": ["3:1", "8:2"]}, "made by the tab Morph, and can be made again only there"),
        ({"start_from": picture_text(np.eye(28, dtype=np.uint8))}, "made by the tab Draw"),
        ({"compare": {}}, "made by the tab Compare"),
        ({"label": "cat", "seed": 1}, "cannot be opened here. label must be a class"),
        ({"label": "7", "seed": 1, "steps": 500}, "Steps must be a whole number from 1 to 100"),
        ({"label": "7"}, "Seed must be a whole number"),
        ({"made_by": "hand"}, "Settings of a file have no made_by"),
        ({"prompt": "a dog", "seed": 1}, "unknown word"),
    ],
)
def test_what_cannot_be_opened_is_told(runner, tmp_path, settings, said):
    with pytest.raises(InputError, match=said):
        opened(runner, gif(tmp_path, settings), "x.gif")


def test_a_file_that_is_not_ours_is_told(runner, tmp_path):
    with pytest.raises(InputError, match=r"cat\.png holds no settings"):
        opened(runner, b"\x89PNG", "cat.png")
    with pytest.raises(InputError, match="too large: a file may have 4 MB at most"):
        opened(runner, bytes(MAX_FILE + 1), "cat.png")


def test_other_weights_are_told(runner, tmp_path):
    _, file = taken(runner)
    settings = read_settings(file) | {"weights": "0" * 16}
    found = opened(runner, gif(tmp_path, settings), "x.gif")
    assert "made with other weights, so the picture is not the same" in found.said


def test_weights_that_know_labels_only_take_what_they_can(label_model, runner, tmp_path):
    of_labels = Runner(label_model, tmp_path / "labels")
    for name, said in (("words", "know labels only, and no prompt"), ("a label", None)):
        content = gif(tmp_path, read_settings(taken(runner, name)[1]))
        if said:
            with pytest.raises(InputError, match=said):
                opened(of_labels, content, "x.gif")
        else:
            assert opened(of_labels, content, "x.gif").request.label == "7"


# More like this


def test_more_are_the_next_seeds_of_the_same_request(runner):
    request = request_of(runner.model, ASKED["words"])
    found = more(runner, request, 6)
    assert found["settings"] == request.settings()
    assert [picture["seed"] for picture in found["pictures"]] == list(range(7, 7 + COUNT))
    for picture in found["pictures"][::7]:
        single = PromptRequest.check(runner.model, ASKED["words"] | {"seed": picture["seed"]})
        *_, last = runner.steps(single)
        assert np.abs(pixels(picture["src"]).astype(int) - last.x_t).max() <= 1


def test_seeds_go_round_and_leave_out_the_main_picture(runner):
    request = request_of(runner.model, {"seed": 1})
    assert next_seeds(request, 4294967294) == [4294967295, 0, 2, 3, 4, 5, 6, 7]
    with pytest.raises(InputError, match="after must be a whole number"):
        more(runner, request, None)
