import copy
import json
import shutil
import sys

import pytest
import torch
from PIL import Image

from ldm_core import LatentDiffusion, SamplingSettings
from ldm_core.config import ClassifierConfig
from ldm_core.data.datasets import load_dataset
from ldm_core.evaluate import main
from ldm_core.evaluation.classifier import Classifier, load_classifier
from ldm_core.evaluation.metrics import psnr
from ldm_core.evaluation.samples import labels_like, make_samples, reconstructions
from ldm_core.evaluation.tables import tables
from ldm_core.files.checkpoint import save_module
from ldm_core.files.weights import save_student, weights_of

from .conftest import ROOT, in_two, save, small_parts


@pytest.fixture
def weights(small_model, tmp_path):
    save(tmp_path, small_model)
    torch.manual_seed(0)
    classifier = Classifier(ClassifierConfig(width=8))
    save_module(tmp_path / "classifier.safetensors", "classifier", classifier, {})
    return tmp_path


def test_every_figure_stands_beside_that_of_real_images(weights, slice_of_mnist, capsys):
    arguments = ["--weights", str(weights), "--data-dir", str(slice_of_mnist)]
    arguments += ["--count", "120", "--words-count", "0", "--steps", "2"]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["count"] == report["real_count"] == 120
    assert report["settings"]["steps"] == 2
    assert report["samples"].keys() == report["real"].keys() == report["reconstructions"].keys()
    assert report["real"]["frechet_distance"] < report["samples"]["frechet_distance"]
    assert report["words"] is None
    shown = tables(report)
    assert f"{report['samples']['frechet_distance']:.4f}" in shown
    assert (
        f"{report['real']['frechet_distance']:.4f} ± {report['real_frechet_deviation']:.4f}"
        in shown
    )


