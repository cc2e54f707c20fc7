"""Convert between the pixels that people see and the images that the VAE sees."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..config import IMAGE_SIDE, PICTURE_SIDE

BORDER = (IMAGE_SIDE - PICTURE_SIDE) // 2


def to_image(pixels: Tensor) -> Tensor:
    """uint8 (B, 28, 28) -> image float32 (B, 1, 32, 32) in [-1, 1], with a border of background."""
    return border(pixels.float() / 127.5 - 1, -1.0)


def border(plane: Tensor, value: float) -> Tensor:
    """(B, 28, 28) -> (B, 1, 32, 32), with a border of one value."""
    return F.pad(plane.unsqueeze(1), [BORDER] * 4, value=value)


def to_pixels(image: Tensor) -> Tensor:
    """image (B, 1, 32, 32) -> uint8 (B, 28, 28): clipped, rounded, without the border."""
    inner = image[:, 0, BORDER:-BORDER, BORDER:-BORDER]
    return (inner.float().clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8)
