"""The command line of sampling: files hold what was asked for, and errors take one line."""

import dataclasses
import os
import resource
import signal
import subprocess
import sys
import time
import weakref

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from ldm_core import LatentDiffusion, SamplingSettings, sample
from ldm_core.animation import read_settings, write_gif
from ldm_core.images import lay_out
from ldm_core.sample import ENDINGS, FileSettings, main, parse_label

from .conftest import ROOT, SMALL, randomised

PICTURES = [ending for ending in ENDINGS if ending != ".npz"]


@pytest.fixture(scope="module")
def weights(small_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    small_model.vae.save(folder / "vae.safetensors", {})
    small_model.save_unet(folder / "unet.safetensors", {})
    return folder


@pytest.fixture
def run(weights, tmp_path, monkeypatch, capsys):
    """Run a command line in tmp_path, with two steps unless it says otherwise; expect success."""
    monkeypatch.chdir(tmp_path)

    def run(line: str, status: int = 0, steps: str = "--steps 2") -> str:
        """The last line of what it says: on stderr if it is to fail, else on stdout."""
        steps = "" if "--steps" in line or "--like" in line else steps
        assert main([*line.split(), *steps.split(), "--weights", str(weights)]) == status
        said = capsys.readouterr()
        return (said.err if status else said.out).rstrip().rpartition("\n")[2]

    return run


def generate(model, labels, seeds, **options) -> np.ndarray:
    return model.generate(labels, seeds=seeds, steps=2, **options).numpy().astype(int)


# What is made


def test_each_image_has_its_label_and_its_seed(run, small_model, tmp_path):
    run("--count 12 --seed 4294967290 --out a.npz")
    seeds = [*range(4294967290, 2**32), *range(6)]
    labels = [*range(10), 0, 1]
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["images"].shape == (12, 28, 28)
        assert arrays["images"].dtype == np.uint8
        assert arrays["labels"].tolist() == labels
        assert arrays["seeds"].tolist() == seeds
        assert np.abs(arrays["images"] - generate(small_model, labels, seeds)).max() <= 1


def test_batches_do_not_change_an_image(run, monkeypatch, tmp_path):
    run("--count 7 --seed 3 --out whole.npz")
    monkeypatch.setitem(sample.BATCH, "cpu", 3)
    run("--count 7 --seed 3 --out parts.npz")
    run("--label 4 --count 1 --seed 7 --out one.npz")
    whole, parts, one = (
        np.load(tmp_path / f"{name}.npz")["images"].astype(int)
        for name in ("whole", "parts", "one")
    )
    assert np.abs(whole - parts).max() <= 1
    assert np.abs(whole[4] - one[0]).max() <= 1
    assert np.abs(whole[4] - whole[3]).max() > 1


@pytest.mark.parametrize(
    ("options", "labels"),
    [("--label 7", [7]), ("--label 3-5", [3, 4, 5]), ("--label 3-5 --count 4", [3, 4, 5, 3])]
    + [("--label any --count 2", [-1, -1]), ("", list(range(10))), ("--count 3", [0, 1, 2])],
)
def test_labels_take_turns(run, tmp_path, options, labels):
    run(f"{options} --out a.npz")
    assert np.load(tmp_path / "a.npz")["labels"].tolist() == labels


@pytest.mark.parametrize(
    ("text", "labels"),
    [(None, [0, 1, 2]), ("any", [None]), ("ANY", [None]), ("trouser", [1]), ("T-shirt/top", [0])]
    + [("2", [2]), ("0-1", [0, 1]), ("2-2", [2])],
)
def test_labels_have_names_numbers_and_ranges(text, labels):
    assert parse_label(text, ("T-shirt/top", "Trouser", "Bag")) == labels


@pytest.mark.parametrize("text", ["", "3", "2-1", "0-3", "-1", "1-", "bags", "١", "1" * 30])
def test_a_label_that_is_none_names_the_classes(text):
    with pytest.raises(ValueError, match="Trouser.*from 0 to 2.*or any, not"):
        parse_label(text, ("T-shirt/top", "Trouser", "Bag"))


def test_a_png_is_the_grid_of_the_images(run, small_model, tmp_path):
    run("--label 2 --count 4 --seed 5 --scale 1 --out a.png")
    images = small_model.generate([2] * 4, seeds=[5, 6, 7, 8], steps=2).numpy()
    with Image.open(tmp_path / "a.png") as image:
        assert np.abs(np.array(image).astype(int) - lay_out(images, 2)).max() <= 1


def test_an_animation_shows_every_step_of_every_image(run, small_model, monkeypatch, tmp_path):
    monkeypatch.setitem(sample.BATCH, "cpu", 2)
    run("--label 1-3 --seed 5 --steps 4 --show both --scale 1 --out a.gif --guidance-scale 3")
    with Image.open(tmp_path / "a.gif") as image:
        frames = np.stack([np.array(f.convert("L")) for f in ImageSequence.Iterator(image)])
    assert frames.shape == (5, 3 * 30 - 2, 2 * 30 - 2)
    options = {"seeds": [5, 6, 7], "steps": 4, "guidance_scale": 3.0}
    for frame, step in zip(frames[1:], small_model.denoise([1, 2, 3], **options)):
        pair = torch.stack([step.x_t, step.x_0], dim=1).flatten(0, 1)
        wanted = lay_out(small_model.decode(pair).numpy(), 2)
        assert np.abs(frame.astype(int) - wanted).max() <= 1


def test_time_and_size_are_options(run, tmp_path):
    run("--label 1 --scale 3 --frame-ms 200 --hold-ms 700 --out a.gif")
    with Image.open(tmp_path / "a.gif") as image:
        assert image.size == (84, 84)
        durations = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
    assert durations == [200, 200, 700]


def test_large_grids_are_enlarged_less(run, tmp_path):
    run("--label 1 --steps 1 --out one.png")
    run("--label 1 --count 36 --steps 1 --out many.png")
    sides = [max(Image.open(tmp_path / f"{name}.png").size) for name in ("one", "many")]
    assert sides == [28 * 8, (6 * 30 - 2) * 6]


# Settings in files


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_file_knows_how_it_was_made_and_is_made_again(run, tmp_path, ending):
    run(
        f"--label 3-4 --seed 9 --steps 3 --sampler ddim --eta 0.5 --guidance-scale 2.5 "
        f"--guidance-interval 0.2 0.8 --guidance-rescale 0.3 --spacing karras --out a{ending}"
    )
    settings = read_settings(tmp_path / f"a{ending}")
    assert len(settings.pop("weights")) == 16
    wanted = FileSettings(
        guidance_scale=2.5,
        steps=3,
        sampler="ddim",
        spacing="karras",
        eta=0.5,
        guidance_interval=(0.2, 0.8),
        guidance_rescale=0.3,
        label="3-4",
        count=2,
        seed=9,
        scale=None if ending == ".npz" else 8,
    )
    assert FileSettings.from_dict(settings) == wanted
    run(f"--like a{ending} --out b{ending}")
    assert (tmp_path / f"a{ending}").read_bytes() == (tmp_path / f"b{ending}").read_bytes()


def test_every_backend_draws_the_same(run, tmp_path):
    for backend in ("onnxruntime", "torch"):
        run(f"--count 5 --seed 3 --backend {backend} --out {backend}.npz")
    with np.load(tmp_path / "torch.npz") as one, np.load(tmp_path / "onnxruntime.npz") as other:
        assert np.abs(one["images"].astype(int) - other["images"]).max() <= 1


def test_defaults_are_those_of_the_settings(run, tmp_path):
    run("--label 1 --out a.gif", steps="")
    stored = FileSettings.from_dict(
        {k: v for k, v in read_settings(tmp_path / "a.gif").items() if k != "weights"}
    )
    assert SamplingSettings(**stored.sampling) == SamplingSettings()
    assert (stored.label, stored.count) == ("1", 1)


def test_a_seed_that_is_not_given_is_drawn_told_and_stored(run, tmp_path):
    said = [run(f"--label 1 --out {name}.png") for name in "ab"]
    seeds = [read_settings(tmp_path / f"{name}.png")["seed"] for name in "ab"]
    assert said == [f"{name}.png: 1 image, seed {seed}" for name, seed in zip("ab", seeds)]
    assert seeds[0] != seeds[1]


def test_options_given_with_like_change_it(run, tmp_path):
    run("--label 3 --seed 9 --out a.gif")
    run("--like a.gif --label 4 --steps 3 --out b.png")
    was, now = (read_settings(tmp_path / name) for name in ("a.gif", "b.png"))
    assert now == was | {"label": "4", "steps": 3}


def test_like_takes_the_settings_of_the_page(run, small_model, tmp_path):
    settings = {"label": "3", "guidance_scale": 2.0, "steps": 2, "sampler": "euler", "seed": 8}
    steps = small_model.denoise([3], seeds=[8], guidance_scale=2.0, steps=2, sampler="euler")
    start = small_model.starting_noise([8])
    frames = torch.cat([small_model.decode(x) for x in (start, *(s.x_t for s in steps))])
    write_gif(tmp_path / "page.gif", frames, settings=settings)
    run("--like page.gif --out again.gif")
    page, again = (
        [np.array(f.convert("L")) for f in ImageSequence.Iterator(Image.open(tmp_path / name))]
        for name in ("page.gif", "again.gif")
    )
    assert np.array_equal(page, again)


def test_like_warns_of_other_weights(run, tmp_path, capsys):
    other = randomised(LatentDiffusion(SMALL), seed=1)
    other.vae.save(tmp_path / "other" / "vae.safetensors", {})
    other.save_unet(tmp_path / "other" / "unet.safetensors", {})
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


@pytest.mark.parametrize("ending", ENDINGS)
def test_ctrl_c_leaves_nothing(run, monkeypatch, tmp_path, ending):
    denoise = LatentDiffusion.denoise

    def interrupted(*args, **options):
        yield next(denoise(*args, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(LatentDiffusion, "denoise", interrupted)
    assert f"interrupted; a{ending} was not written" in run(f"--out a{ending}", status=130)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_is_reported_and_leaves_nothing(run, tmp_path, ending):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # no file may grow beyond so many bytes
    try:
        said = run(f"--label 1 --out a{ending}", status=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert f"a{ending}: " in said
    assert list(tmp_path.iterdir()) == []


def test_a_killed_run_leaves_no_file_under_the_final_name(weights, tmp_path):
    command = [sys.executable, "-m", "ldm_core.sample", "--weights", weights, "--device", "cpu"]
    command += ["--count", "1000000", "--steps", "2", "--out", tmp_path / "a.npz"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, **quiet
    )
    try:
        deadline = time.monotonic() + 120
        while not any(p.stat().st_size for p in tmp_path.glob(".a.*.npz")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "a.npz").exists()


def test_images_are_held_a_batch_at_a_time(run, monkeypatch, tmp_path):
    monkeypatch.setitem(sample.BATCH, "cpu", 2)
    decode, made, alive = LatentDiffusion.decode, [], []

    def watched(*args):
        pixels = decode(*args)
        made.append(weakref.ref(pixels))
        alive.append(sum(ref() is not None for ref in made))
        return pixels

    monkeypatch.setattr(LatentDiffusion, "decode", watched)
    run("--count 40 --steps 1 --out a.npz")
    assert len(alive) == 20
    assert max(alive) <= 2


# Errors and progress


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "--out FILE is missing; its ending is one of .png, .npz, .gif, .webp, .apng, .mp4"),
        ("--out a.jpg", "must be one of .png, .npz, .gif, .webp, .apng, .mp4, not '.jpg'"),
        ("--out", "argument --out: expected one argument"),
        ("--out a.gif --stepz 3", "unrecognized arguments: --stepz 3"),
        ("--out a.gif --steps x", "argument --steps: invalid int value: 'x'"),
        ("--out a.gif --steps 0", "steps must be a whole number from 1 to 1000, not 0"),
        ("--out a.gif --guidance-scale nan", "guidance_scale must be a number from 0 to 30"),
        ("--out a.gif --sampler magic", "sampler must be one of ddpm, ddim, euler"),
        ("--out a.gif --label x", "label must be a class (0, 1, 2"),
        ("--out a.gif --seed -1", "seed must be a whole number from 0 to 4294967295, not -1"),
        ("--out a.gif --count 0", "count must be a whole number from 1"),
        ("--out a.gif --show all", "show must be one of noisy, estimate, both, not 'all'"),
        ("--out a.gif --frame-ms 1", "frame_ms must be a whole number from 20"),
        ("--out a.gif --scale 0", "scale must be a whole number from 1 to 64, not 0"),
        ("--out a.png --count 100000", "is larger than 8192 pixels: choose a smaller scale"),
        ("--out a.png --hold-ms 900", "--hold-ms has no effect on a .png file: leave it out"),
        ("--out a.npz --scale 2", "--scale has no effect on a .npz file: leave it out"),
        ("--out a.gif --device tpu", "device must be one of auto, cpu, cuda, not 'tpu'"),
        ("--out a.gif --backend magic", "backend must be one of auto, onnxruntime, torch, torch-b"),
        ("--out a.gif --like missing.gif", "missing.gif: No such file or directory"),
        ("--out a.gif --like text.gif", "text.gif holds no settings"),
        ("--out a.gif --like foreign.gif", "FileSettings does not know made_by; it knows"),
        ("--out text.gif/a.gif", "text.gif"),
    ],
)
def test_an_error_is_one_line_and_status_2(line, message, weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.gif").write_text("hello")
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


@pytest.mark.parametrize(
    "line",
    ["--out a.jpg", "--out text.gif"]
    + [f"--out a.gif {option}" for option in ("--steps 0", "--scale 0", "--hold-ms 1")],
)
def test_errors_come_before_the_model_is_loaded(line, tmp_path, monkeypatch):
    (tmp_path / "text.gif").write_text("hello")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LatentDiffusion, "load", lambda *_: pytest.fail("it was loaded"))
    assert main(line.split()) == 2


def test_weights_that_are_missing_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--out", "a.gif", "--weights", "nowhere"]) == 2
    assert "nowhere/vae.safetensors is missing" in capsys.readouterr().err


def test_progress_counts_every_step_of_every_batch(run, monkeypatch):
    bars, tqdm = [], sample.tqdm
    monkeypatch.setattr(sample, "tqdm", lambda **options: bars.append(tqdm(**options)) or bars[-1])
    monkeypatch.setitem(sample.BATCH, "cpu", 2)
    for ending in (".npz", ".gif"):
        run(f"--count 5 --steps 4 --out a{ending}")
    assert [(bar.n, bar.total) for bar in bars] == [(12, 12)] * 2


def test_help_lists_every_setting(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    said = capsys.readouterr().out
    for field in dataclasses.fields(FileSettings):
        assert f"--{field.name.replace('_', '-')} " in said
