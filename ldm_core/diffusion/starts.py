"""Where sampling starts: a latent, and the times that the sampler visits.

A start is noise, a picture with noise on it, the noise that makes a picture, or noise between two
others.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from ..checks import InputError, check_number, check_whole
from .noise_schedule import NoiseSchedule
from .randomness import gaussian_noise
from .samplers import Denoise

MAX_FRAMES = 1000  # of a morph: all of them are denoised at once
ROUNDS = 5  # of each step of an inversion: docs/how-it-works.md has figures for others


class Start(NamedTuple):
    """x: x_t at times[0], (B, ...). times: float64 (steps + 1,), falling from at most 1 to 0; only
    [0] for a finished sample."""

    x: Tensor
    times: Tensor

    @property
    def steps(self) -> int:
        return len(self.times) - 1


def noise_start(seeds: Sequence[int], shape: Sequence[int], times: Tensor) -> Start:
    """Pure noise of shape (len(seeds), *shape); that of each image depends on its seed alone."""
    return Start(gaussian_noise(seeds, 0, shape), times)


def noised_start(
    x_0: Tensor, strength: float, seeds: Sequence[int], times: Tensor, schedule: NoiseSchedule
) -> Start:
    """x_0 (B, ...) with the noise of its seeds at t = strength (SDEdit, Meng et al. 2022, sec. 3).

    times: the grid of a run from 1 to 0. Its part below strength is run: the point nearest to
    strength becomes strength. At 0 this is x_0 itself, with no steps. At 1 it is `noise_start`, to
    the bit, though the schedule would leave a hundredth of x_0.
    Raises InputError unless strength is in [0, 1].
    """
    strength = check_number("strength", strength, 0, 1)
    if strength == 0:
        return Start(x_0, times[-1:])
    if strength == 1:
        return noise_start(seeds, x_0.shape[1:], times)
    rest = times[(times[:-1] - strength).abs().argmin() :].clone()
    rest[0] = strength
    noise = gaussian_noise(seeds, 0, x_0.shape[1:]).to(x_0)
    return Start(schedule.add_noise(x_0, noise, rest[0].expand(len(x_0))), rest)


def inverted_start(x_0: Tensor, denoise: Denoise, times: Tensor, schedule: NoiseSchedule) -> Start:
    """The x_t at times[0] from which `ddim` nearly arrives at x_0 (B, ...) along times.

    Each step of `ddim` is undone by solving its equation for x_t (Song et al. 2021, eq. 12),

        x_t = signal_t D + sigma_t (x_s - signal_s D) / sigma_s,    D = denoise(x_t, t),

    from the end to the beginning, by fixed-point iteration (Pan et al. 2023). It begins with the D
    of the step before. Each of ROUNDS rounds moves D half of the way to the new estimate: by the
    whole way, estimates near pure noise jump to and fro, and some pictures are lost. The last step
    of a run, to s = 0, forgets all noise: there x_t is x_0 without any, corrected so that D = x_0.
    """
    levels = zip(times.tolist(), *(level.tolist() for level in schedule.levels(times)))
    x, estimate = x_0, x_0
    for (s, signal_s, sigma_s), (t, signal_t, sigma_t) in pairwise(reversed(list(levels))):
        on_cpu = torch.full((len(x),), t, dtype=x.dtype)
        if s == 0:
            x = signal_t * x_0
            estimate = denoise(x, on_cpu)
            x = x + signal_t * (x_0 - estimate)
        else:
            ratio = sigma_t / sigma_s
            gain = signal_t - ratio * signal_s
            for _ in range(ROUNDS):
                estimate = (estimate + denoise(ratio * x + gain * estimate, on_cpu)) / 2
            x = ratio * x + gain * estimate
    return Start(x, times)


def slerp(a: Tensor, b: Tensor, share: Tensor) -> Tensor:
    """Go from a to b along the arc between them (Shoemake 1985, sec. 3.3), image by image.

    a, b (B, ...), share (B,): 0 is a and 1 is b, to the bit. Between them the norm stays that of
    noise, where a straight line would lose up to a third of it. Where a equals b, the result is a.
    """
    x, y = a.double().flatten(1), b.double().flatten(1)
    angle = (x * y).sum(1).div(x.norm(dim=1) * y.norm(dim=1)).clamp(-1, 1).acos()
    share = share.double().to(angle)
    is_arc = angle.sin() > 1e-6
    weight = lambda part: torch.where(is_arc, (part * angle).sin() / angle.sin(), part)
    mixed = weight(1 - share)[:, None] * x + weight(share)[:, None] * y
    return mixed.to(a.dtype).view_as(a)


def morph_frames(points: int, frames: int, loop: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Frames along a path through key points, `frames` per segment including its first.

    Returns for each of the N frames the point before it, the point after it, and the share (0 to 1)
    of the way between them. The last point is the last frame; with loop a segment leads back to
    the first point, which is not repeated. Raises InputError for less than two points, and for
    more than MAX_FRAMES frames.
    """
    if points < 2:
        raise InputError(f"A morph leads through two points or more, not {points}.")
    check_whole("frames", frames, 1, MAX_FRAMES // points)
    at = torch.arange(frames * (points if loop else points - 1) + (not loop))
    before = (at // frames).clamp(max=points - 1 if loop else points - 2)
    share = (at - before * frames).double() / frames
    return before, (before + 1) % points, share


def check_start(start: Start, shape: Sequence[int]) -> None:
    """Raise InputError unless x has this shape and is finite, and the times lead down to 0."""
    if tuple(start.x.shape) != tuple(shape):
        raise InputError(f"start.x must have the shape {tuple(shape)}, not {tuple(start.x.shape)}.")
    if not start.x.isfinite().all():
        raise InputError("start.x must be finite; it holds NaN or infinity.")
    times = torch.as_tensor(start.times)
    falls = times.dim() == 1 and len(times) > 0 and bool((times.diff() < 0).all())
    if not falls or times[0] > 1 or times[-1] != 0:
        raise InputError("start.times must fall from at most 1 to exactly 0.")
