"""The command line of sampling: settings go into files and come back; errors take one line."""

import io
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from ldm_core import Keep, LatentDiffusion, read_settings
from ldm_core.files.drawings import read_drawing, read_mask
from ldm_core.files.pictures import lay_out
from ldm_core.output.file_settings import BLANK
from ldm_core.sample import ENDINGS, main

from .conftest import ROOT, SMALL, randomised, read_frames, save

# Settings in files


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_knows_how_it_was_made_and_is_made_again(run, tmp_path, ending):
    run(
        f"--label 3-4 --seed 9 --steps 3 --sampler ddim --eta 0.5 --guidance-scale 2.5 "
        f"--guidance-interval 0.2 0.8 --guidance-rescale 0.3 --spacing karras --off time skip.0 "
        f"--out a{ending}"
    )
    settings = read_settings(tmp_path / f"a{ending}")
    assert len(settings.pop("weights")) == 16
    given = {
        "guidance_scale": 2.5,
        "steps": 3,
        "sampler": "ddim",
        "spacing": "karras",
        "eta": 0.5,
        "guidance_interval": [0.2, 0.8],
        "guidance_rescale": 0.3,
        "off": ["skip.0", "time"],
        "label": "3-4",
        "count": 2,
        "seed": 9,
        "scale": None if ending == ".npz" else 8,
    }
    assert settings == BLANK | given
    run(f"--like a{ending} --out b{ending}")
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


@pytest.fixture
def pictures(tmp_path):
    """A digit and a mask, as pictures in the current folder; the digit is no file of ours."""
    canvas = np.full((90, 70), 230, np.uint8)
    canvas[10:70, 30:38] = canvas[10:18, 30:60] = 20
    Image.fromarray(canvas).save(tmp_path / "drawing.jpg")
    mask = np.zeros((56, 56), np.uint8)
    mask[:30] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")


STARTS = {
    "re-imagined": "--start-from drawing.jpg --strength 0.5 --label 3-4 --seed 9 --steps 4",
    "itself": "--start-from drawing.jpg --strength 0 --label 3 --seed 9",
    "completed": "--start-from drawing.jpg --mask mask.png --label 3 --seed 9 --resample 2",
    "inverted": "--start-from drawing.jpg --invert 7 --label 3 --steps 3",
    "morphed": "--morph 3:7 bold:8 --frames 3",
    "prompted": "--prompt seven --negative-prompt wide --stroke 1 --lean=-1 --count 2 --seed 9",
    "looped": "--morph 3:7 8:11 any:5 --frames 2 --loop",
}


@pytest.mark.parametrize(
    ("start", "ending"),
    [(start, ".gif") for start in STARTS] + [("completed", ".mp4"), ("looped", ".npz")],
)
def test_what_came_from_pictures_is_made_again_without_them(run, pictures, tmp_path, start, ending):
    run(f"{STARTS[start]} --out a{ending}")
    for name in ("drawing.jpg", "mask.png"):
        (tmp_path / name).unlink()
    run(f"--like a{ending} --out b{ending}")
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


def test_a_file_from_a_picture_holds_what_the_model_makes_of_it(
    run, pictures, small_model, tmp_path
):
    picture = torch.from_numpy(read_drawing(tmp_path / "drawing.jpg").digit)[None]
    mask = torch.from_numpy(read_mask(tmp_path / "mask.png"))[None]
    two = {"pixels": picture.expand(2, 28, 28), "mask": mask.expand(2, 28, 28)}
    asked, seeds = [3, 4], [9, 10]

    def images(line):
        run(f"--start-from drawing.jpg --label 3-4 --seed 9 {line} --out a.npz --force")
        return torch.from_numpy(np.load(tmp_path / "a.npz")["images"]).int()

    def check(line, **options):
        wanted = small_model.generate(asked, seeds=seeds, **options)
        assert (images(line) - wanted).abs().max() <= 1

    start = small_model.start_from(two["pixels"], 0.7, seeds=seeds, steps=4)
    check("--steps 4", start=start)
    check("--steps 4 --strength 0.7", start=start)
    check("--steps 4 --mask mask.png", keep=Keep(**two), steps=4)
    check("--steps 4 --mask mask.png --strength 0.7", keep=Keep(**two), start=start)
    start = small_model.invert(two["pixels"], ["bold"] * 2, steps=4)
    options = {"sampler": "ddim", "guidance_scale": 1.0}
    check("--invert bold --steps 4", start=start, **options)
    check("--invert bold --steps 4 --sampler heun", start=start, **options | {"sampler": "heun"})


