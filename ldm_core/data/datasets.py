"""Data sets as two tensors in memory."""

import hashlib
import os
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from ..checks import InputError, brief
from .image_folder import read_folder
from .mnist import DATASETS, load_mnist

CLASSES_SHOWN = 100
SKIPPED_SHOWN = 10


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
    Raises InputError for an unknown name or an unfit folder, DatasetError for files that are
    damaged or cannot be downloaded.
    """
    if name in DATASETS:
        return LabelledImages(*load_mnist(name, Path(data_dir), train=train))
    if not name or not os.path.isdir(name):  # False, unlike Path.is_dir, for any name
        raise InputError(
            f"dataset must be one of {', '.join(DATASETS)}, or a folder that holds a folder of "
            f"pictures for each class; there is no folder {brief(name)}."
        )
    return LabelledImages(*read_folder(Path(name), train=train))


def describe(data: LabelledImages, test: LabelledImages) -> str:
    """Say what training will learn from: the classes with their counts, and the files that were
    passed over. One or two lines."""
    names = data.class_names
    counts = [part.labels.bincount(minlength=len(names)).tolist() for part in (data, test)]
    classes = [f"{name} ({n:,} / {m:,})" for name, n, m in zip(names, *counts)]
    lines = [
        f"{len(names)} classes (pictures for training / for testing): "
        f"{_first(classes, CLASSES_SHOWN)}."
    ]
    if skipped := list(dict.fromkeys(data.skipped + test.skipped)):
        what = "file is" if len(skipped) == 1 else "files are"
        lines.append(f"{len(skipped):,} {what} passed over: {_first(skipped, SKIPPED_SHOWN)}.")
    return "\n".join(lines)


def _first(texts: list[str], count: int) -> str:
    more = f" and {len(texts) - count} more" if len(texts) > count else ""
    return ", ".join(texts[:count]) + more


def data_fingerprint(data: LabelledImages) -> str:
    """Identify a data set by its pixels, labels and class names."""
    digest = hashlib.sha256(data.pixels.contiguous().numpy())
    digest.update(data.labels.contiguous().numpy())
    digest.update(repr(data.class_names).encode())
    count, classes = len(data.labels), len(data.class_names)
    return f"{count} images, {classes} classes, SHA-256 {digest.hexdigest()[:16]}"
