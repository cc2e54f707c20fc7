"""Data sets as two tensors in memory: MNIST and its relatives, or a folder of pictures."""

import hashlib
import os
import string
from functools import partial
from pathlib import Path
from typing import NamedTuple

from torch import Tensor
from torchvision import datasets

from ..checks import InputError, UserError, brief
from ..config import PICTURE_SIDE
from .image_folder import read_folder

DATASETS = {
    "mnist": datasets.MNIST,
    "fashion-mnist": datasets.FashionMNIST,
    "kmnist": datasets.KMNIST,
    "emnist-letters": partial(datasets.EMNIST, split="letters"),
}
LETTERS = "emnist-letters"
SHOWN = 30  # classes, and files that were passed over


class LabelledImages(NamedTuple):
    """pixels: uint8 (N, 28, 28), 0 is background. labels: int64 (N,). class_names: of each label.
    skipped: files of a folder that were passed over, each with the reason."""

    pixels: Tensor
    labels: Tensor
    class_names: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def load_dataset(name: str, data_dir: str | Path, *, train: bool) -> LabelledImages:
    """Load the training or the test part of a data set in `DATASETS`, or of a folder of pictures.

    A named data set is read from data_dir, laid out as torchvision does, or downloaded to it.
    Raises InputError for an unknown name or an unfit folder, UserError for files that are
    damaged or cannot be downloaded.
    """
    if name in DATASETS:
        return _load_named(name, Path(data_dir), train=train)
    if not name or not os.path.isdir(name):  # False, unlike Path.is_dir, for any name
        raise InputError(
            f"dataset must be one of {', '.join(DATASETS)}, or a folder that holds a folder of "
            f"pictures for each class; there is no folder {brief(name)}."
        )
    return LabelledImages(*read_folder(Path(name), train=train))


def _load_named(name: str, data_dir: Path, *, train: bool) -> LabelledImages:
    try:
        data = DATASETS[name](root=str(data_dir), train=train, download=True)
        pixels, labels = data.data, data.targets
        if name == LETTERS:  # stored lying on its side, and counted from 1
            pixels, labels = pixels.transpose(1, 2).contiguous(), labels - 1
            class_names = tuple(string.ascii_lowercase)
        else:
            class_names = tuple(c.split(" - ")[0] for c in data.classes)  # MNIST's: "0 - zero", ...
        sizes_fit = pixels.shape == (len(labels), PICTURE_SIDE, PICTURE_SIDE)
        if not sizes_fit or labels.min() < 0 or labels.max() >= len(class_names):
            raise ValueError("its pictures and labels do not belong together")
    except Exception as error:  # torchvision raises many kinds, and asserts
        cause = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{name} cannot be read in {data_dir} or downloaded to it ({cause}). Pass --data-dir "
            "with the folder that holds it, or delete the damaged files to download them again."
        ) from error
    return LabelledImages(pixels, labels, class_names)


def describe(data: LabelledImages, test: LabelledImages) -> str:
    """Say what training will learn from: the classes with their counts, and the files that were
    passed over. One or two lines."""
    names = data.class_names
    counts = [part.labels.bincount(minlength=len(names)).tolist() for part in (data, test)]
    classes = [f"{name} ({n:,} / {m:,})" for name, n, m in zip(names, *counts)]
    lines = [f"{len(names)} classes (pictures for training / for testing): {_first(classes)}."]
    if skipped := list(dict.fromkeys(data.skipped + test.skipped)):
        what = "file is" if len(skipped) == 1 else "files are"
        lines.append(f"{len(skipped):,} {what} passed over: {_first(skipped)}.")
    return "\n".join(lines)


def _first(texts: list[str]) -> str:
    more = f" and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return ", ".join(texts[:SHOWN]) + more


def data_fingerprint(data: LabelledImages) -> str:
    """Identify a data set by its pixels, labels and class names."""
    digest = hashlib.sha256(data.pixels.contiguous().numpy())
    digest.update(data.labels.contiguous().numpy())
    digest.update(repr(data.class_names).encode())
    count, classes = len(data.labels), len(data.class_names)
    return f"{count} images, {classes} classes, SHA-256 {digest.hexdigest()[:16]}"
