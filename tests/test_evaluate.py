import argparse
import dataclasses
import json
import re

import pytest
import torch
from PIL import Image

from ldm_core import LatentDiffusion, SamplingSettings
from ldm_core.command_line import add_sampling_options, given_options
from ldm_core.config import ClassifierConfig
from ldm_core.evaluate import main
from ldm_core.evaluation.classifier import Classifier, load_classifier
from ldm_core.evaluation.report import labels_like, make_samples
from ldm_core.files.checkpoint import save_module
from ldm_core.files.weights import save_unet, save_vae

from .conftest import ROOT


@pytest.fixture
def weights(small_model, tmp_path):
    save_vae(tmp_path / "vae.safetensors", small_model.vae, {})
    save_unet(tmp_path / "unet.safetensors", small_model, {})
    torch.manual_seed(0)
    classifier = Classifier(ClassifierConfig(width=8))
    save_module(tmp_path / "classifier.safetensors", "classifier", classifier, {})
    return tmp_path


def test_every_figure_stands_beside_its_floor(weights, slice_of_mnist, capsys):
    arguments = ["--weights", str(weights), "--data-dir", str(slice_of_mnist)]
    arguments += ["--count", "120", "--steps", "2"]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["count"] == report["real_count"] == 120
    assert report["settings"]["steps"] == 2
    assert report["samples"].keys() == report["real"].keys() == report["reconstructions"].keys()
    assert report["real"]["frechet_distance"] < report["samples"]["frechet_distance"]
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    assert "| | samples | real test images (floor) |" in shown
    assert f"{report['samples']['frechet_distance']:.4f}" in shown


def test_labels_are_as_frequent_as_in_the_data():
    labels = torch.tensor([2] * 50 + [0] * 30 + [1] * 20)
    assert labels_like(labels, 10).tolist() == [0] * 3 + [1] * 2 + [2] * 5
    assert labels_like(labels, 7).bincount().tolist() == [2, 1, 4]  # of 2.1, 1.4 and 3.5
    assert labels_like(labels, 1000).bincount().tolist() == [300, 200, 500]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "5"], "--count must be a whole number from 100"),
        (["--steps", "0"], "steps must be a whole number"),
        (["--weights", "absent"], "absent/vae.safetensors is missing"),
    ],
)
def test_mistakes_are_told(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_help_explains_every_option(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for field in dataclasses.fields(SamplingSettings):
        assert f"--{field.name.replace('_', '-')} " in said
    listed = re.findall(r"^  (--[^\n]*(?:\n {3,}[^\n]*)*)", said, re.MULTILINE)
    for option in listed:
        assert re.match(r"--\S+(?: [A-Z]\S*| \{\S+\})*\s{2,}\S", option), option


def test_every_sampling_option_reaches_the_settings():
    parser = argparse.ArgumentParser()
    add_sampling_options(parser)
    assert given_options(parser.parse_args([])) == {}
    line = "--guidance-scale 2.5 --steps 3 --sampler ddim --spacing karras --eta 0.5"
    line += " --guidance-interval 0.2 0.8 --guidance-rescale 0.3"
    given = given_options(parser.parse_args(line.split()))
    assert SamplingSettings.from_dict(given) == SamplingSettings(
        2.5, 3, "ddim", "karras", 0.5, (0.2, 0.8), 0.3
    )
    assert given.keys() == SamplingSettings().to_dict().keys()


def test_data_of_other_classes_are_refused(weights, tmp_path, capsys):
    for name in ("apple", "pear"):
        (tmp_path / "own" / name).mkdir(parents=True)
        for i in range(2):
            Image.new("L", (28, 28)).save(tmp_path / "own" / name / f"{i}.png")
    assert main(["--weights", str(weights), "--dataset", str(tmp_path / "own")]) == 2
    assert "know other classes (0, 1, 2" in capsys.readouterr().err


def test_the_weights_of_this_repository_draw_the_digits_asked_for():
    model = LatentDiffusion.load(ROOT / "weights")
    judge = load_classifier(ROOT / "weights" / "classifier.safetensors")
    labels = torch.arange(100) % 10
    predicted = judge.judge(make_samples(model, labels, SamplingSettings(), seed=0))[1]
    assert (predicted == labels).sum() >= 97


def test_the_vae_of_this_repository_reaches_32_db(mnist):
    from ldm_core.training.vae import reconstruction_psnr

    model = LatentDiffusion.load(ROOT / "weights")
    assert reconstruction_psnr(model, mnist.pixels[:1000]) > 32
