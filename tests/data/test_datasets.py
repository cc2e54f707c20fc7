import pytest
import torch

from ldm_core.data.datasets import (
    LabelledImages,
    data_fingerprint,
    load_dataset,
)


def test_mnist_is_all_there(mnist):
    assert mnist.pixels.shape == (10_000, 28, 28)
    assert mnist.pixels.dtype == torch.uint8
    counts = mnist.labels.bincount().tolist()
    assert counts == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.class_names == tuple("0123456789")


def test_unknown_data_set_lists_the_known_ones(tmp_path):
    with pytest.raises(
        ValueError, match="mnist, fashion-mnist, kmnist, emnist-letters, or a folder"
    ):
        load_dataset("cifar", tmp_path, train=True)


def write_idx(path, array):
    """The format of MNIST's files: a magic number, the sizes, the bytes."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    path.write_bytes(header + array.numpy().tobytes())


def test_letters_stand_upright_and_are_counted_from_nought(tmp_path):
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    upright = torch.arange(2 * 28 * 28).remainder(251).to(torch.uint8).view(2, 28, 28)
    for part in ("train", "test"):
        write_idx(raw / f"emnist-letters-{part}-images-idx3-ubyte", upright.transpose(1, 2))
        labels = torch.tensor([1, 26], dtype=torch.uint8)
        write_idx(raw / f"emnist-letters-{part}-labels-idx1-ubyte", labels)
    data = load_dataset("emnist-letters", tmp_path, train=True)
    assert torch.equal(data.pixels, upright)
    assert data.labels.tolist() == [0, 25]
    assert data.class_names == tuple("abcdefghijklmnopqrstuvwxyz")


def test_data_are_told_apart_by_pixels_labels_and_names(mnist):
    few = LabelledImages(mnist.pixels[:9], mnist.labels[:9], mnist.class_names)
    others = [
        few._replace(pixels=few.pixels + 1),
        few._replace(labels=few.labels.flip(0)),
        few._replace(class_names=tuple("abcdefghij")),
    ]
    assert len({data_fingerprint(data) for data in (few, *others)}) == 4
    assert data_fingerprint(few).startswith("9 images, 10 classes, SHA-256 ")
