"""pixels.js: the same greys as in Python."""

import torch

from ldm_core.model.pixels import to_pixels


def test_pixels_are_those_of_python(node):
    """Every grey, what lies halfway between two, what lies outside, and three images."""
    greys = torch.arange(-8, 264, 0.5) / 127.5 - 1
    image = greys.repeat(6)[: 3 * 32 * 32].view(3, 1, 32, 32)
    convert = "({ to_pixels }, image) => to_pixels(Float32Array.from(image))"
    found = node("pixels.js", convert, image.flatten().tolist())
    assert found == to_pixels(image).flatten().tolist()
