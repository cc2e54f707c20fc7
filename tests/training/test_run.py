"""Runs of train.py, with small parts: whole, timed, stopped and resumed."""

import itertools
import signal
import time

import numpy as np
import pytest
import torch
from PIL import Image

import train as command
from ldm_core import InputError, LatentDiffusion, SamplingSettings, read_settings
from ldm_core.files.checkpoint import read_checkpoint
from ldm_core.files.weights import weights_of
from ldm_core.model.pixels import to_image
from ldm_core.runtime.processes import ALONE
from ldm_core.training.loop import NonFiniteLoss
from ldm_core.training.run import RESERVED_SECONDS, Clock, TrainingRun
from ldm_core.training.stages import UNetStage, VAEStage, suited_defaults

from ..conftest import record_of, steps_saved

STEPS = 30
pytestmark = pytest.mark.usefixtures("small_training")


@pytest.fixture(scope="module")
def data(slice_of_mnist):
    return ["--data-dir", str(slice_of_mnist), "--device", "cpu"]


@pytest.fixture(scope="module")
def arguments(data):
    return ["--steps", str(STEPS), *data]


@pytest.fixture(scope="module")
def trained(small_training, arguments, tmp_path_factory):
    """The folder of a whole run."""
    out = tmp_path_factory.mktemp("whole")
    assert command.main([*arguments, "--out", str(out)]) == 0
    return out


def before_loss(monkeypatch, stage, act):
    """Have act(self, step) come before the loss of each step of a stage."""
    loss_at = stage.loss_at

    def acting(self, step):
        act(self, step)
        return loss_at(self, step)

    monkeypatch.setattr(stage, "loss_at", acting)


# A whole run


def test_a_given_vae_is_taken_and_the_unet_trained_alone(arguments, trained, tmp_path, capsys):
    out, vae = tmp_path / "mine", (trained / "vae.safetensors").read_bytes()
    line = [*arguments, "--out", str(out), "--vae", str(trained)]
    assert command.main(line) == 0
    assert (out / "vae.safetensors").read_bytes() == vae
    one, other = (LatentDiffusion.load(folder) for folder in (out, trained))
    assert weights_of(one) == weights_of(other)  # as with the VAE of its own run
    assert command.main([*line, "--resume"]) == 0
    (out / "vae.safetensors").write_bytes(b"another")
    capsys.readouterr()
    assert command.main(line) == 2
    assert "vae.safetensors would be replaced" in capsys.readouterr().err
    assert command.main([*line, "--vae", str(tmp_path)]) == 2


def test_training_on_real_digits_lowers_both_losses(trained):
    for kind, start in (("vae", 0.8), ("unet", 0.98)):
        about = record_of(trained, kind)
        assert about["steps"] == STEPS
        assert about["dataset"] == "mnist"
        assert LatentDiffusion.load(trained).records[kind] == about
        losses = about["losses"]
        assert sum(losses[-10:]) / 10 < start * sum(losses[:3]) / 3


def test_training_makes_a_model_that_loads_and_samples(trained, mnist):
    model = LatentDiffusion.load(trained)
    assert model.generate([3, "a bold seven", None], steps=2).shape == (3, 28, 28)
    latents = model.vae.encode(to_image(mnist.pixels[:500]))
    second_moment = (latents.mean.square() + latents.std.square()).mean(dim=(0, 2, 3))
    torch.testing.assert_close(second_moment, torch.ones(4), atol=0.2, rtol=0)


def test_a_model_brings_the_settings_that_suit_its_training(trained):
    model, suited = LatentDiffusion.load(trained), suited_defaults(STEPS)
    assert model.defaults == suited != SamplingSettings()
    drawn = model.generate([3], seeds=[5])
    assert torch.equal(drawn, model.generate([3], seeds=[5], **suited.to_dict()))
    assert not torch.equal(drawn, model.generate([3], seeds=[5], **SamplingSettings().to_dict()))


