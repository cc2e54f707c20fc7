"""Files hold what was asked for, whole or not at all."""

import numpy as np
import pytest
import torch
from PIL import Image

from ldm_core import LatentDiffusion
from ldm_core.files.pictures import lay_out
from ldm_core.output import sample_files
from ldm_core.output.sample_files import ENDINGS

from ..conftest import read_frames


def generate(model, labels, seeds, **options) -> np.ndarray:
    return model.generate(labels, seeds=seeds, steps=2, **options).numpy().astype(int)


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
    monkeypatch.setitem(sample_files.BATCH, "cpu", 3)
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
    ("prompt", "label"), [("a bold seven", 7), ("7", 7), ("bold", -1), ("", -1), (" Seven!", 7)]
)
def test_a_prompt_is_kept_with_the_label_that_it_names(run, small_model, tmp_path, prompt, label):
    run("--count 3 --seed 5 --width -0.5 --out a.npz", words=["--prompt", prompt])
    with np.load(tmp_path / "a.npz") as arrays:
        assert arrays["prompts"].tolist() == [prompt] * 3
        assert arrays["labels"].tolist() == [label] * 3
        images = arrays["images"].astype(int)
    wanted = generate(small_model, [prompt] * 3, [5, 6, 7], style={"width": -0.5})
    assert np.abs(images - wanted).max() <= 1
    run("--count 3 --label 7 --seed 5 --out b.npz")
    with np.load(tmp_path / "b.npz") as arrays:
        assert set(arrays) == {"images", "labels", "seeds", "settings"}


@pytest.mark.parametrize("batch", [1, 64])
def test_a_strip_has_a_line_for_each_picture_of_each_image(run, monkeypatch, tmp_path, batch):
    monkeypatch.setitem(sample_files.BATCH, "cpu", batch)
    run("--label 1-2 --seed 5 --steps 3 --show both --strip --scale 1 --out a.png")
    (strip,), _ = read_frames(tmp_path / "a.png")
    assert strip.shape == (4 * 30 - 2, 4 * 30 - 2)
    run("--like a.png --out a.gif")
    frames, _ = read_frames(tmp_path / "a.gif")
    for step, frame in enumerate(frames):  # a grid of both views of one image, and of the next
        pictures = [frame[y : y + 28, x : x + 28] for y in (0, 30) for x in (0, 30)]
        for line, picture in enumerate(pictures):
            shown = strip[30 * line :, 30 * step :][:28, :28].astype(int)
            assert np.abs(shown - picture).max() <= 1
    run("--like a.gif --no-strip --out b.png")
    assert Image.open(tmp_path / "b.png").size == (58, 28)


def test_an_animation_shows_every_step_of_every_image(run, small_model, monkeypatch, tmp_path):
    monkeypatch.setitem(sample_files.BATCH, "cpu", 2)
    run("--label 1-3 --seed 5 --steps 4 --show both --scale 1 --out a.gif --guidance-scale 3")
    frames, _ = read_frames(tmp_path / "a.gif")
    assert frames.shape == (5, 3 * 30 - 2, 2 * 30 - 2)
    options = {"seeds": [5, 6, 7], "steps": 4, "guidance_scale": 3.0}
    for frame, step in zip(frames[1:], list(small_model.denoise([1, 2, 3], **options))[1:]):
        pair = torch.stack([step.x_t, step.x_0], dim=1).flatten(0, 1)
        wanted = lay_out(small_model.decode(pair).numpy(), 2)
        assert np.abs(frame.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_ctrl_c_leaves_nothing(run, monkeypatch, tmp_path, ending):
    denoise = LatentDiffusion.denoise

    def interrupted(*args, **options):
        yield next(denoise(*args, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(LatentDiffusion, "denoise", interrupted)
    assert f"interrupted; a{ending} was not written" in run(f"--out a{ending}", status=130)
    assert list(tmp_path.iterdir()) == []
