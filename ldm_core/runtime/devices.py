"""The device that runs the model, and its precision: one rule for all command lines."""

import re
from functools import cache

import torch

from ..checks import InputError


def device_type(name: str) -> str:
    """Return "cpu" or "cuda"; "auto" is a GPU if there is one. Raises InputError for others."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise InputError(f"device must be auto, cpu, cuda or cuda:N, not {name!r:.40}.")
    return name.partition(":")[0]


def choose_device(name: str) -> torch.device:
    """The device of that name: "auto", "cpu", "cuda" or "cuda:N". Raises InputError if there is
    none."""
    if device_type(name) == "cpu":
        return torch.device("cpu")
    device = torch.device("cuda" if name == "auto" else name)
    count = torch.cuda.device_count()
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