def test_a_morph_is_shown_image_by_image(run, small_model, tmp_path):
    *_, last = small_model.morph([(3, 7), ("bold", 8)], 3, steps=2)
    wanted = small_model.decode(last.x_t).int()
    run("--morph 3:7 bold:8 --frames 3 --scale 1 --frame-ms 50 --out a.gif")
    found, durations = read_frames(tmp_path / "a.gif")
    assert (torch.from_numpy(found).int() - wanted).abs().max() <= 1
    assert durations == [50, 50, 50, 1500]
    run("--morph 3:7 bold:8 --frames 3 --scale 1 --out a.png")
    (grid,), _ = read_frames(tmp_path / "a.png")
    assert np.abs(grid.astype(int) - lay_out(wanted.numpy(), 4)).max() <= 1
    run("--morph 3:7 bold:8 --frames 3 --out a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        assert (torch.from_numpy(arrays["images"]).int() - wanted).abs().max() <= 1
        assert arrays["labels"].tolist() == [3, -1, -1, -1]
        assert arrays["seeds"].tolist() == [7, -1, -1, 8]
    run("--morph 3:7 bold:8 --frames 3 --loop --frame-ms 50 --out b.gif")
    assert read_frames(tmp_path / "b.gif")[1] == [50] * 6


def test_what_a_picture_gave_is_changed_by_other_options(run, pictures, tmp_path):
    run(STARTS["completed"] + " --out a.png")
    was = read_settings(tmp_path / "a.png")
    assert (was["strength"], was["resample"], was["invert"]) == (1, 2, None)
    run("--like a.png --invert 7 --out b.png")
    now = read_settings(tmp_path / "b.png")
    changed = {"invert": "7", "strength": None, "sampler": "ddim", "steps": 25, "guidance_scale": 1}
    assert now == was | changed
    run("--like a.png --start-from drawing.jpg --out c.png")
    assert (read_settings(tmp_path / "c.png")["mask"], was["mask"] is None) == (None, False)
    run("--like a.png --morph 3:7 8:11 --out d.png")
    morph = read_settings(tmp_path / "d.png")
    assert [morph[name] for name in ("start_from", "mask", "label", "seed")] == [None] * 4
    run("--like d.png --label 3 --seed 9 --out e.png")
    run("--like a.png --label 3 --seed 9 --out f.png")
    assert read_settings(tmp_path / "e.png")["morph"] is None
    assert read_settings(tmp_path / "f.png")["start_from"] == was["start_from"]


def test_a_seed_that_is_not_given_is_drawn_told_and_stored(run, tmp_path):
    said = [run(f"--label 1 --out {name}.png") for name in "ab"]
    seeds = [read_settings(tmp_path / f"{name}.png")["seed"] for name in "ab"]
    assert said == [f"{name}.png: 1 image, seed {seed}" for name, seed in zip("ab", seeds)]
    assert seeds[0] != seeds[1]


def test_a_label_given_with_like_takes_the_place_of_a_prompt_and_a_prompt_that_of_a_label(
    run, tmp_path
):
    run("--seed 9 --stroke 0.5 --out prompt.png", words=["--prompt", "a three"])
    run("--label 3 --seed 9 --stroke 0.5 --out label.png")
    run("--like prompt.png --label 3 --out to_label.png")
    run("--like label.png --out to_prompt.png", words=["--prompt", "a three"])
    run("--like prompt.png --out other.png --stroke 0", words=["--prompt", "four"])
    for name, wanted in (("to_label", "label"), ("to_prompt", "prompt")):
        made, like = (tmp_path / f"{n}.png" for n in (name, wanted))
        assert made.read_bytes() == like.read_bytes()
    was, now = (read_settings(tmp_path / f"{name}.png") for name in ("prompt", "other"))
    assert now == was | {"prompt": "four", "stroke": 0.0}


@pytest.mark.parametrize("ending", ENDINGS)
def test_like_takes_files_of_the_version_before(run, tmp_path, ending):
    old = ROOT / "tests" / "files" / "old" / f"seven{ending}"
    run(f"--like {old} --out new{ending}")
    stored, now = read_settings(old), read_settings(tmp_path / f"new{ending}")
    assert now.items() >= (stored | {"weights": now["weights"]}).items()


def test_like_warns_of_other_weights(run, tmp_path, capsys):
    other = randomised(LatentDiffusion(SMALL), seed=1)
    save(tmp_path / "other", other)
    run("--label 3 --seed 9 --out a.gif")
    assert main(["--like", "a.gif", "--out", "same.gif", "--force"]) == 2  # no weights/ here
    capsys.readouterr()
    assert main(["--like", "a.gif", "--out", "b.gif", "--weights", "other"]) == 0
    assert (
        "warning: a.gif was made with other weights than those in other" in capsys.readouterr().err
    )
    assert (
        read_settings(tmp_path / "b.gif")["weights"] != read_settings(tmp_path / "a.gif")["weights"]
    )
    assert main(["--like", "b.gif", "--out", "c.gif", "--weights", "other"]) == 0
    assert "warning" not in capsys.readouterr().err


# Nothing is overwritten, nothing is left half


def test_nothing_is_overwritten_without_force(run, tmp_path):
    run("--label 1 --seed 1 --out a.png")
    before = (tmp_path / "a.png").read_bytes()
    for line in ("--label 1 --seed 2 --out a.png", "--like a.png --seed 2"):
        assert "a.png exists" in run(line, status=2)
        assert (tmp_path / "a.png").read_bytes() == before
    run("--like a.png --seed 2 --force")
    assert read_settings(tmp_path / "a.png")["seed"] == 2


def test_a_terminal_that_lacks_a_letter_makes_no_failure(weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), "ascii"))
        line = ["--weights", str(weights), "--label", "1", "--steps", "1", "--out", "für.png"]
        assert main(line) == 0
        sys.stdout.flush()
        said = sys.stdout.buffer.getvalue()
    assert said.startswith(b"f\\xfcr.png: 1 image, seed ")