def test_grids_come_before_the_first_step_and_at_each_tenth(trained):
    names = sorted(path.name for path in (trained / "progress").iterdir())
    steps = [0, *range(3, STEPS + 1, 3)]
    assert names == [f"{s}_{step:06d}.png" for s in ("unet", "vae") for step in steps]
    about = read_settings(trained / "training.gif")
    assert about["steps"] == steps
    assert about["weights"] == weights_of(LatentDiffusion.load(trained))
    with Image.open(trained / "training.gif") as animation:
        assert animation.n_frames == 11
        first = np.asarray(animation.convert("L"))
    grid = np.asarray(Image.open(trained / "progress" / "unet_000000.png"))
    assert np.abs(first.astype(int) - grid).max() <= 1  # in order, by number


def test_a_new_run_removes_the_grids_of_an_earlier_one(data, tmp_path):
    (tmp_path / "progress").mkdir()
    (tmp_path / "progress" / "vae_700000.png").touch()
    (tmp_path / "progress" / "unet_700000.png").touch()  # another stage's
    assert command.main(["--stage", "vae", "--steps", "1", *data, "--out", str(tmp_path)]) == 0
    names = {path.name for path in (tmp_path / "progress").iterdir()}
    assert names == {"vae_000000.png", "vae_000001.png", "unet_700000.png"}


def test_training_makes_a_model_that_takes_prompts_with_the_names_of_its_classes(tmp_path):
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


# Time


def timed(arguments, now):
    return TrainingRun(command.parse(arguments), ALONE, Clock(now))


def test_a_run_takes_its_minutes(data, tmp_path):
    """By a clock that goes on with each reading, so that all that a run does takes some time."""
    readings = itertools.count()
    now = lambda: next(readings) / 3
    run = timed(["--minutes", "0.5", *data, "--out", str(tmp_path)], now)
    assert run.run()
    assert 25 < run.clock.seconds() < 31
    vae, unet = (record_of(tmp_path, stage) for stage in ("vae", "unet"))
    assert vae["seconds"] == pytest.approx(0.08 * 27, abs=1)
    assert unet["elapsed"] == pytest.approx(27, abs=1)
    assert len(list((tmp_path / "progress").glob("unet_*.png"))) == 11


def test_the_only_stage_has_all_the_time(data, tmp_path):
    run = timed(["--stage", "vae", "--minutes", "10", *data, "--out", str(tmp_path)], lambda: 0.0)
    share_at = run.share_at(VAEStage(run.materials), begin=100.0)
    run.clock.resume_at(100 + 0.25 * (500 - RESERVED_SECONDS))
    assert share_at(1) == pytest.approx(0.25)


def test_a_timed_run_resumes_with_the_time_that_is_left(data, tmp_path, monkeypatch):
    line, now = ["--stage", "vae", "--minutes", "1", *data, "--out", str(tmp_path)], [0.0]

    def one_second(_, step):
        now[0] += 1.0
        if step == 19:
            signal.raise_signal(signal.SIGINT)

    before_loss(monkeypatch, VAEStage, one_second)
    assert not timed(line, lambda: now[0]).run()
    assert record_of(tmp_path, "vae")["steps"] == 20
    now[0] = 5000.0  # a day later
    assert timed([*line, "--resume"], lambda: now[0]).run()
    assert now[0] == 5000 + 54 - 20
    assert record_of(tmp_path, "vae")["steps"] == 54


# Stop and resume


class Killed(BaseException):
    """As the signal, it leaves what is on the disk, and nobody expects it."""


def test_a_run_killed_twice_ends_with_the_same_bits(arguments, trained, tmp_path, monkeypatch):
    again = [*arguments, "--out", str(tmp_path), "--save-seconds", "1e-9"]

    def kill(_, step):
        if step == STEPS // 2:
            raise Killed

    for stage, extra in ((VAEStage, []), (UNetStage, ["--resume"])):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            before_loss(patch, stage, kill)
            command.main([*again, *extra])
        assert steps_saved(tmp_path / f"{stage.name}.resume.safetensors") == STEPS // 2
        assert not (tmp_path / f"{stage.name}.safetensors").exists()
    (tmp_path / ".unet.resume.123.partial.safetensors").write_bytes(b"of a killed process")
    assert command.main([*again, "--resume"]) == 0
    for stage in ("vae", "unet"):
        path = f"{stage}.safetensors"
        one, other = (read_checkpoint(folder / path, stage)[0] for folder in (tmp_path, trained))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    for found, whole in ((tmp_path, trained), (tmp_path / "progress", trained / "progress")):
        assert {p.name for p in found.iterdir()} == {p.name for p in whole.iterdir()}


