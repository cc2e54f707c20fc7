"""Runs of train.py, with small parts."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import train as command
from ldm_core import LatentDiffusion, SamplingSettings, read_settings
from ldm_core.checks import InputError
from ldm_core.files.checkpoint import read_checkpoint
from ldm_core.files.weights import weights_of
from ldm_core.model.pixels import to_image
from ldm_core.training.defaults import suited_defaults
from ldm_core.training.processes import ALONE
from ldm_core.training.run import RunOptions, TrainingRun

from ..conftest import ROOT

pytestmark = pytest.mark.usefixtures("small_training")


def test_a_run_keeps_time_for_what_is_not_a_step(slice_of_mnist, tmp_path):
    arguments = ["--minutes", "10", "--data-dir", str(slice_of_mnist), "--out", str(tmp_path)]
    run = TrainingRun(RunOptions(**vars(command.parse(arguments))), ALONE)
    # In runs of ten minutes 10 seconds went to other things, up to 65 to steps that slowed down.
    assert run.budget().seconds < 600 - 50
    assert run.budget(0.2).seconds == pytest.approx(0.2 * run.budget().seconds, rel=0.01)
    run.clock.resume_at(599)
    assert run.budget().seconds == 0


@pytest.fixture(scope="module")
def trained(small_training, slice_of_mnist, tmp_path_factory):
    out = tmp_path_factory.mktemp("weights")
    args = ["--steps", "60", "--data-dir", str(slice_of_mnist), "--out", str(out)]
    assert command.main([*args, "--device", "cpu"]) == 0
    return out


def test_training_on_real_digits_lowers_both_losses(trained):
    for kind, start in (("vae", 0.5), ("unet", 0.98)):
        about = read_checkpoint(trained / f"{kind}.safetensors", kind)[1]["training"]
        assert about["steps"] == 60
        assert about["dataset"] == "mnist"
        assert LatentDiffusion.load(trained).records[kind] == about
        losses = about["losses"]
        assert sum(losses[-10:]) / 10 < start * sum(losses[:3]) / 3


def test_training_makes_a_model_that_loads_and_samples(trained):
    model = LatentDiffusion.load(trained)
    assert model.generate([3, None], steps=2).shape == (2, 28, 28)
    assert read_settings(trained / "training.gif")["weights"] == weights_of(model)
    latents = model.vae.encode(torch.zeros(1, 1, 32, 32))
    assert latents.mean.isfinite().all()


def test_training_makes_a_model_that_takes_prompts_with_the_names_of_its_classes(tmp_path, capsys):
    names = ["T-shirt, top", "a", "ankle boot", "left", "été"]
    for i, name in enumerate(names):
        (tmp_path / "data" / name).mkdir(parents=True)
        for j in range(4):
            drawn = np.zeros((28, 28), np.uint8)
            drawn[4 : 14 + 2 * i, 8 : 11 + 2 * j] = 255
            Image.fromarray(drawn).save(tmp_path / "data" / name / f"{j}.png")
    line = ["--steps", "2", "--dataset", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert command.main([*line, "--device", "cpu"]) == 0
    model = LatentDiffusion.load(tmp_path / "out")
    assert set(model.class_names) == set(names)
    for i, name in enumerate(model.class_names):
        assert model.vocabulary.read(f"bold, {name}").label == i
    prompts = [f"bold, {name}" for name in names]
    drawn = model.generate(prompts, negative="thin", style={"width": 1}, steps=1)
    assert drawn.shape == (5, 28, 28)


def test_a_checkpoint_holds_the_text_encoder_and_its_words(trained):
    tensors, about = read_checkpoint(trained / "unet.safetensors", "unet")
    rows = about["config"]["conditioning"]["vocabulary"]
    assert tensors["conditioning.encoder.words.weight"].shape == (len(rows), 64)
    assert rows[8] == ["seven", "7"]


def test_a_model_brings_the_settings_that_suit_its_training(trained):
    model, suited = LatentDiffusion.load(trained), suited_defaults(60)
    assert model.defaults == suited != SamplingSettings()
    drawn = model.generate([3], seeds=[5])
    assert torch.equal(drawn, model.generate([3], seeds=[5], **suited.to_dict()))
    assert not torch.equal(drawn, model.generate([3], seeds=[5], **SamplingSettings().to_dict()))


def test_training_writes_sample_grids_as_it_goes(trained):
    names = sorted(p.name for p in (trained / "progress").iterdir())
    assert names[:2] == ["unet_000000.png", "unet_000006.png"]
    assert len(names) == 22


def test_latents_of_a_trained_vae_have_unit_variance(trained, mnist):
    model = LatentDiffusion.load(trained)
    latents = model.vae.encode(to_image(mnist.pixels[:500]))
    second_moment = (latents.mean.square() + latents.std.square()).mean(dim=(0, 2, 3))
    torch.testing.assert_close(second_moment, torch.ones(4), atol=0.2, rtol=0)


def test_the_same_seed_makes_the_same_weights(slice_of_mnist, tmp_path):
    made = []
    for name in ("one", "two"):
        out = tmp_path / name
        args = ["--stage", "vae", "--steps", "4", "--seed", "3", "--out", str(out)]
        assert command.main([*args, "--data-dir", str(slice_of_mnist), "--device", "cpu"]) == 0
        made.append(read_checkpoint(out / "vae.safetensors", "vae")[0])
    assert all(torch.equal(made[0][name], made[1][name]) for name in made[0])


def test_checkpoints_are_not_replaced_unasked(trained, slice_of_mnist, capsys):
    before = (trained / "vae.safetensors").read_bytes()
    args = ["--stage", "vae", "--steps", "1", "--out", str(trained)]
    assert command.main([*args, "--data-dir", str(slice_of_mnist)]) == 2
    assert "--force" in capsys.readouterr().err
    assert (trained / "vae.safetensors").read_bytes() == before


def test_a_unet_without_its_vae_is_refused(slice_of_mnist, tmp_path, capsys):
    args = ["--stage", "unet", "--steps", "1", "--out", str(tmp_path)]
    assert command.main([*args, "--data-dir", str(slice_of_mnist)]) == 2
    assert "vae.safetensors is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--minutes", "0"], "must be above 0"),
        (["--steps", "-3"], "must be above 0"),
        (["--steps", "3", "--minutes", "1"], "not allowed with"),
    ],
)
def test_bad_arguments_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("too\nlong"), 2, "train.py: too long"),
        (OSError(28, "No space left", "a.png"), 2, "train.py: a.png: No space left"),
        (
            KeyboardInterrupt(),
            130,
            "train.py: stopped at once; --resume goes on from the last save.",
        ),
    ],
)
def test_an_error_that_explains_itself_is_one_line(error, status, line, monkeypatch, capsys):
    monkeypatch.setattr(command, "TrainingRun", raising(error))
    assert command.main([]) == status
    assert capsys.readouterr().err == f"{line}\n"


def test_an_error_that_nobody_foresaw_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr(command, "TrainingRun", raising(RuntimeError("a fault")))
    with pytest.raises(RuntimeError, match="a fault"):
        command.main([])


def raising(error):
    def raise_it(*_):
        raise error

    return raise_it


def test_ctrl_c_on_the_command_line_leaves_a_usable_checkpoint(slice_of_mnist, tmp_path):
    args = ["--stage", "vae", "--steps", "100000", "--out", str(tmp_path), "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.small_training", *args, "--data-dir", str(slice_of_mnist)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
        # A shell may make what it runs in the background ignore Ctrl-C; here it must hear it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    shown = ""
    while "loss=" not in shown:  # until steps are being made
        shown += process.stderr.read(1)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130
    tensors, about = read_checkpoint(tmp_path / "vae.safetensors", "vae")
    assert about["training"]["interrupted"]
    assert all(t.isfinite().all() for t in tensors.values())
