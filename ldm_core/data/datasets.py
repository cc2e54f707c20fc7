"""Data sets as two tensors in memory."""

import hashlib
import os
import string
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision import datasets

from ..checks import InputError
from .file_kinds import printable
from .image_folder import read_folder
from .mnist_files import DatasetError, load_files

__all__ = [
    "DATASETS",
    "DatasetError",
    "LabelledImages",
    "data_fingerprint",
    "describe",
    "load_dataset",
]

DATASETS = {
    "mnist": datasets.MNIST,
    "fashion-mnist": datasets.FashionMNIST,
    "kmnist": datasets.KMNIST,
    "emnist-letters": partial(datasets.EMNIST, split="letters"),
}
CLASSES_SHOWN = 100
SKIPPED_SHOWN = 10


class LabelledImages(NamedTuple):
    """pixels uint8 (N, 28, 28), 0 is background; labels int64 (N,); the names of the classes; the
    files that could not be read, with the reason; what else there is to say, in sentences."""

    pixels: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def load_dataset(name: str, data_dir: str | Path, *, train: bool) -> LabelledImages:
    """The training or the test part of a data set of `DATASETS`, or of a folder of class folders.

    A data set is read from data_dir (laid out as torchvision does), else downloaded to there.
    Raises InputError for an unknown name or an unfit folder, DatasetError for files that are
    damaged, misplaced or not to be had.
    """
    if name not in DATASETS:
        return _load_folder(name, train)

    def download() -> tuple[Tensor, Tensor]:
        data = DATASETS[name](root=str(data_dir), train=train, download=True)
        return data.data, data.targets.long()

    pixels, labels = load_files(name, Path(data_dir), train, download)
    also = f"There is a folder {name} too: pass --dataset ./{name} to learn from that."
    notes = (also,) if name in os.listdir() and os.path.isdir(name) else ()
    if name == "emnist-letters":  # stored lying on its side, and counted from 1
        upright = pixels.transpose(1, 2).contiguous()
        return LabelledImages(upright, labels - 1, tuple(string.ascii_lowercase), (), notes)
    names = tuple(c.split(" - ")[0] for c in DATASETS[name].classes)  # MNIST's: "0 - zero", ...
    return LabelledImages(pixels, labels, names, (), notes)


def _load_folder(name: str, train: bool) -> LabelledImages:
    if not name or not os.path.isdir(name):  # False, unlike Path.is_dir, for any name
        raise InputError(
            f"dataset must be one of {', '.join(DATASETS)}, or a folder that holds a folder of "
            f"pictures for each class; {_what_instead(name)}."
        )
    pixels, labels, *rest = read_folder(Path(name), train=train)
    return LabelledImages(torch.from_numpy(pixels), torch.from_numpy(labels), *rest)


def _what_instead(name: str) -> str:
    if os.path.isfile(name):
        return f"{printable(name)} is a file: if it is an archive, unpack it and pass the folder"
    if name.lower() in DATASETS:
        return f"it is written {name.lower()}"
    return f"there is no folder {name!r:.200}"


def describe(data: LabelledImages, test: LabelledImages) -> str:
    """What training is about to learn from: classes with their counts, and what was passed over
    or assumed. Several lines."""
    names = data.class_names
    counts = [part.labels.bincount(minlength=len(names)).tolist() for part in (data, test)]
    classes = [f"{name} ({n:,} / {m:,})" for name, n, m in zip(names, *counts)]
    more = f" and {len(names) - CLASSES_SHOWN} more" if len(names) > CLASSES_SHOWN else ""
    lines = [
        f"{len(names)} classes (pictures for training / for testing): "
        f"{', '.join(classes[:CLASSES_SHOWN])}{more}."
    ]
    for part, skipped in (("training", data.skipped), ("test", test.skipped)):
        if skipped:
            lines.append(f"{_files(part, len(skipped))} skipped: {_first(skipped)}.")
    return "\n".join([*lines, *dict.fromkeys((*data.notes, *test.notes))])


def _files(part: str, count: int) -> str:
    return f"{count:,} {part} {'file is' if count == 1 else 'files are'}"


def _first(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - SKIPPED_SHOWN} more" if len(texts) > SKIPPED_SHOWN else ""
    return ", ".join(texts[:SKIPPED_SHOWN]) + more


def data_fingerprint(data: LabelledImages) -> str:
    """Tells data sets apart by their pixels, labels and class names."""
    digest = hashlib.sha256(data.pixels.contiguous().numpy())
    digest.update(data.labels.contiguous().numpy())
    digest.update(repr(data.class_names).encode())
    count, classes = len(data.labels), len(data.class_names)
    return f"{count} images, {classes} classes, SHA-256 {digest.hexdigest()[:16]}"
