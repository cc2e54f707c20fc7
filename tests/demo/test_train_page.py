"""What the tab Train shows of a model: what its files say, and nothing else."""

import json
import re

import numpy as np
import pytest

from demo.train_page import curve, story_of, train_page
from ldm_core import LatentDiffusion
from ldm_core.files.animation import write_animation
from ldm_core.files.weights import weights_of

from ..conftest import ROOT, save

RECORD = {
    "settings": {"length": "60 steps", "training": {"seed": 5}, "compiled": True},
    "environment": {"device": "cpu", "machine": "<b>, 2 threads", "torch": "2.15"},
    "dataset": "my digits",
    "steps": 60,
    "seconds": 7800.0,
    "interrupted": True,
    "loss": 0.25,
    "losses": [2.0, 1.0, 0.5, 0.25],
}
SCORES = {
    **dict.fromkeys(("accuracy", "frechet_distance", "kernel_distance", "precision"), 0.5),
    **dict.fromkeys(("recall", "density", "coverage", "nearest_distance"), 0.25),
    "accuracy_by_class": {"<i>": 0.75},
}
REPORT = {
    "count": 100,
    "seed": 0,
    "settings": {"sampler": "ddim", "steps": 2, "guidance_scale": 3.0},
    "reconstruction_psnr_db": 30.0,
    "samples": SCORES,
    "real": SCORES,
    "words": None,
}


@pytest.fixture
def folder(small_model, tmp_path):
    """Weights with all that training and evaluation leave beside them."""
    save(tmp_path, small_model, RECORD, RECORD)
    weights = weights_of(small_model)
    grids = [np.full((58, 88), grey, np.uint8) for grey in (0, 100)]
    about = {"steps": [0, 60], "scale": 2, "weights": weights}
    write_animation(tmp_path / "training.gif", grids, settings=about, scale=2)
    (tmp_path / "evaluation.json").write_text(json.dumps({**REPORT, "weights": weights}))
    return tmp_path


def told(folder):
    """The story of the model in a folder, and its page."""
    model = LatentDiffusion.load(folder, backend="torch")
    given = model, weights_of(model), folder
    return story_of(*given), train_page(*given)


def lacking(story):
    return {name for name, lack in story["lacks"].items() if lack}


def test_what_the_files_say_is_told(folder):
    story, html = told(folder)
    assert not lacking(story)
    assert [step for step, _ in story["samples"]] == [0, 60]
    assert "The samples after 60 steps" in html
    assert html.count("<polyline") == 2
    assert "from 2 at the start to 0.25 at the end" in html
    assert "2 h 10 min" in html and "Stopped early" in html
    command = "python train.py --stage vae --steps 60 --seed 5 --dataset 'my digits' --compile"
    assert command in html.replace("&#39;", "'")
    assert re.search("<th[^>]*>Recall<small>.*?</small></th><td>0.2500</td>", html)
    assert "&lt;i&gt;" in html and "<i>" not in html
    assert "&lt;b&gt;, 2 threads" in html and "<b>, 2 threads" not in html


def test_what_is_missing_has_a_sentence(weights):
    story, html = told(weights)
    assert lacking(story) == {"records", "samples", "evaluation"}
    for lack in story["lacks"].values():
        assert lack in html
    assert "<svg" not in html and "<img" not in html and "python train.py --out" in html


def other_weights(folder):
    about = {"steps": [0], "scale": 2, "weights": "0" * 16}
    write_animation(folder / "training.gif", [np.zeros((28, 28), np.uint8)], settings=about)
    (folder / "evaluation.json").write_text(json.dumps({**REPORT, "weights": "0" * 16}))


def damage(folder):
    content = (folder / "training.gif").read_bytes()
    (folder / "training.gif").write_bytes(content[: len(content) // 2])
    (folder / "evaluation.json").write_text("[")


@pytest.mark.parametrize("change", [other_weights, damage])
def test_what_is_damaged_or_of_other_weights_is_left_out(folder, change):
    change(folder)
    story, html = told(folder)
    assert lacking(story) == {"samples", "evaluation"}
    assert not story["samples"] and story["evaluation"] is None
    assert html.count("<svg") == 2


def test_the_weights_of_this_repository_lack_nothing():
    story, html = told(ROOT / "weights")
    assert not lacking(story)
    assert [stage["facts"]["Steps"] for stage in story["stages"]] == ["8,000", "18,000"]
    assert len(story["samples"]) == 11
    assert html.count("<table") == 7


@pytest.mark.parametrize("losses", [[1.0], [1.0, 1.0], [5.0, 3.0], [1.0, 1e-4]])
def test_any_losses_have_a_curve_inside_the_drawing(losses):
    drawn = curve([(i * 1000, loss) for i, loss in enumerate(losses)])
    places = [tuple(map(float, point.split(","))) for point in drawn["line"].split()]
    assert len(places) == len(losses)
    assert all(0 <= x <= 400 and 0 <= y <= 230 for x, y in places)
    assert float(drawn["losses"][0][1]) == pytest.approx(min(losses), rel=0.05)
