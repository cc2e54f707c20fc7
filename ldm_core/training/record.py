"""What a checkpoint says of its making."""

import platform
import time
from typing import Any

import torch

from ..runtime.devices import has_bfloat16
from .loop import TrainingResult
from .processes import Processes

LOSSES_KEPT = 100  # about, in equal distances
LAST_LOSSES = 100  # whose mean is the final loss


def environment(device: torch.device, processes: Processes) -> dict[str, Any]:
    """All that the bits of the result depend on besides the settings."""
    return {
        "device": device.type,
        "precision": "bfloat16" if has_bfloat16(device) else "float32",
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "processes": processes.count,
    }


def training_record(result: TrainingResult, elapsed: float, **about: Any) -> dict[str, Any]:
    """The record of a stage. elapsed: seconds of the whole run so far. about: what else to say."""
    last = result.losses[-LAST_LOSSES:] or [float("nan")]
    kept = result.losses[:: max(1, result.steps // LOSSES_KEPT)]
    return {
        **about,
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "elapsed": round(elapsed, 1),
        "interrupted": result.interrupted,
        "threads": result.threads,
        "loss": round(sum(last) / len(last), 5),
        "losses": [round(loss, 5) for loss in kept],
        "date": time.strftime("%Y-%m-%d"),
    }
