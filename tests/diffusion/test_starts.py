"""Starts other than noise, on problems whose answer is known."""

import math

import pytest
import torch

from ldm_core.checks import InputError
from ldm_core.diffusion.noise_schedule import SPACINGS
from ldm_core.diffusion.randomness import gaussian_noise
from ldm_core.diffusion.starts import (
    Start,
    inverted_start,
    morph_frames,
    noise_start,
    noised_start,
    slerp,
)

from .test_samplers import MEAN, SCHEDULE, exact_denoise, exact_flow, normal, run

SEEDS = [5, 2**32 - 1]

# A picture with noise on it


def noised(strength, steps=12, spacing="time"):
    x_0 = normal((2, 4, 8, 8), seed=0).float()
    times = SCHEDULE.times(steps, spacing)
    return x_0, times, noised_start(x_0, strength, SEEDS, times, SCHEDULE)


def test_strength_0_is_the_picture_and_1_is_a_plain_start():
    x_0, times, start = noised(0)
    assert torch.equal(start.x, x_0)
    assert (start.steps, start.times.tolist()) == (0, [0.0])
    x_0, times, start = noised(1)
    plain = noise_start(SEEDS, (4, 8, 8), times)
    assert torch.equal(start.x, plain.x)
    assert torch.equal(start.times, times)


@pytest.mark.parametrize("strength", [0.003, 0.25, 0.6, 0.99])
def test_between_them_the_picture_has_the_noise_of_its_seeds_at_that_time(strength):
    x_0, _, start = noised(strength)
    signal, sigma = SCHEDULE.levels(strength)
    expected = signal * x_0 + sigma * gaussian_noise(SEEDS, 0, (4, 8, 8))
    torch.testing.assert_close(start.x, expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 12, 50])
def test_the_part_of_the_grid_below_strength_is_run(spacing, steps):
    grid = SCHEDULE.times(steps, spacing)
    counts = []
    for strength in torch.linspace(0.001, 0.999, 331, dtype=torch.float64).tolist():
        start = noised(strength, steps, spacing)[-1]
        assert start.times[0] == strength
        assert start.times[-1] == 0
        assert (start.times.diff() < 0).all()
        assert torch.equal(start.times[1:], grid[steps - start.steps + 1 :])
        # The first step is as long as those of the grid, but for half of one.
        k = steps - start.steps
        nearest = (grid[:-1] - strength).abs().min()
        assert (grid[k] - strength).abs() == nearest
        counts.append(start.steps)
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert counts[-1] >= steps - 1


@pytest.mark.parametrize("strength", [-0.1, 1.01, math.nan, "0.5", None, True])
def test_a_strength_out_of_range_is_refused(strength):
    with pytest.raises(InputError, match="strength must be a number from 0 to 1, not"):
        noised(strength)


# The noise that makes a picture


@pytest.mark.parametrize("spacing", SPACINGS)
def test_inversion_comes_to_the_exact_noise_and_back(spacing):
    """On a Gaussian, where the probability-flow ODE is known."""
    x_0 = MEAN + normal((16, 3), seed=0) * torch.tensor([1.5, 0.8, 0.3])
    exact = exact_flow(x_0, torch.tensor(0.0).double(), torch.tensor(1.0).double())
    away, back = [], []
    for steps in (25, 100, 400):
        times = SCHEDULE.times(steps, spacing)
        start = inverted_start(x_0, exact_denoise, times, SCHEDULE)
        assert isinstance(start, Start)
        assert torch.equal(start.times, times)
        away.append(float((start.x - exact).abs().mean()))
        back.append(float((run("ddim", start.x, times)[-1][0] - x_0).abs().mean()))
    assert away == sorted(away, reverse=True)
    assert back == sorted(back, reverse=True)
    assert away[-1] < 0.02
    assert back[0] < 0.005
    assert back[-1] < 0.0005


def test_inversion_settles_where_plain_rounds_swing_ever_wider():
    """Two rounds without damping end 0.52 from the picture here, and one round 0.13."""
    x_0 = MEAN + normal((16, 3), seed=0) * torch.tensor([1.5, 0.8, 0.3])
    times = SCHEDULE.times(10, "log_snr")
    start = inverted_start(x_0, exact_denoise, times, SCHEDULE)
    assert float((run("ddim", start.x, times)[-1][0] - x_0).abs().mean()) < 0.005


# Noise between noises


def sphere(count, seed, radius):
    x = normal((count, 4, 8, 8), seed)
    return radius * x / x.flatten(1).norm(dim=1).view(-1, 1, 1, 1)


def test_slerp_keeps_the_norm_and_turns_at_a_steady_pace():
    a, b = sphere(11, 0, 16.0), sphere(11, 1, 16.0)
    share = torch.linspace(0, 1, 11).double()
    mixed = slerp(a, b, share).flatten(1)
    torch.testing.assert_close(mixed.norm(dim=1), torch.full((11,), 16.0).double())
    angle = lambda x, y: torch.acos((x * y).sum(1) / 16.0**2)
    whole = angle(a.flatten(1), b.flatten(1))
    torch.testing.assert_close(angle(a.flatten(1), mixed), share * whole, atol=1e-6, rtol=0)


def test_noise_stays_noise_under_way():
    """The norms of both ends differ a little; that of what lies between them lies between."""
    a, b = (gaussian_noise(range(n, n + 200), 0, (4, 8, 8)) for n in (0, 200))
    norms = slerp(a, b, torch.full((200,), 0.5)).flatten(1).norm(dim=1)
    assert 14 < norms.min() < norms.max() < 18
    assert ((a + b) / 2).flatten(1).norm(dim=1).max() < 13  # as a straight line would have it


def test_slerp_ends_at_the_very_bits():
    a, b = gaussian_noise([1, 2], 0, (4, 8, 8)), gaussian_noise([3, 4], 0, (4, 8, 8))
    assert torch.equal(slerp(a, b, torch.tensor([0.0, 0.0])), a)
    assert torch.equal(slerp(a, b, torch.tensor([1.0, 1.0])), b)
    each = slerp(a, b, torch.tensor([0.0, 1.0]))
    assert torch.equal(each, torch.stack([a[0], b[1]]))


def test_slerp_between_noise_and_itself_stays_there():
    a = gaussian_noise([1, 2], 0, (4, 8, 8))
    assert torch.equal(slerp(a, a, torch.tensor([0.3, 0.7])), a)
    assert slerp(a, -a, torch.tensor([0.3, 0.5])).isfinite().all()


def test_a_path_visits_all_points_and_comes_back_if_asked():
    before, after, share = morph_frames(3, 4, loop=False)
    assert before.tolist() == [0] * 4 + [1] * 5
    assert after.tolist() == [1] * 4 + [2] * 5
    assert share.tolist() == [0, 0.25, 0.5, 0.75] * 2 + [1]
    before, after, share = morph_frames(3, 2, loop=True)
    assert before.tolist() == [0, 0, 1, 1, 2, 2]
    assert after.tolist() == [1, 1, 2, 2, 0, 0]
    assert share.tolist() == [0, 0.5] * 3


@pytest.mark.parametrize(
    ("points", "frames", "message"),
    [
        (1, 4, "through two points or more, not 1"),
        (0, 4, "through two points or more, not 0"),
        (2, 0, "frames must be a whole number from 1 to 500, not 0"),
        (4, 251, "frames must be a whole number from 1 to 250, not 251"),
        (2, 2.5, "frames must be a whole number"),
    ],
)
def test_a_path_that_is_none_is_refused(points, frames, message):
    with pytest.raises(InputError, match=message):
        morph_frames(points, frames, loop=False)
