"""The noise schedule: each formula of its docstrings, and each conversion tested by another."""

import math

import pytest
import torch

from ldm_core.config import NoiseScheduleConfig
from ldm_core.diffusion.noise_schedule import SPACINGS, NoiseSchedule

SCHEDULE = NoiseSchedule()
T = torch.tensor([0.003, 0.2, 0.5, 0.9, 1.0])  # one time per image


def normal(seed, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(T), 4, 3, 2, generator=generator, dtype=dtype)


X_0, NOISE = normal(0), normal(1)
X_T, V = SCHEDULE.add_noise(X_0, NOISE, T), SCHEDULE.v_from_x_0(X_0, NOISE, T)


# Levels


@pytest.mark.parametrize("terminal_signal", [0.5, 0.01, 1e-4])
def test_runs_from_all_signal_to_the_terminal_signal(terminal_signal):
    schedule = NoiseSchedule(NoiseScheduleConfig(terminal_signal))
    assert schedule.alpha_bar(0.0) == 1
    assert schedule.alpha_bar(1.0).sqrt().item() == pytest.approx(terminal_signal, rel=1e-9)


def test_alpha_bar_is_the_squared_cosine_of_equation_17():
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    expected = (t * math.acos(SCHEDULE.config.terminal_signal)).cos() ** 2
    torch.testing.assert_close(SCHEDULE.alpha_bar(t), expected, rtol=1e-12, atol=0)


def test_levels_are_those_of_alpha_bar_in_float64_at_any_shape():
    t = torch.rand(3, 2, generator=torch.Generator().manual_seed(0))
    signal, sigma = SCHEDULE.levels(t)
    torch.testing.assert_close(signal, SCHEDULE.alpha_bar(t).sqrt().double())
    torch.testing.assert_close(sigma, (1 - SCHEDULE.alpha_bar(t)).sqrt().double())


def test_half_log_snr_is_half_the_log_of_the_ratio_of_variances():
    t = torch.linspace(0.1, 1, 10, dtype=torch.float64)
    alpha_bar = SCHEDULE.alpha_bar(t)
    expected = 0.5 * (alpha_bar / (1 - alpha_bar)).log()
    torch.testing.assert_close(SCHEDULE.half_log_snr(t), expected, rtol=1e-12, atol=1e-12)
    assert SCHEDULE.half_log_snr(0.0) == math.inf


def test_time_of_half_log_snr_inverts_half_log_snr():
    t = torch.linspace(0, 1, 1001, dtype=torch.float64)
    back = SCHEDULE.time_of_half_log_snr(SCHEDULE.half_log_snr(t))
    torch.testing.assert_close(back, t, rtol=1e-12, atol=0)


@pytest.mark.parametrize("terminal_signal", [0, 1, -0.1, math.nan])
def test_a_terminal_signal_outside_0_to_1_is_refused(terminal_signal):
    with pytest.raises(ValueError, match=r"terminal_signal must lie in \(0, 1\)"):
        NoiseSchedule(NoiseScheduleConfig(terminal_signal))


# x_t, x_0, noise and v


def test_add_noise_mixes_signal_and_noise_with_the_levels_of_each_image():
    for i, t in enumerate(T):
        signal, sigma = SCHEDULE.levels(t)
        torch.testing.assert_close(X_T[i], signal * X_0[i] + sigma * NOISE[i])


def test_v_is_the_derivative_of_x_t_by_the_angle():
    """v = dx_t / d(t angle), here by central differences."""
    step = 1e-5
    after, before = (SCHEDULE.add_noise(X_0, NOISE, T.double() + d) for d in (step, -step))
    derivative = (after - before) / (2 * step * SCHEDULE.angle)
    v = SCHEDULE.v_from_x_0(X_0, NOISE, T.double())
    torch.testing.assert_close(derivative, v, rtol=0, atol=1e-8)


def test_x_0_comes_back_from_v():
    torch.testing.assert_close(SCHEDULE.x_0_from_v(X_T, V, T), X_0)


def test_x_0_from_v_is_as_exact_as_float32_at_every_time():
    """Where noise or x_0 would be divided by a level near 0, v is not: hence the v-prediction."""
    x_t, v = X_T.float(), V.float()
    torch.testing.assert_close(SCHEDULE.x_0_from_v(x_t, v, T), X_0.float(), rtol=0, atol=1e-6)


def test_at_time_0_x_t_is_x_0_and_v_is_the_noise():
    zero = torch.zeros(len(T))
    assert torch.equal(SCHEDULE.add_noise(X_0, NOISE, zero), X_0)
    assert torch.equal(SCHEDULE.v_from_x_0(X_0, NOISE, zero), NOISE)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_results_have_the_dtype_of_the_latents(dtype):
    x, noise = X_0.to(dtype), NOISE.to(dtype)
    for convert in (
        SCHEDULE.add_noise,
        SCHEDULE.v_from_x_0,
        SCHEDULE.x_0_from_v,
    ):
        assert convert(x, noise, T).dtype == dtype


# Grids


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 50, 999])
def test_a_grid_has_the_steps_asked_for_and_falls_from_exactly_1_to_exactly_0(spacing, steps):
    for terminal_signal in (0.5, 0.01):
        times = NoiseSchedule(NoiseScheduleConfig(terminal_signal)).times(steps, spacing)
        assert times.shape == (steps + 1,) and times.dtype == torch.float64
        assert times[0] == 1 and times[-1] == 0
        assert (times.diff() < 0).all()


def test_the_grid_of_karras_is_their_equation_5():
    signal, sigma = SCHEDULE.levels(SCHEDULE.times(6, "karras")[:-1])
    (high, *_, low), rho = (sigma / signal).tolist(), 7
    expected = [
        (high ** (1 / rho) + i / 5 * (low ** (1 / rho) - high ** (1 / rho))) ** rho
        for i in range(6)
    ]
    assert (sigma / signal).tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("spacing", "quantity", "steps"),
    [("time", lambda t: t, 21), ("log_snr", SCHEDULE.half_log_snr, 20)],
)
def test_a_grid_is_uniform_in_its_quantity(spacing, quantity, steps):
    values = quantity(SCHEDULE.times(20, spacing)[:steps])
    ends = values[[0, -1]].tolist()
    torch.testing.assert_close(values, torch.linspace(*ends, steps, dtype=torch.float64))


@pytest.mark.parametrize("spacing", ["log_snr", "karras"])
def test_the_last_step_to_0_starts_at_t_min(spacing):
    assert SCHEDULE.times(20, spacing)[-2].item() == pytest.approx(SCHEDULE.T_MIN, rel=1e-12)


@pytest.mark.parametrize(
    ("steps", "spacing", "message"),
    [
        *((steps, "time", "steps must be a whole number from 1") for steps in (0, -1, 2.0, True)),
        (5, "linear", "time, log_snr, karras, not 'linear'"),
    ],
)
def test_a_grid_that_is_none_is_refused(steps, spacing, message):
    with pytest.raises(ValueError, match=message):
        SCHEDULE.times(steps, spacing)
