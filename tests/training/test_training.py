import math
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

import train as command
from ldm_core import LatentDiffusion
from ldm_core.files.checkpoint import read_checkpoint
from ldm_core.model.pixels import to_image
from ldm_core.model.unet import UNet
from ldm_core.model.vae import VAE
from ldm_core.training.draws import batch_at, generator_at
from ldm_core.training.loop import (
    WARM_UP_STEPS,
    Budget,
    NonFiniteLoss,
    Run,
    _steps_that_fit,
    is_progress_step,
    rate_factor,
    train,
)
from ldm_core.training.processes import ALONE
from ldm_core.training.run import RunOptions, TrainingRun
from ldm_core.training.stages import hidden_matrices, reconstruction_psnr, training_times, v_loss

from ..conftest import ROOT

pytestmark = pytest.mark.usefixtures("small_training")


def test_learning_rate_rises_in_a_line_and_falls_in_a_line():
    assert rate_factor(0, None) == 1 / WARM_UP_STEPS
    assert rate_factor(WARM_UP_STEPS, None) == 1
    total = 1000
    assert rate_factor(24, total) == pytest.approx(25 / 50 * 0.976)
    assert rate_factor(500, total) == pytest.approx(0.5)
    assert rate_factor(999, total) == pytest.approx(0.001)


def test_progress_comes_ten_times_and_at_the_end():
    steps = [step for step in range(1, 26) if is_progress_step(step, 25)]
    assert steps == [3, 5, 8, 10, 13, 15, 18, 20, 23, 25]
    assert [step for step in range(1, 4) if is_progress_step(step, 3)] == [1, 2, 3]


def test_every_epoch_sees_every_example_once_in_a_new_order():
    size, batch = 10, 4
    drawn = torch.cat([batch_at(step, size, batch, seed=0) for step in range(5)])
    first, second = drawn[:size], drawn[size:]
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(size))
    assert first.tolist() != second.tolist()
    assert torch.equal(batch_at(2, size, batch, seed=0), drawn[8:12])
    assert not torch.equal(batch_at(0, size, size, seed=1), first)


def test_draws_are_functions_of_seed_step_and_stream():
    def draw(*key):
        seed, step, stream = key
        generator = generator_at(seed, step, torch.device("cpu"), stream)
        return torch.randn(4, generator=generator).tolist()

    assert draw(0, 5, 0) == draw(0, 5, 0)
    keys = [(0, 5, 0), (0, 6, 0), (1, 5, 0), (0, 5, 1)]
    assert len({tuple(draw(*key)) for key in keys}) == 4


def test_training_times_are_logistic_normal():
    normal = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    t = training_times(normal, 0.5, 1.2)
    assert ((t > 0) & (t < 1)).all()
    logit = torch.log(t / (1 - t))
    assert logit.mean().item() == pytest.approx(0.5, abs=0.02)
    assert logit.std().item() == pytest.approx(1.2, abs=0.02)


@pytest.mark.parametrize("network", [VAE, UNet])
def test_muon_trains_all_matrices_but_those_of_an_image_or_a_latent(network):
    network = network()
    chosen = {id(p) for p in hidden_matrices(network)}
    for name, p in network.named_parameters():
        between_features = p.dim() > 1 and min(p.shape[:2]) > 8  # of a latent: 4, or 4 twice
        assert (id(p) in chosen) == between_features, name


def test_psnr_follows_its_formula(small_model):
    pixels = torch.randint(0, 256, (3, 28, 28), generator=torch.Generator().manual_seed(0))
    pixels = pixels.to(torch.uint8)
    decoded = small_model.decode(small_model.encode(pixels))
    mse = ((decoded.double() - pixels.double()) ** 2).mean().item()
    expected = 10 * math.log10(255**2 / mse)
    assert reconstruction_psnr(small_model, pixels) == pytest.approx(expected, abs=1e-4)