# Errors and progress


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "--out FILE is missing; its ending is one of .png, .npz, .gif, .webp, .apng, .mp4"),
        ("--out a.jpg", "must be one of .png, .npz, .gif, .webp, .apng, .mp4, not '.jpg'"),
        ("--out a.gif --steps x", "argument --steps: invalid int value: 'x'"),
        ("--out a.png --count 100000", "is larger than 8192 pixels: choose a smaller scale"),
        ("--out a.gif --like missing.gif", "missing.gif: No such file or directory"),
        ("--out a.gif --like foreign.gif", "Settings of a file have no made_by; they have"),
    ],
)
def test_an_error_is_one_line_and_status_2(line, message, weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (4, 4)).save(tmp_path / "foreign.gif", comment=b'{"made_by": "hand"}')
    try:
        status = main(["--weights", str(weights), *line.split()])
    except SystemExit as stopped:  # of argparse
        status = stopped.code
    said = capsys.readouterr()
    assert status == 2
    assert message in said.err
    assert said.err.startswith("python -m ldm_core.sample: ")
    assert said.err.count("\n") == 1
    assert said.out == ""
    assert not (tmp_path / "a.gif").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has what the test lacks")
def test_a_missing_gpu_is_reported(run):
    assert "PyTorch finds no CUDA device" in run("--out a.gif --device cuda", status=2)


def test_help_lists_every_setting(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    for key in BLANK:
        assert f"--{key.replace('_', '-')} " in said
