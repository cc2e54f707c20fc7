"""What a training step draws, as functions of (seed, step), and in which precision it computes."""

from functools import cache, lru_cache

import numpy as np
import torch
from torch import Tensor


def batch_at(step: int, size: int, batch: int, seed: int) -> Tensor:
    """Indices (batch,) of a step's training examples, a function of (seed, step) alone: epochs in a
    new order each, one after the other without a gap."""
    position = torch.arange(step * batch, (step + 1) * batch)
    epochs = position // size
    parts = [_order(e, size, seed)[position[epochs == e] % size] for e in epochs.unique().tolist()]
    return torch.cat(parts)


@lru_cache(maxsize=2)
def _order(epoch: int, size: int, seed: int) -> Tensor:
    return torch.randperm(size, generator=generator_at(seed, epoch, torch.device("cpu"), stream=1))


def generator_at(seed: int, step: int, device: torch.device, stream: int = 0) -> torch.Generator:
    """A generator in a state that depends on (seed, step, stream) alone."""
    # Hashed, because torch's CPU generator looks at the low 32 bits of its seed alone.
    hashed = np.random.SeedSequence([seed, stream, step]).generate_state(1, np.uint64)[0]
    return torch.Generator(device).manual_seed(int(hashed >> np.uint64(1)))


@cache
def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16; elsewhere it is slower than float32."""
    if device.type == "cpu":
        # Older releases cannot tell; there it counts as missing.
        return getattr(torch.cpu, "get_capabilities", dict)().get("avx512_bf16", False)
    return device.type == "cuda" and torch.cuda.is_bf16_supported()


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the hardware has it: half the time on such CPUs, and more on GPUs."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device))
