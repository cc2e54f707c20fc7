import torch

from ldm_core.model.pixels import to_image, to_pixels


def test_pixels_become_padded_images_and_come_back_exactly():
    pixels = torch.arange(256, dtype=torch.uint8).repeat(4)[: 28 * 28].view(1, 28, 28)
    image = to_image(pixels)
    assert image.shape == (1, 1, 32, 32)
    assert image.min() == -1
    assert image.max() == 1
    assert (image[:, :, :2] == -1).all()
    assert torch.equal(to_pixels(image), pixels)


def test_pixels_are_clipped():
    image = torch.full((1, 1, 32, 32), 3.0)
    assert (to_pixels(image) == 255).all()
    assert (to_pixels(-image) == 0).all()
