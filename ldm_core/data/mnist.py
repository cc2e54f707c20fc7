"""Read MNIST and its relatives with torchvision, which also downloads them."""

import string
from functools import partial
from pathlib import Path

from torch import Tensor
from torchvision import datasets
from torchvision.datasets.mnist import read_image_file, read_label_file

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
    except Exception as error:  # torchvision raises many kinds, and asserts
        raise DatasetError(_what_is_wrong(name, data_dir, train, error)) from error
    pixels, labels = data.data, data.targets
    if name == LETTERS:  # stored lying on its side, and counted from 1
        pixels, labels = pixels.transpose(1, 2).contiguous(), labels - 1
        class_names = tuple(string.ascii_lowercase)
    else:
        class_names = tuple(c.split(" - ")[0] for c in data.classes)  # MNIST's: "0 - zero", ...
    sizes_fit = pixels.shape[1:] == (PICTURE_SIDE, PICTURE_SIDE) and len(pixels) == len(labels)
    if not sizes_fit or labels.min() < 0 or labels.max() >= len(class_names):
        images, of_images = _files(name, data_dir, train)
        sizes = "x".join(map(str, pixels.shape))
        raise DatasetError(
            f"{images} ({sizes} pixels) and {of_images} ({len(labels):,} labels) do not belong "
            f"to {name}: replace them, or delete both to download them again."
        )
    return pixels, labels, class_names


def _files(name: str, data_dir: Path, train: bool) -> tuple[Path, Path]:
    """The files of pictures and of labels."""
    if name == LETTERS:
        folder, part = "EMNIST", f"{name}-{'train' if train else 'test'}"
    else:
        folder, part = DATASETS[name].__name__, "train" if train else "t10k"
    raw = data_dir / folder / "raw"
    return raw / f"{part}-images-idx3-ubyte", raw / f"{part}-labels-idx1-ubyte"


def _what_is_wrong(name: str, data_dir: Path, train: bool, error: Exception) -> str:
    """A sentence for what torchvision raised: which file, and what to do."""
    needed = [path for part in (True, False) for path in _files(name, data_dir, part)]
    if missing := [path.name for path in needed if not path.is_file()]:
        return (
            f"{name} is not in {needed[0].parent} and could not be downloaded ({_cause(error)}). "
            "Check the network, pass --data-dir with the folder that holds it, or put there "
            f"{', '.join(missing)}."
        )
    paths = _files(name, data_dir, train)
    for path, read in zip(paths, (read_image_file, read_label_file)):
        try:
            read(path)
        except Exception as its_error:
            return (
                f"{path} is damaged ({_cause(its_error)}): replace it, or delete it to download it "
                "again."
            )
    return f"{name} in {data_dir} cannot be read: {_cause(error)}."


def _cause(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
