"""What several tests of the page ask for."""

import base64

import numpy as np
import torch

from ldm_core import LatentDiffusion

from ..conftest import randomised, small_parts

GOOD = {"label": "7", "guidance_scale": 1.5, "steps": 3, "sampler": "ddim", "seed": 5}


def model_of(*class_names: str) -> LatentDiffusion:
    """A small model with random weights."""
    torch.manual_seed(0)
    return randomised(LatentDiffusion(small_parts(class_names)))


def greys(text: str, *shape: int) -> np.ndarray:
    """The greys that stand in a message, uint8; 28 x 28 if no shape is given."""
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(shape or (28, 28))


def numbers(packed: dict) -> np.ndarray:
    """An array of an answer to a panel of the tab Inside."""
    kind = {"float32": "<f4", "uint8": "u1"}[packed["kind"]]
    return np.frombuffer(base64.b64decode(packed["data"]), kind).reshape(packed["shape"])