def test_a_student_is_measured_beside_its_teacher(taught_model, slice_of_mnist, tmp_path, capsys):
    """Negative prompts, which it does not know, are left out."""
    save(tmp_path, taught_model)
    save_student(tmp_path / "student.safetensors", taught_model, {})
    shutil.copy(ROOT / "weights" / "classifier.safetensors", tmp_path)
    arguments = ["--weights", str(tmp_path), "--data-dir", str(slice_of_mnist), "--count", "100"]
    how = ["--sampler", "student", "--steps", "2", "--words-count", "4", "--seed", "7"]
    assert main([*arguments, *how, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["words"]["negative"] is None
    loaded = LatentDiffusion.load(tmp_path)
    asked = labels_like(load_dataset("mnist", slice_of_mnist, train=True).labels, 100)
    seeds = range(7, 107)
    drawn = loaded.generate(asked, seeds=seeds, sampler="student", steps=2)
    teacher = loaded.generate(asked, seeds=seeds)
    grey_levels = (drawn.float() - teacher.float()).abs().mean().item()
    assert report["teacher"]["grey_levels"] == pytest.approx(grey_levels)
    assert 0 < report["teacher"]["same_digit"] <= 1
    assert f"{grey_levels:.2f} grey levels apart" in tables(report)


def test_weights_are_measured_by_their_words(weights, small_model, slice_of_mnist, capsys):
    model = copy.copy(small_model)
    model.defaults = SamplingSettings(sampler="unipc", steps=3)
    save(weights, model)
    arguments = ["--weights", str(weights), "--data-dir", str(slice_of_mnist)]
    arguments += ["--count", "100", "--steps", "1"]
    assert main([*arguments, "--words-count", "8", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["settings"] == model.settings(steps=1).to_dict() | {
        "guidance_interval": [0.4, 0.7],
        "off": [],
    }
    words = report["words"]
    assert [row["word"] for row in words["single"]][:3] == ["thin", "bold", "leaning left"]
    assert [len(words[kind]) for kind in ("single", "pairs", "sliders")] == [6, 12, 3]
    assert [row["count"] for row in (words["single"][0], words["pairs"][0])] == [8, 2]
    assert words["negative"]["count"] == words["sliders"][0]["count"] == 4
    assert all(row["real"]["count"] == 1000 for row in words["single"])
    assert all(0 < row["real"]["asked_third"] < row["real"]["right_side"] for row in words["pairs"])
    assert f"| bold | {words['single'][1]['right_side']:.4f} |" in tables(report)
    assert not (weights / "evaluation.json").exists()
    assert main([*arguments, "--words-count", "0", "--save"]) == 0
    shown = capsys.readouterr().out
    assert "| | samples | real test images |" in shown and "bold" not in shown
    saved = json.loads((weights / "evaluation.json").read_text())
    assert saved["weights"] == report["weights"] == weights_of(LatentDiffusion.load(weights))
    assert saved["samples"] == report["samples"]


def test_two_processes_measure_what_one_does(weights, slice_of_mnist, capsys):
    options = ["--weights", weights, "--data-dir", slice_of_mnist, "--count", "300"]
    options += ["--steps", "1", "--words-count", "8", "--json"]
    two = in_two("ldm_core.evaluate", *options)
    assert main(list(map(str, options))) == 0
    out, err = two.communicate(timeout=120)
    assert two.returncode == 0, err
    assert out == capsys.readouterr().out


def test_each_switch_has_a_row_of_figures(weights, slice_of_mnist, capsys):
    arguments = ["--weights", str(weights), "--data-dir", str(slice_of_mnist), "--ablations"]
    assert main([*arguments, "--count", "100", "--steps", "2", "--save"]) == 0
    shown = capsys.readouterr().out
    report = json.loads((weights / "ablations.json").read_text())
    assert (*report["off"],) == LatentDiffusion.load(weights).switches
    assert report["weights"] == weights_of(LatentDiffusion.load(weights))
    rows = [report["all"], *report["off"].values(), report["real"]]
    assert all(row.keys() == {"accuracy", "frechet_distance", "recall"} for row in rows)
    distances = [row["frechet_distance"] for row in rows]
    assert len(set(distances)) == len(rows) and min(distances) == distances[-1]
    assert f"| skip.0 | {report['off']['skip.0']['accuracy']:.4f} |" in shown
    assert "| off (100 samples) | accuracy | frechet distance | recall |" in shown


@pytest.fixture
def two_classes(tmp_path):
    """Two classes of flat pictures, which a judge cannot tell from each other."""
    for name in ("dark", "light"):
        (tmp_path / "own" / name).mkdir(parents=True)
    return tmp_path / "own"


def evaluate_own(two_classes, pictures, *more):
    for name, grey in (("dark", 20), ("light", 200)):
        for i in range(pictures):
            Image.new("L", (28, 28), grey).save(two_classes / name / f"{i}.png")
    names = ("dark", "light")
    model = LatentDiffusion(small_parts(names))
    weights = two_classes.parent
    save(weights, model)
    judge = Classifier(ClassifierConfig(names, width=8))
    save_module(weights / "classifier.safetensors", "classifier", judge, {})
    line = ["--weights", str(weights), "--dataset", str(two_classes), "--count", "100"]
    return main([*line, "--words-count", "0", "--steps", "1", *more])


def test_a_score_of_zero_of_real_images_divides_nothing(two_classes, capsys):
    assert evaluate_own(two_classes, 30, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    report["real"]["recall"] = 0.0
    report["real"]["accuracy_by_class"]["dark"] = None
    shown = tables(report)
    assert f"| recall | {report['samples']['recall']:.4f} | 0.0000 | – |" in shown
    of_samples = report["samples"]["accuracy_by_class"]["dark"]
    assert f"| dark | {of_samples:.4f} | – |" in shown


def test_too_few_pictures_are_told_before_sampling(two_classes, capsys, monkeypatch):
    monkeypatch.setattr(LatentDiffusion, "denoise", lambda *_, **__: pytest.fail("it sampled"))
    assert evaluate_own(two_classes, 9) == 2
    assert "at least 4 test pictures, not 2" in capsys.readouterr().err


def test_seeds_wrap_as_those_of_sample_do(small_model):
    labels, settings = torch.zeros(3).long(), SamplingSettings(steps=1)
    wrapped = make_samples(small_model, labels, settings, seed=2**32 - 2)
    expected = small_model.generate([0] * 3, seeds=[2**32 - 2, 2**32 - 1, 0], steps=1)
    assert torch.equal(wrapped, expected)


def test_labels_are_as_frequent_as_in_the_data():
    labels = torch.tensor([2] * 50 + [0] * 30 + [1] * 20)
    assert labels_like(labels, 10).tolist() == [0] * 3 + [1] * 2 + [2] * 5
    assert labels_like(labels, 7).bincount().tolist() == [2, 1, 4]  # of 2.1, 1.4 and 3.5
    assert labels_like(labels, 1000).bincount().tolist() == [300, 200, 500]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--count", "5"], "--count must be a whole number from 100"),
        (["--weights", "absent"], "absent/vae.safetensors is missing"),
    ],
)
def test_mistakes_are_told(arguments, message, capsys):
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_a_missing_package_is_named_before_any_work(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torchmetrics", None)  # as if it were not installed
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([]) == 2
    assert "pip install torchmetrics" in capsys.readouterr().err


def test_data_of_other_classes_are_refused(weights, tmp_path, capsys):
    for name in ("apple", "pear"):
        (tmp_path / "own" / name).mkdir(parents=True)
        picture = Image.new("L", (28, 28))
        picture.paste(200, (10, 4, 16, 24))
        for i in range(30):
            picture.save(tmp_path / "own" / name / f"{i}.png")
    assert main(["--weights", str(weights), "--dataset", str(tmp_path / "own")]) == 2
    assert "know other classes (0, 1, 2" in capsys.readouterr().err


def test_the_weights_of_this_repository_draw_the_digits_asked_for():
    model = LatentDiffusion.load(ROOT / "weights")
    judge = load_classifier(ROOT / "weights" / "classifier.safetensors")
    labels = torch.arange(100) % 10
    predicted = judge.judge(make_samples(model, labels, SamplingSettings(), seed=0))[1]
    assert (predicted == labels).sum() >= 97


def test_the_vae_of_this_repository_reaches_32_db(mnist):
    model, pixels = LatentDiffusion.load(ROOT / "weights"), mnist.pixels[:1000]
    assert psnr(reconstructions(model, pixels), pixels) > 32
