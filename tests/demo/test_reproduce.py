"""Files of a request."""

import importlib.util

import numpy as np
import pytest

from demo import reproduce
from demo.grid import Grid
from demo.reproduce import LARGE, OF_KIND, Wanted, formats
from demo.run import Runner
from ldm_core import InputError, LatentDiffusion, UserError, read_settings
from ldm_core.output.file_settings import picture_text
from ldm_core.sample import main

PICTURE = np.zeros((28, 28), np.uint8)
PICTURE[6:22, 12:16] = 255
ASKED = {
    "label": {"label": "7", "guidance_scale": 3, "steps": 2, "sampler": "ddim", "seed": 5},
    "any": {"label": "any", "steps": 3, "seed": 4294967295},
    "words": {
        "prompt": "a bold seven",
        "negative_prompt": "wide",
        "lean": -0.3,
        "steps": 2,
        "guidance_scale": 2.5,
    },
    "drawing": {"start_from": picture_text(PICTURE), "strength": 0.6, "label": "8", "steps": 3},
    "morph": {"morph": ["3:1", "8:2"], "frames": 3, "steps": 2},
}


@pytest.fixture(scope="module")
def model(weights):
    """As the page loads it: with the same backend as the command line."""
    return LatentDiffusion.load(weights)


@pytest.fixture
def runner(model):
    return Runner(model)


def made(runner, name="label", format="gif", **options):
    wanted = Wanted.check(runner.model, ASKED[name], format, **options)
    return wanted, wanted.content(runner)


@pytest.mark.parametrize(
    ("name", "format", "options"),
    [
        ("label", "webp", {"show": "both", "frame_ms": 40}),
        ("label", "mp4", {"scale": 4, "show": "latent"}),
        ("words", "strip", {"scale": 4}),
        ("words", "gif", {"show": "both", "scale": 1}),
        ("words", "png", {}),
        ("morph", "gif", {}),
        ("morph", "png", {}),
    ],
)
def test_a_file_is_the_one_that_the_command_line_makes(
    runner, weights, tmp_path, name, format, options
):
    wanted, content = made(runner, name, format, **options)
    out = tmp_path / wanted.name()
    out.write_bytes(content)
    again = tmp_path / f"again{out.suffix}"
    # The settings in the file make it, and so do the same options.
    assert main(["--like", str(out), "--weights", str(weights), "--out", str(again)]) == 0
    assert again.read_bytes() == content
    if name in ("label", "words"):
        line = [f"--{n.replace('_', '-')}={v}" for n, v in (ASKED[name] | options).items()]
        line += ["--strip"] if format == "strip" else []
        line += [f"--scale={LARGE}"] if format == "png" else []
        line += [] if "seed" in ASKED[name] else ["--seed=6"]
        line += ["--weights", str(weights), "--out", str(out), "--force"]
        assert main(line) == 0
        assert out.read_bytes() == content


def test_a_grid_has_files_too(runner, tmp_path):
    asked = {"across": "seed", "across_values": [1, 2], "fixed": ASKED["label"]}
    wanted = Wanted.check(runner.model, asked, "png")
    (tmp_path / "grid.png").write_bytes(wanted.content(runner))
    stored = read_settings(tmp_path / "grid.png")
    assert wanted.name() == "seed.png"
    assert Grid.check(runner.model, stored["compare"]).cells == wanted.request.cells


def test_mp4_is_offered_only_where_it_can_be_written(monkeypatch):
    assert formats() == {kind: list(all_) for kind, all_ in OF_KIND.items()}
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert not any("mp4" in of_kind for of_kind in formats().values())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ((None,), "Settings must be values by their names"),
        (({}, "tiff"), "format must be one of gif, png, mp4, webp, apng, strip, not 'tiff'"),
        ((ASKED["morph"], "strip"), "format must be one of gif, png, mp4, webp, apng, not"),
        (({}, "gif", "all"), "show must be one of noisy, estimate, both, latent, not 'all'"),
        (({}, "gif", "noisy", 17), "scale must be a whole number from 1 to 16, not 17"),
        (({}, "gif", "noisy", 8, 1), "frame_ms must be a whole number from 20"),
    ],
)
def test_what_cannot_be_made_is_refused(runner, values, message):
    with pytest.raises(InputError, match=message):
        Wanted.check(runner.model, *values)


def test_a_strip_that_would_be_too_wide_is_refused(runner):
    wanted = Wanted.check(runner.model, {"steps": 100}, "strip", scale=16)
    with pytest.raises(InputError, match="choose a smaller scale"):
        wanted.content(runner)


def test_a_file_that_takes_too_long_is_given_up_and_leaves_nothing(model, tmp_path, monkeypatch):
    monkeypatch.setattr(reproduce.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UserError, match="This was ended"):
        made(Runner(model, deadline_s=-1))
    made(Runner(model))
    assert not list(tmp_path.iterdir())
