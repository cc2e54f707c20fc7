"""Completion: a part of the sample is known, and the rest is drawn so that it fits.

RePaint (Lugmayr et al. 2022), but for where the known part comes in: into the estimate of x_0, not
into x_t. From there every sampler carries it into x_s with the noise that belongs to s, which is
their eq. 8a; and it may be known in any way, such as in pixels.
"""

from collections.abc import Callable, Sequence
from itertools import count

import torch
from torch import Tensor

from .noise_schedule import NoiseSchedule
from .samplers import Denoise, Noise, Sampler, Steps

PIECE = 3  # steps that are made again together


def keeping(denoise: Denoise, keep: Callable[[Tensor], Tensor]) -> Denoise:
    """A denoiser whose estimates agree with what is known: keep puts that into an x_0."""
    return lambda x_t, t: keep(denoise(x_t, t))


def passes(times: Tensor, repeats: int) -> list[Tensor]:
    """A falling grid in pieces, in the order in which they are run: with repeats = 1 in one piece,
    else each piece of PIECE steps `repeats` times. The last piece comes once, as nothing comes
    after it that it would have to fit."""
    if repeats == 1:
        return [times]
    *pieces, last = (times[i : i + PIECE + 1] for i in range(0, len(times) - 1, PIECE))
    return [piece for piece in pieces for _ in range(repeats)] + [last]


def times_reached(pieces: Sequence[Tensor]) -> Tensor:
    """Where `resampled` starts, and where each of its steps leads."""
    return torch.cat([pieces[0][:1], *(piece[1:] for piece in pieces)])


def resampled(
    sampler: Sampler,
    denoise: Denoise,
    x: Tensor,
    pieces: Sequence[Tensor],
    *,
    schedule: NoiseSchedule,
    noise: Noise,
    **options: float,
) -> Steps:
    """A sampler's steps through the pieces of `passes`; before a piece comes again, it is taken
    back by noise, from s to t (Lugmayr et al. 2022, algorithm 1 and section 4.2):

        x_t = signal_t / signal_s x_s + sqrt(1 - (signal_t / signal_s)^2) noise

    What is drawn for the first time knows little of the known part. Made again, it fits what it has
    become beside it. Each piece is a run of its own, so multistep samplers begin anew.
    """
    stream = count(1)
    fresh = lambda _: noise(next(stream))
    reached = pieces[0][0]
    for piece in pieces:
        if piece[0] > reached:
            ratio = float(schedule.levels(piece[0])[0] / schedule.levels(reached)[0])
            x = ratio * x + (1 - ratio**2) ** 0.5 * fresh(0)
        steps = sampler(denoise, x, piece, schedule=schedule, noise=fresh, **options)
        for x, x_0 in steps:
            yield x, x_0
        reached = piece[-1]
