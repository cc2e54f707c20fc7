"""Where sampling starts: a latent, and the times at which the sampler is to visit it.

The start is a value, so that a noised picture or an inverted latent can take the place of noise.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..checks import InputError
from .randomness import gaussian_noise


class Start(NamedTuple):
    """x: x_t at times[0], (B, ...). times: float64 (steps + 1,), falling from at most 1 to 0."""

    x: Tensor
    times: Tensor

    @property
    def steps(self) -> int:
        return len(self.times) - 1


def noise_start(seeds: Sequence[int], shape: Sequence[int], times: Tensor) -> Start:
    """Pure noise of shape (len(seeds), *shape), each image's a function of its own seed."""
    return Start(gaussian_noise(seeds, 0, shape), times)


def check_start(start: Start, shape: Sequence[int]) -> None:
    """Raise InputError unless x has this shape and is finite, and the times lead down to 0."""
    if tuple(start.x.shape) != tuple(shape):
        raise InputError(f"start.x must have the shape {tuple(shape)}, not {tuple(start.x.shape)}.")
    if not start.x.isfinite().all():
        raise InputError("start.x must be finite; it holds NaN or infinity.")
    times = torch.as_tensor(start.times)
    falls = times.dim() == 1 and len(times) > 1 and bool((times.diff() < 0).all())
    if not falls or times[0] > 1 or times[-1] != 0:
        raise InputError("start.times must fall from at most 1 to exactly 0.")
