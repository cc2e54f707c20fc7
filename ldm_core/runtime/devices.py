"""The device that runs the model, and its precision: one rule for all command lines."""

import re
from functools import cache

import torch

from ..checks import InputError


def choose_device(name: str) -> torch.device:
    """The device of that name: "cpu", "cuda", "cuda:N", or "auto", a GPU if there is one. Raises
    InputError for others, and if there is none."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise InputError(f"device must be auto, cpu, cuda or cuda:N, not {name!r:.40}.")
    count = torch.cuda.device_count()
    if name == "cpu" or name == "auto" and not count:
        return torch.device("cpu")
    device = torch.device("cuda" if name == "auto" else name)
    if (device.index or 0) >= count:
        raise InputError(
            f"device {name}: PyTorch finds {count or 'no'} CUDA device{'s'[: count != 1]} here. "
            "Use cpu or auto."
        )
    return device


@cache
def has_bfloat16(device: torch.device) -> bool:
    """Whether the hardware computes in bfloat16; elsewhere it is slower than float32."""
    if device.type == "cpu":
        # Older releases of PyTorch cannot tell; with them it counts as missing.
        return getattr(torch.cpu, "get_capabilities", dict)().get("avx512_bf16", False)
    return device.type == "cuda" and torch.cuda.is_bf16_supported()


def mixed_precision(device: torch.device) -> torch.autocast:
    """bfloat16 where the hardware has it: half the time on such CPUs, and more on GPUs."""
    return torch.autocast(device.type, torch.bfloat16, enabled=has_bfloat16(device))
