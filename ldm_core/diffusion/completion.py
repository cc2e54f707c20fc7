"""Completion (inpainting): a part of the sample is known, and the rest is drawn so that it fits.

RePaint (Lugmayr et al. 2022), with one difference: the known part is put into the estimate of x_0,
not into x_t. From there every sampler carries it into x_s with the noise of s, which is their
eq. 8a; and the known part need not be a latent: here it is pixels.
"""

from collections.abc import Callable, Sequence
from itertools import count

import torch
from torch import Tensor

from .noise_schedule import NoiseSchedule
from .samplers import Denoise, Noise, Sampler, Steps

SEGMENT = 3  # steps that are repeated together


def keeping(denoise: Denoise, keep: Callable[[Tensor], Tensor]) -> Denoise:
    """A denoiser whose estimates agree with the known part: keep puts it into an x_0."""
    return lambda x_t, t: keep(denoise(x_t, t))


def passes(times: Tensor, repeats: int) -> list[Tensor]:
    """Cut a falling grid into segments, in the order in which they are run.

    With repeats = 1 there is one segment, else each segment of SEGMENT steps comes `repeats` times.
    The last one comes once, as no later steps have to fit to it.
    """
    if repeats == 1:
        return [times]
    *segments, last = (times[i : i + SEGMENT + 1] for i in range(0, len(times) - 1, SEGMENT))
    return [segment for segment in segments for _ in range(repeats)] + [last]


def times_reached(segments: Sequence[Tensor]) -> Tensor:
    """Where `resampled` starts, and where each of its steps leads."""
    return torch.cat([segments[0][:1], *(segment[1:] for segment in segments)])


def resampled(
    sampler: Sampler,
    denoise: Denoise,
    x: Tensor,
    segments: Sequence[Tensor],
    *,
    schedule: NoiseSchedule,
    noise: Noise,
    **options: float,
) -> Steps:
    """A sampler's steps through the segments of `passes`. Before a segment is repeated, noise takes
    x back from s to t (Lugmayr et al. 2022, algorithm 1 and section 4.2):

        x_t = signal_t / signal_s x_s + sqrt(1 - (signal_t / signal_s)^2) noise

    The first time, the new part depends little on the known part. Repeated, it fits better.
    Multistep samplers start afresh with each segment.
    """
    stream = count(1)
    fresh = lambda _: noise(next(stream))
    reached = segments[0][0]
    for segment in segments:
        if segment[0] > reached:
            ratio = float(schedule.levels(segment[0])[0] / schedule.levels(reached)[0])
            x = ratio * x + (1 - ratio**2) ** 0.5 * fresh(0)
        steps = sampler(denoise, x, segment, schedule=schedule, noise=fresh, **options)
        for x, x_0 in steps:
            yield x, x_0
        reached = segment[-1]