def test_ctrl_c_on_the_command_line_leaves_a_usable_checkpoint(data, tmp_path, monkeypatch, capsys):
    press = lambda _, step: step == 5 and signal.raise_signal(signal.SIGINT)
    before_loss(monkeypatch, VAEStage, press)
    line = ["--stage", "vae", "--steps", "100000", *data, "--out", str(tmp_path)]
    assert command.main(line) == 130
    assert "--resume goes on from here." in capsys.readouterr().out
    tensors, about = read_checkpoint(tmp_path / "vae.safetensors", "vae")
    assert about["training"]["interrupted"]
    assert about["training"]["steps"] == steps_saved(tmp_path / "vae.resume.safetensors") == 6
    assert all(t.isfinite().all() for t in tensors.values())


def test_a_loss_that_is_not_finite_leaves_the_last_good_state(data, tmp_path, monkeypatch):
    loss_at = VAEStage.loss_at

    def infinite_gradient(stage, step):
        """Its gradient is infinite at 0, so that the weights go before the loss does."""
        weight = next(stage.module.parameters())
        return loss_at(stage, step) + (weight * (step != 5)).abs().sqrt().sum()

    monkeypatch.setattr(VAEStage, "loss_at", infinite_gradient)
    line = ["--stage", "vae", "--steps", "9", *data, "--out", str(tmp_path)]
    run = timed([*line, "--save-seconds", "1e-9"], time.monotonic)
    with pytest.raises(NonFiniteLoss, match="weights became infinite or NaN at step 5"):
        run.run()
    assert steps_saved(tmp_path / "vae.resume.safetensors") == 5


def test_resuming_what_is_finished_changes_nothing(arguments, trained, capsys):
    before = (trained / "unet.safetensors").read_bytes()
    assert command.main([*arguments, "--out", str(trained), "--resume"]) == 0
    assert capsys.readouterr().out.count("finished already") == 2
    assert (trained / "unet.safetensors").read_bytes() == before


def test_resuming_with_other_settings_names_them(arguments, trained, capsys):
    others = [*arguments, "--out", str(trained), "--resume", "--seed", "5", "--steps", "7"]
    assert command.main(others) == 2
    shown = capsys.readouterr().err
    assert "length: 30 steps, now 7 steps; training.seed: 0, now 5." in shown


def test_compiling_is_no_setting_of_a_stage_that_is_not_compiled(data, tmp_path, capsys):
    """The VAE is never compiled: a run that was stopped after it may go on without --compile."""
    line = ["--steps", "2", *data, "--out", str(tmp_path)]
    assert command.main(["--stage", "vae", "--compile", *line]) == 0
    assert command.main([*line, "--resume"]) == 0
    assert "vae.safetensors: finished already" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["vae.safetensors", "vae.resume.safetensors"])
def test_neither_weights_nor_an_unfinished_run_are_replaced_unasked(arguments, tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(InputError, match="would be replaced. Pass --resume .*--force"):
        timed([*arguments, "--out", str(tmp_path)], time.monotonic)


def test_resuming_nothing_starts_from_the_beginning_and_says_so(data, tmp_path, capsys):
    line = ["--stage", "vae", "--steps", "1", *data, "--out", str(tmp_path), "--resume"]
    assert command.main(line) == 0
    assert "nothing to resume" in capsys.readouterr().out
    assert (tmp_path / "vae.safetensors").exists()


# The command line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--minutes", "0"], "must be above 0"),
        (["--steps", "3", "--minutes", "1"], "not allowed with"),
        (["--vae", "weights", "--stage", "distill"], "--vae is for the U-Net"),
    ],
)
def test_bad_arguments_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        command.main(arguments)
    assert message in capsys.readouterr().err
