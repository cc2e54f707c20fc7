"""What a training step draws at random, as functions of (seed, step)."""

import random
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def batch_at(step: int, size: int, batch: int, seed: int) -> Tensor:
    """Indices (batch,) of a step's training examples, a function of (seed, step).

    Epochs follow each other without a gap, each in a new order.
    """
    position = torch.arange(step * batch, (step + 1) * batch)
    epochs = position // size
    parts = [_order(e, size, seed)[position[epochs == e] % size] for e in epochs.unique().tolist()]
    return torch.cat(parts)


@lru_cache(maxsize=2)
def _order(epoch: int, size: int, seed: int) -> Tensor:
    return torch.randperm(size, generator=generator_at(seed, epoch, torch.device("cpu"), stream=1))


def generator_at(seed: int, step: int, device: torch.device, stream: int = 0) -> torch.Generator:
    """A generator in a state that depends on (seed, step, stream) and on nothing else."""
    return torch.Generator(device).manual_seed(_hashed(seed, step, stream))


def chance_at(seed: int, step: int, stream: int) -> random.Random:
    """Python's own generator, in such a state. Of its calls, only random() is the same for ever."""
    return random.Random(_hashed(seed, step, stream))


def _hashed(seed: int, step: int, stream: int) -> int:
    # torch's CPU generator uses only the low 32 bits of its seed.
    hashed = np.random.SeedSequence([seed, stream, step]).generate_state(1, np.uint64)[0]
    return int(hashed >> np.uint64(1))
