"""Gaussian noise as a pure function of (seed, stream): no state, no order, no device.

Counter-based random numbers (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3")
give image `seed` at step `stream` the same noise, alone or in a batch, on any device, and in any
language that can multiply 32-bit integers.
"""

import math
from collections.abc import Sequence

import numpy as np
import torch

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_KEY_STEPS = (np.uint64(0x9E3779B9), np.uint64(0xBB67AE85))
_LOW_32 = np.uint64(0xFFFFFFFF)
_32 = np.uint64(32)


def philox4x32(counter: Sequence[np.ndarray], key: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Philox-4x32 with 10 rounds (Salmon et al. 2011, section 3.3).

    counter: four, key: two uint64 arrays that broadcast together, each value below 2**32.
    Returns four arrays of random 32-bit words, as uint64.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        p0, p1 = c0 * _MULTIPLIERS[0], c2 * _MULTIPLIERS[1]
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _LOW_32, (p0 >> _32) ^ c3 ^ k1, p0 & _LOW_32
        k0, k1 = (k0 + _KEY_STEPS[0]) & _LOW_32, (k1 + _KEY_STEPS[1]) & _LOW_32
    return [c0, c1, c2, c3]


def gaussian_noise(seeds: Sequence[int], stream: int, shape: Sequence[int]) -> torch.Tensor:
    """Standard normal noise, float32 (len(seeds), *shape), by Box and Muller (1958).

    Row i depends on (seeds[i], stream) only. Seeds are whole numbers from 0 to 2**64 - 1; stream
    (which noise of this image: 0 for the start, the step's index after that) is below 2**32.
    """
    size = math.prod(shape)
    block = np.arange((size + 3) // 4, dtype=np.uint64)
    zero = np.zeros_like(block)
    seed = np.array(seeds, dtype=np.uint64)[:, None]
    words = philox4x32((block, zero + np.uint64(stream), zero, zero), (seed & _LOW_32, seed >> _32))
    u = [(w.astype(np.float64) + 0.5) * 2.0**-32 for w in words]  # never 0, so the log is finite
    normals = []
    for u_radius, u_angle in ((u[0], u[1]), (u[2], u[3])):
        radius, angle = np.sqrt(-2 * np.log(u_radius)), 2 * np.pi * u_angle
        normals += [radius * np.cos(angle), radius * np.sin(angle)]
    flat = np.stack(normals, axis=-1).reshape(len(seeds), 4 * len(block))[:, :size]
    return torch.from_numpy(flat.astype(np.float32)).reshape(len(seeds), *shape)
