"""Completion on a Gaussian: of which part of a sample is known, the rest has a known law."""

import pytest
import torch

from ldm_core.diffusion.completion import keeping, passes, resampled, times_reached
from ldm_core.diffusion.samplers import SAMPLERS

from .test_samplers import BASIS, MEAN, SCHEDULE, SPREAD, exact_denoise, normal, toy_denoise

COVARIANCE = BASIS * SPREAD**2 @ BASIS.T
KNOWN = torch.tensor([True, False, False])


def complete(name, known, repeats, steps=24, seed=0):
    """The completed samples (N, 3) of which the first coordinate is known (N,)."""

    def keep(x_0):
        return torch.where(KNOWN, known[:, None], x_0)

    noise = lambda i: normal((len(known), 3), seed=1000 * seed + i)
    segments = passes(SCHEDULE.times(steps), repeats)
    denoise = keeping(exact_denoise, keep)
    options = {"schedule": SCHEDULE, "noise": noise}
    return list(resampled(SAMPLERS[name], denoise, noise(0), segments, **options))


@pytest.mark.parametrize("name", SAMPLERS)
def test_what_is_known_is_kept_in_every_estimate_and_in_the_sample(name):
    known = normal((5,), seed=3)
    steps = complete(name, known, repeats=3)
    assert all(torch.equal(x_0[:, 0], known) for _, x_0 in steps)
    torch.testing.assert_close(steps[-1][0][:, 0], known)


@pytest.mark.parametrize("name", ["ddim", "dpmpp_2m", "heun", "ddpm", "unipc"])
def test_the_rest_depends_on_it_the_more_rightly_the_oftener_a_step_is_made(name):
    """E[rest | known] is a line whose slope the covariance gives (regression)."""
    known = MEAN[0] + COVARIANCE[0, 0].sqrt() * normal((3000,), seed=3)
    exact = COVARIANCE[1:, 0] / COVARIANCE[0, 0]
    errors = []
    for repeats in (1, 8):
        rest = complete(name, known, repeats)[-1][0][:, 1:]
        centred = known - known.mean()
        slope = (centred[:, None] * rest).mean(0) / centred.square().mean()
        errors.append(float((slope - exact).norm() / exact.norm()))
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 0.2


@pytest.mark.parametrize("name", SAMPLERS)
def test_in_one_segment_it_is_the_sampler_itself(name):
    times, noise = SCHEDULE.times(7), lambda i: normal((2, 3), seed=i)
    options = {"schedule": SCHEDULE, "noise": noise}
    plain = SAMPLERS[name](toy_denoise, noise(0), times, **options)
    segments = passes(times, 1)
    assert len(segments) == 1
    ours = resampled(SAMPLERS[name], toy_denoise, noise(0), segments, **options)
    for expected, found in zip(plain, ours, strict=True):
        assert all(map(torch.equal, expected, found))


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7, 12])
def test_each_segment_comes_again_but_the_last(steps):
    times = SCHEDULE.times(steps)
    segments = passes(times, 4)
    reached = times_reached(segments)
    assert (reached[0], reached[-1]) == (1, 0)
    assert set(reached.tolist()) == set(times.tolist())
    tail = (steps - 1) % 3 + 1
    counts = [reached.tolist().count(time) for time in times.tolist()]
    assert counts == [1] + [4] * (steps - tail) + [1] * tail
    yielded = list(
        resampled(
            SAMPLERS["ddim"],
            toy_denoise,
            normal((2, 3), seed=0),
            segments,
            schedule=SCHEDULE,
            noise=lambda i: normal((2, 3), seed=i),
        )
    )
    assert len(yielded) == len(reached) - 1


def test_going_back_adds_the_noise_of_the_way():
    """With an estimate that never changes, every pass leaves x_t as the schedule has it: noise
    that is added twice, or not enough of it, would show in its deviation."""
    x_0 = torch.full((20_000, 1), 0.7, dtype=torch.float64)
    noise = lambda i: normal((20_000, 1), seed=i)
    segments = passes(SCHEDULE.times(12), 3)
    start = SCHEDULE.add_noise(x_0, noise(0), torch.ones(20_000))
    steps = resampled(
        SAMPLERS["ddim"], lambda x, t: x_0, start, segments, schedule=SCHEDULE, noise=noise
    )
    for t, (x_t, _) in zip(times_reached(segments)[1:], steps, strict=True):
        signal, sigma = SCHEDULE.levels(t)
        assert float(x_t.mean()) == pytest.approx(float(signal * 0.7), abs=0.02)
        assert float(x_t.std()) == pytest.approx(float(sigma), abs=0.02)
