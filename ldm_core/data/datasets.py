"""Data sets as two tensors in memory."""

import hashlib
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision import datasets

from ..checks import InputError, UserError
from .image_folder import read_folder

DATASETS = {
    "mnist": datasets.MNIST,
    "fashion-mnist": datasets.FashionMNIST,
    "kmnist": datasets.KMNIST,
    "emnist-letters": partial(datasets.EMNIST, split="letters"),
}


class DatasetError(UserError, RuntimeError):
    """A data set cannot be read or downloaded; the message says what to do."""


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
    Raises InputError for an unknown name or an unfit folder, DatasetError where a download fails.
    """
    if name not in DATASETS:
        if not Path(name).is_dir():
            raise InputError(
                f"dataset must be one of {', '.join(DATASETS)}, or a folder that holds a folder of "
                f"pictures for each class; there is no folder {name!r:.200}."
            )
        pixels, labels, *rest = read_folder(Path(name), train=train)
        return LabelledImages(torch.from_numpy(pixels), torch.from_numpy(labels), *rest)
    try:
        data = DATASETS[name](root=str(data_dir), train=train, download=True)
    except (OSError, RuntimeError) as error:
        raise DatasetError(
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
