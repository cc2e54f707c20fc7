"""Read MNIST and its relatives with torchvision, which also downloads them."""

import string
from functools import partial
from pathlib import Path

from torch import Tensor
from torchvision import datasets

from ..checks import UserError
from ..config import PICTURE_SIDE

DATASETS = {
    "mnist": datasets.MNIST,
    "fashion-mnist": datasets.FashionMNIST,
    "kmnist": datasets.KMNIST,
    "emnist-letters": partial(datasets.EMNIST, split="letters"),
}
LETTERS = "emnist-letters"


class DatasetError(UserError, RuntimeError):
    """A data set cannot be read or downloaded; the message says what to do."""


def load_mnist(name: str, data_dir: Path, *, train: bool) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Pixels uint8 (N, 28, 28), labels int64 (N,) and class names of a data set in `DATASETS`.

    Files that are absent are downloaded to data_dir, laid out as torchvision does. Raises
    DatasetError for files that are damaged or cannot be downloaded.
    """
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
        raise DatasetError(
            f"{name} cannot be read in {data_dir} or downloaded to it ({cause}). Pass --data-dir "
            "with the folder that holds it, or delete the damaged files to download them again."
        ) from error
    return pixels, labels, class_names
