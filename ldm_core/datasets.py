"""Data sets as two tensors in memory, and the way from pixels to model images and back."""

import hashlib
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision import datasets

from .image_folder import SIDE, read_folder

DATASETS = {
    "mnist": datasets.MNIST,
    "fashion-mnist": datasets.FashionMNIST,
    "kmnist": datasets.KMNIST,
    "emnist-letters": partial(datasets.EMNIST, split="letters"),
}
PIXELS = SIDE  # of a picture as people see it
PADDING = 2  # to 32, which halves evenly


class LabelledImages(NamedTuple):
    """pixels uint8 (N, 28, 28), 0 is background; labels int64 (N,); the names of the classes; the
    files that could not be read, with the reason."""

    pixels: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def load_dataset(name: str, data_dir: str | Path, *, train: bool) -> LabelledImages:
    """The training or the test part of a data set of `DATASETS`, or of a folder of class folders.

    A data set is read from data_dir (laid out as torchvision does), else downloaded to there.
    Raises ValueError for an unknown name or an unfit folder, RuntimeError where a download fails.
    """
    if name not in DATASETS:
        if not Path(name).is_dir():
            raise ValueError(
                f"dataset must be one of {', '.join(DATASETS)}, or a folder that holds a folder of "
                f"pictures for each class; there is no folder {name!r:.200}."
            )
        pixels, labels, *rest = read_folder(Path(name), train=train)
        return LabelledImages(torch.from_numpy(pixels), torch.from_numpy(labels), *rest)
    try:
        data = DATASETS[name](root=str(data_dir), train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise RuntimeError(
            f"{name} is not in {data_dir} and could not be downloaded there ({error}). "
            "Check the network, or pass --data-dir with the folder that holds it."
        ) from error
    if name == "emnist-letters":  # stored lying on its side, and counted from 1
        upright = data.data.transpose(1, 2).contiguous()
        return LabelledImages(upright, data.targets.long() - 1, tuple(data.classes[1:]))
    names = tuple(c.split(" - ")[0] for c in data.classes)  # MNIST's are "0 - zero", ...
    return LabelledImages(data.data, data.targets.long(), names)


def data_fingerprint(data: LabelledImages) -> str:
    """Tells data sets apart by their pixels, labels and class names."""
    digest = hashlib.sha256(data.pixels.contiguous().numpy())
    digest.update(data.labels.contiguous().numpy())
    digest.update(repr(data.class_names).encode())
    count, classes = len(data.labels), len(data.class_names)
    return f"{count} images, {classes} classes, SHA-256 {digest.hexdigest()[:16]}"


def to_image(pixels: Tensor) -> Tensor:
    """uint8 (B, 28, 28) -> image float32 (B, 1, 32, 32) in [-1, 1], padded with background."""
    return F.pad(pixels.unsqueeze(1).float() / 127.5 - 1, [PADDING] * 4, value=-1.0)


def to_pixels(image: Tensor) -> Tensor:
    """image (B, 1, 32, 32) -> uint8 (B, 28, 28): clipped to [-1, 1], rounded, padding cut off."""
    inner = image[:, 0, PADDING:-PADDING, PADDING:-PADDING]
    return (inner.float().clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8)
