"""Samplers on problems whose answer is known: a Gaussian has an exact denoiser and an exact ODE."""

import pytest
import torch

from ldm_core.diffusion.noise_schedule import SPACINGS, NoiseSchedule
from ldm_core.diffusion.samplers import LEAD, SAMPLERS, STUDENT

SCHEDULE = NoiseSchedule()

# The target: x_0 = MEAN + BASIS diag(SPREAD) normal, correlated and of very different deviations.
MEAN = torch.tensor([1.0, -0.5, 0.25], dtype=torch.float64)
SPREAD = torch.tensor([2.0, 0.7, 0.2], dtype=torch.float64)
BASIS = torch.linalg.qr(torch.tensor([[1.0, 2, 0], [-1, 1, 1], [0, 1, -2]], dtype=torch.float64))[0]


def spread_at(t):
    """x_t = signal MEAN + BASIS diag(spread_at(t)) normal: deviations along BASIS, (..., 3)."""
    signal, sigma = (level[..., None] for level in SCHEDULE.levels(t))
    return (signal**2 * SPREAD**2 + sigma**2).sqrt()


def exact_denoise(x_t, t):
    """E[x_0 | x_t] = MEAN + signal C (signal^2 C + sigma^2)^-1 (x_t - signal MEAN)."""
    signal = SCHEDULE.levels(t)[0][:, None]
    gain = signal * SPREAD**2 / spread_at(t) ** 2
    return MEAN + ((x_t - signal * MEAN) @ BASIS * gain) @ BASIS.T


def exact_flow(x_t, t, s):
    """The probability-flow ODE from t to s: along BASIS, the distance from the mean keeps its
    ratio to the deviation."""
    mean_t, mean_s = (SCHEDULE.levels(time)[0] * MEAN for time in (t, s))
    return mean_s + ((x_t - mean_t) @ BASIS * spread_at(s) / spread_at(t)) @ BASIS.T


def run(name, x, times, denoise=exact_denoise, noise=None, **options):
    """[(x_t, x_0), ...] of all steps."""
    noise = noise or (lambda i: normal(x.shape, seed=i).to(x.dtype))
    return list(SAMPLERS[name](denoise, x, times, schedule=SCHEDULE, noise=noise, **options))


def normal(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def toy_denoise(x, t):
    """Nonlinear, bounded, different for every t; acts on each element by itself."""
    return (x + t.view(-1, *[1] * (x.dim() - 1))).sin()


def grid_above_zero(steps):
    """`steps` equal steps in log-SNR to T_MIN, then the step to 0, where log-SNR is infinite and
    every method is of first order: errors are measured before it."""
    return SCHEDULE.times(steps + 1, "log_snr")


def slope(steps, errors):
    """The exponent p of errors ~ steps^-p, by least squares on logarithms."""
    x, y = (torch.tensor(values, dtype=torch.float64).log() for values in (steps, errors))
    x, y = x - x.mean(), y - y.mean()
    return float(-(x @ y) / (x @ x))


# Accuracy


@pytest.mark.parametrize(
    "name, order", [("euler", 1), ("ddim", 1), ("heun", 2), ("dpmpp_2m", 2), ("unipc", 3)]
)
def test_error_falls_with_the_promised_power_of_the_steps(name, order):
    """UniPC-2 has a predictor of order 2 and, thanks to its corrector, order 3 in all."""
    x = normal((8, 3), seed=0)
    counts, errors = [64, 128, 256, 512], []
    for steps in counts:
        times = grid_above_zero(steps)
        last, _ = run(name, x, times)[-2]
        errors.append(float((last - exact_flow(x, times[0], times[-2])).norm()))
    assert slope(counts, errors) == pytest.approx(order, abs=0.05)


@pytest.mark.parametrize(
    "name, options, order", [("ddpm", {}, 1), ("ddim", {"eta": 1.0}, 1), ("dpmpp_2m_sde", {}, 2)]
)
def test_stochastic_samples_converge_to_the_mean_and_covariance(name, options, order):
    """Starting noise and all fresh noise enter linearly, so feeding unit vectors in their place
    gives the mean and the covariance of the samples exactly, without drawing any."""
    counts, mean_errors, covariance_errors = [64, 128, 256, 512], [], []
    for steps in counts:
        times, size = grid_above_zero(steps), 3 * (steps + 1)
        units = torch.cat([torch.eye(size), torch.zeros(1, size)]).double()
        units = units.view(size + 1, steps + 1, 3).transpose(0, 1)  # which noise, which unit, (3)
        start = SCHEDULE.levels(times[0])[0] * MEAN + units[0] * spread_at(times[0]) @ BASIS.T
        rows, _ = run(name, start, times, noise=lambda i, units=units: units[i], **options)[-2]
        mean, factors = rows[-1], rows[:-1] - rows[-1]
        signal, exact = SCHEDULE.levels(times[-2])[0], BASIS * spread_at(times[-2]) ** 2 @ BASIS.T
        mean_errors.append(float((mean - signal * MEAN).norm()))
        covariance_errors.append(float((factors.T @ factors - exact).norm()))
    assert slope(counts, covariance_errors) == pytest.approx(order, abs=0.05)
    assert max(mean_errors) < 1e-9  # the mean is exact at any number of steps


# Identities


@pytest.mark.parametrize("spacing", SPACINGS)
def test_ddim_with_eta_1_is_ddpm(spacing):
    x, times = normal((4, 3), seed=0), SCHEDULE.times(10, spacing)
    for a, b in zip(run("ddim", x, times, eta=1.0), run("ddpm", x, times), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_the_first_step_of_dpmpp_2m_is_that_of_ddim(eta, spacing):
    """It has no estimate before it to extrapolate from."""
    x, times = normal((4, 3), seed=0), SCHEDULE.times(10, spacing)
    ours, ddims = (run(name, x, times, eta=eta)[0][0] for name in ("dpmpp_2m", "ddim"))
    torch.testing.assert_close(ours, ddims, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_euler_is_ddim_with_eta_0(spacing):
    x, times = normal((4, 3), seed=0), SCHEDULE.times(10, spacing)
    for a, b in zip(run("euler", x, times), run("ddim", x, times), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


# The contract


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 50, 999])
def test_steps_asked_for_are_steps_run_and_finite(name, spacing, steps):
    times = SCHEDULE.times(steps, spacing)
    yielded = run(name, normal((1, 2), seed=0), times, toy_denoise)
    assert len(yielded) == steps == len(times) - 1
    assert all(torch.isfinite(x_t).all() and torch.isfinite(x_0).all() for x_t, x_0 in yielded)


@pytest.mark.parametrize("name", SAMPLERS)
def test_denoiser_is_called_at_the_times_of_the_grid(name):
    """Once a step, and by Heun's method once more at the end of every step but the last."""
    times, seen = SCHEDULE.times(4), []

    def denoise(x, t):
        seen.append(t.tolist())
        return toy_denoise(x, t)

    run(name, normal((2, 3), seed=0), times, denoise)
    t = [[time] * 2 for time in times.tolist()]
    twice = [t[0], t[1], t[1], t[2], t[2], t[3], t[3]]
    assert seen == (twice if name == "heun" else t[:4])


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != STUDENT])
def test_the_sample_is_the_last_estimate_of_x_0(name):
    x_t, x_0 = run(name, normal((4, 3), seed=0), SCHEDULE.times(5), toy_denoise)[-1]
    assert torch.equal(x_t, x_0)


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_the_students_sample_is_led_away_from_its_first_estimate(steps):
    """x_0 + LEAD t (x_0 - x_0_first), after the steps of `ddim`."""
    x, times = normal((4, 3), seed=0), SCHEDULE.times(steps)
    *before, (x_t, x_0) = run(STUDENT, x, times, toy_denoise)
    *before_of_ddim, (_, x_0_of_ddim) = run("ddim", x, times, toy_denoise)
    for (ours, _), (of_ddim, _) in zip(before, before_of_ddim, strict=True):
        assert torch.equal(ours, of_ddim)
    assert torch.equal(x_0, x_0_of_ddim)
    first = toy_denoise(x, torch.ones(4))
    torch.testing.assert_close(x_t, x_0 + LEAD / steps * (x_0 - first))


