import pytest
import torch

from ldm_core.datasets import load_dataset, to_image, to_pixels


def test_mnist_is_all_there(mnist):
    assert mnist.pixels.shape == (10_000, 28, 28)
    assert mnist.pixels.dtype == torch.uint8
    counts = mnist.labels.bincount().tolist()
    assert counts == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.class_names == tuple("0123456789")


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


def test_unknown_data_set_lists_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="mnist, fashion-mnist, kmnist"):
        load_dataset("cifar", tmp_path, train=True)
