"""What several tests of the page ask for."""

import os
import time
from pathlib import Path

import torch

from ldm_core import LatentDiffusion

from ..conftest import randomised, small_parts

GOOD = {"label": "7", "guidance_scale": 1.5, "steps": 3, "sampler": "ddim", "seed": 5}
DIGITS = tuple("0123456789")


def with_words(class_names: tuple[str, ...] = DIGITS) -> LatentDiffusion:
    """A small model with random weights that knows words."""
    torch.manual_seed(0)
    return randomised(LatentDiffusion(small_parts(class_names)))


def make_older(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))