@pytest.mark.parametrize("name", SAMPLERS)
def test_yields_the_estimate_that_the_denoiser_made_at_the_start_of_the_step(name):
    times, made = SCHEDULE.times(4), {}

    def denoise(x, t):
        made[float(t[0])] = toy_denoise(x, t)
        return made[float(t[0])]

    estimates = [x_0 for _, x_0 in run(name, normal((2, 3), seed=0), times, denoise)]
    assert all(torch.equal(a, b) for a, b in zip(estimates, made.values(), strict=True))


@pytest.mark.parametrize(
    "name, options, used",
    [
        ("ddpm", {}, [1, 2, 3, 4]),
        ("ddim", {"eta": 0.5}, [1, 2, 3, 4]),
        ("ddim", {}, []),
        ("euler", {}, []),
        ("heun", {}, []),
        ("dpmpp_2m", {}, []),
        ("dpmpp_2m", {"eta": 0.5}, [1, 2, 3, 4]),
        ("dpmpp_2m_sde", {}, [1, 2, 3, 4]),
        ("unipc", {}, []),
    ],
)
def test_noise_is_asked_for_once_a_step_but_never_for_the_last(name, options, used):
    asked = []

    def noise(i):
        asked.append(i)
        return normal((2, 3), seed=i)

    run(name, normal((2, 3), seed=0), SCHEDULE.times(5), toy_denoise, noise, **options)
    assert asked == used


@pytest.mark.parametrize("name", SAMPLERS)
def test_an_image_is_the_same_alone_as_in_a_batch(name):
    x, times = normal((3, 2, 2), seed=0), SCHEDULE.times(6)
    noises = normal((7, 3, 2, 2), seed=1)
    together = run(name, x, times, toy_denoise, lambda i: noises[i])
    for k in range(3):
        alone = run(name, x[k : k + 1], times, toy_denoise, lambda i, k=k: noises[i, k : k + 1])
        for (x_t, x_0), (x_t_alone, x_0_alone) in zip(together, alone, strict=True):
            torch.testing.assert_close(x_t[k], x_t_alone[0], rtol=1e-14, atol=1e-14)
            torch.testing.assert_close(x_0[k], x_0_alone[0], rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("steps", [1, 2, 5, 50])
def test_float32_stays_float32_and_agrees_with_float64(name, steps):
    x, times = normal((4, 3), seed=0), SCHEDULE.times(steps)
    for (single, x_0), (double, _) in zip(
        run(name, x.float(), times, toy_denoise), run(name, x, times, toy_denoise), strict=True
    ):
        assert single.dtype == x_0.dtype == torch.float32
        assert (single - double).norm() / double.norm() < 2e-6
