"""Named data sets: read by torchvision from where they lie, downloaded, or explained."""

import pytest
import torch
from torchvision.datasets import EMNIST, MNIST

from ldm_core.checks import InputError, UserError
from ldm_core.data.datasets import LabelledImages, data_fingerprint, load_dataset

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(*sizes, data=b"", kind=8):
    """The format of MNIST's files: a magic number, the sizes, the bytes."""
    return bytes([0, 0, kind, len(sizes)]) + b"".join(n.to_bytes(4, "big") for n in sizes) + data


PIXELS = bytes(i % 251 for i in range(4 * 784))
GOOD = {
    IMAGES: idx(4, 28, 28, data=PIXELS),
    LABELS: idx(4, data=bytes([3, 1, 4, 1])),
    "t10k-images-idx3-ubyte": idx(4, 28, 28, data=PIXELS),
    "t10k-labels-idx1-ubyte": idx(4, data=bytes([5, 9, 2, 6])),
}


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, data in GOOD.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr(MNIST, "mirrors", ["http://127.0.0.1:1/"])
    monkeypatch.setattr(EMNIST, "url", "http://127.0.0.1:1/gzip.zip")


def refused(data_dir, words, name="mnist", train=True):
    with pytest.raises(UserError, match=words) as caught:
        load_dataset(name, data_dir, train=train)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_files_that_are_there_are_read(raw, tmp_path):
    data = load_dataset("mnist", tmp_path, train=False)
    assert data.pixels.numpy().tobytes() == PIXELS
    assert data.labels.tolist() == [5, 9, 2, 6]
    assert data.labels.dtype == torch.int64


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({IMAGES: None}, ""),
        ({IMAGES: GOOD[IMAGES][:-1]}, ""),
        ({IMAGES: b"<!DOCTYPE html>\n<title>Not found</title>"}, ""),
        ({LABELS: GOOD[LABELS][:-1]}, ""),
        ({IMAGES: idx(4, 32, 32, data=bytes(4096))}, "do not belong together"),
        ({IMAGES: idx(5, 28, 28, data=bytes(5 * 784))}, "do not belong together"),
        ({LABELS: idx(4, data=bytes([3, 1, 10, 1]))}, "do not belong together"),
    ],
)
def test_files_that_are_absent_damaged_or_foreign_are_told(changed, cause, raw, tmp_path):
    for name, data in changed.items():
        (raw / name).unlink() if data is None else (raw / name).write_bytes(data)
    refused(tmp_path, rf"mnist cannot be read in .*{tmp_path.name} .*\(\S.*{cause}.*\)")


def test_letters_stand_upright_and_are_counted_from_nought(tmp_path):
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    upright = torch.arange(2 * 28 * 28).remainder(251).to(torch.uint8).view(2, 28, 28)
    stored = upright.transpose(1, 2).contiguous().numpy().tobytes()
    images, labels = (f"emnist-letters-train-{n}-ubyte" for n in ("images-idx3", "labels-idx1"))
    (raw / images).write_bytes(idx(2, 28, 28, data=stored))
    (raw / labels).write_bytes(idx(2, data=bytes([1, 26])))
    data = load_dataset("emnist-letters", tmp_path, train=True)
    assert torch.equal(data.pixels, upright)
    assert data.labels.tolist() == [0, 25]
    assert data.class_names == tuple("abcdefghijklmnopqrstuvwxyz")
    (raw / labels).write_bytes(idx(2, data=bytes([1, 0])))
    refused(tmp_path, "do not belong together", "emnist-letters")


@pytest.mark.parametrize("name", ["cifar", "", "MNIST", "a" * 5000, "x\0y", "shapes.zip"])
def test_an_unknown_data_set_lists_the_known_ones(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shapes.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(
        InputError, match="mnist, fashion-mnist, kmnist, emnist-letters, or a folder .*no folder"
    ):
        load_dataset(name, tmp_path, train=True)


def test_data_are_told_apart_by_pixels_labels_and_names(mnist):
    few = LabelledImages(mnist.pixels[:9], mnist.labels[:9], mnist.class_names)
    others = [
        few._replace(pixels=few.pixels + 1),
        few._replace(labels=few.labels.flip(0)),
        few._replace(class_names=tuple("abcdefghij")),
    ]
    assert len({data_fingerprint(data) for data in (few, *others)}) == 4
    assert data_fingerprint(few).startswith("9 images, 10 classes, SHA-256 ")