def test_loss_is_the_squared_error_of_v(small_model):
    z, noise = torch.randn(2, 2, 4, 8, 8).unbind()
    t, context = torch.tensor([0.2, 0.9]), torch.randn(2, 4, 64)
    x_t = small_model.schedule.add_noise(z, noise, t)
    prediction = small_model.unet(x_t, t, context)
    v = small_model.schedule.v_from_x_0(z, noise, t)
    expected = torch.stack([((p - w) ** 2).mean() for p, w in zip(prediction, v)])
    found = v_loss(small_model.unet, small_model.schedule, z, context, t, noise)
    torch.testing.assert_close(found, expected)


def fit(loss_at, module, **options):
    options = {"budget": Budget(steps=60), "learning_rate": 0.05, **options}
    budget = options.pop("budget")
    options |= {"name": "x", "batch": 1, "weight_decay": 0.0, "ema_width": 0.1}
    return train(module, loss_at, budget, **options)


def test_a_minute_budget_fixes_the_steps_from_the_measured_speed():
    module = nn.Linear(1, 1)

    def loss_at(step):
        time.sleep(0.002)
        return module(torch.ones(1, 1)).square().sum()

    result = fit(loss_at, module, budget=Budget(seconds=0.5))
    assert WARM_UP_STEPS < result.steps <= 250
    assert not result.interrupted


def test_a_slow_first_grid_does_not_shorten_the_run():
    module, shown = nn.Linear(1, 1), []

    def show(step):
        time.sleep(0.0 if shown else 0.5)  # the first one pays for warming up
        shown.append(step)

    def loss_at(step):
        time.sleep(0.002)
        return module(torch.ones(1, 1)).square().sum()

    result = fit(loss_at, module, budget=Budget(seconds=2), run=Run(on_progress=show))
    assert result.steps > 2 * WARM_UP_STEPS
    assert shown[-1] == result.steps


def test_a_slow_start_does_not_shorten_the_run():
    marks = [100, 105, 106, 107, 108]  # four steps in 8 seconds, all but the first in one
    assert _steps_that_fit(20, marks) == 4 + 12
    assert _steps_that_fit(3, marks) == 4


def test_a_run_keeps_time_for_what_is_not_a_step(slice_of_mnist, tmp_path):
    arguments = ["--minutes", "10", "--data-dir", str(slice_of_mnist), "--out", str(tmp_path)]
    run = TrainingRun(RunOptions(**vars(command.parse(arguments))), ALONE)
    # In runs of ten minutes 10 seconds went to other things, up to 65 to steps that slowed down.
    assert run.budget().seconds < 600 - 50
    assert run.budget(0.2).seconds == pytest.approx(0.2 * run.budget().seconds, rel=0.01)
    run.clock.resume_at(599)
    assert run.budget().seconds == 0


def test_a_loss_that_is_not_finite_stops_and_says_where():
    module = nn.Linear(1, 1)

    def loss_at(step):
        return module(torch.ones(1, 1)).sum() * (float("nan") if step == 7 else 1.0)

    with pytest.raises(NonFiniteLoss, match="became nan at step 7"):
        fit(loss_at, module)


def test_ctrl_c_keeps_what_was_learned():
    module = nn.Linear(1, 1)
    start = module.weight.clone()

    def loss_at(step):
        if step == 9:
            signal.raise_signal(signal.SIGINT)  # that step is finished first
        return (module(torch.ones(1, 1)) - 5).square().sum()

    result = fit(loss_at, module)
    assert result.interrupted
    assert result.steps == len(result.losses) == 10
    assert module.weight.item() != start.item()


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
        losses = about["losses"]
        assert sum(losses[-10:]) / 10 < start * sum(losses[:3]) / 3


def test_training_makes_a_model_that_loads_and_samples(trained):
    model = LatentDiffusion.load(trained)
    assert model.generate([3, None], steps=2).shape == (2, 28, 28)
    latents = model.vae.encode(torch.zeros(1, 1, 32, 32))
    assert latents.mean.isfinite().all()


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


def test_ctrl_c_on_the_command_line_leaves_a_usable_checkpoint(slice_of_mnist, tmp_path):
    args = ["--stage", "vae", "--steps", "100000", "--out", str(tmp_path), "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.small_training", *args, "--data-dir", str(slice_of_mnist)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        text=True,
        # A shell may start what it runs in the background deaf to Ctrl-C; here it must hear it.
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
