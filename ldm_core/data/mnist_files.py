"""The files of MNIST and its relatives: where they must lie, and what must be in them.

Each is a magic number, the sizes and the bytes (http://yann.lecun.com/exdb/mnist/). They are read
here rather than by torchvision, which downloads them, so that a damaged one is named.
"""

import gzip
import zlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from ..checks import UserError
from .file_kinds import describe_bytes

SIDE = 28
MAX_COUNT = 10_000_000  # more than any such file holds: what says more is damaged
GZIP = b"\x1f\x8b"
# What torchvision raises for a download that fails, and for what it cannot unpack or read.
DOWNLOAD_ERRORS = (
    *(OSError, RuntimeError, ValueError, TypeError, AssertionError, EOFError),
    *(HTTPException, BadZipFile, zlib.error),
)


class DatasetError(UserError, RuntimeError):
    """A data set cannot be read or downloaded; the message says what to do."""


class DamagedFile(DatasetError):
    """A file is there, but is not what it should be."""

    def __init__(self, path: Path, message: str):
        super().__init__(message)
        self.is_packed = path.suffix == ".gz"


class Files(NamedTuple):
    """Where a data set lies, as torchvision has it: `data_dir/folder/raw/train-images-idx3-ubyte`,
    and so on; the lowest and the highest label; how many pictures there are to train and test."""

    folder: str
    train: str = "train"
    test: str = "t10k"
    labels: tuple[int, int] = (0, 9)
    counts: tuple[int, int] = (60_000, 10_000)

    def raw(self, data_dir: Path) -> Path:
        return data_dir / self.folder / "raw"

    def names(self, train: bool) -> tuple[str, str]:
        part = self.train if train else self.test
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"


FILES = {
    "mnist": Files("MNIST"),
    "fashion-mnist": Files("FashionMNIST"),
    "kmnist": Files("KMNIST"),
    "emnist-letters": Files(
        *("EMNIST", "emnist-letters-train", "emnist-letters-test"), (1, 26), (124_800, 20_800)
    ),
}


def load_files(
    name: str, data_dir: Path, train: bool, download: Callable[[], tuple[Tensor, Tensor]]
) -> tuple[Tensor, Tensor]:
    """pixels uint8 (N, 28, 28) and labels int64 (N,) as they are stored.

    download fetches what is absent, and returns the same. Raises DatasetError for what is damaged,
    in another place, or neither there nor to be had.
    """
    files = FILES[name]
    try:
        if found := read_part(files, data_dir, train):
            return found
    except DamagedFile as error:
        if not error.is_packed:
            raise  # a packed one may be what a download left that was stopped: it begins anew
    if data_dir.is_file():
        raise DatasetError(f"--data-dir {data_dir} is a file: pass a folder.")
    elsewhere = misplaced(files, data_dir)
    # MNIST, Fashion-MNIST and KMNIST have the same names: only the folder tells them apart.
    known = files.folder == "EMNIST"
    if elsewhere and (known or any(files.folder in p.absolute().parts[-3:] for p in elsewhere)):
        raise DatasetError(how_to_place(name, files, data_dir, elsewhere))
    try:
        downloaded = download()
    except DOWNLOAD_ERRORS as error:
        read_part(files, data_dir, train)  # raises what it was before
        if elsewhere:
            raise DatasetError(how_to_place(name, files, data_dir, elsewhere)) from error
        raw = files.raw(data_dir)
        absent = [n for part in (True, False) for n in files.names(part) if not (raw / n).exists()]
        raise DatasetError(
            f"{name} is not in {data_dir} and could not be downloaded there "
            f"({' '.join(str(error).split())}). Check the network, pass --data-dir with the folder "
            f"that holds it, or put what is missing into {raw}: {', '.join(absent)}."
        ) from error
    return read_part(files, data_dir, train) or downloaded


def read_part(files: Files, data_dir: Path, train: bool) -> tuple[Tensor, Tensor] | None:
    """The training or the test part; None if a file of it is absent."""
    raw, names = files.raw(data_dir), files.names(train)
    # gzip/ is what the archive of EMNIST unpacks to.
    places = [[raw / name, raw / f"{name}.gz", raw / "gzip" / f"{name}.gz"] for name in names]
    paths = [next((p for p in choices if p.exists()), None) for choices in places]
    shapes, count = ((SIDE, SIDE), ()), files.counts[not train]
    pixels, labels = (path and read_idx(path, shape, count) for path, shape in zip(paths, shapes))
    if pixels is None or labels is None:
        return None
    if len(pixels) != len(labels):
        raise DamagedFile(
            paths[1],
            f"{paths[0]} holds {len(pixels):,} pictures and {paths[1]} {len(labels):,} labels: "
            "they are not of one data set. Replace them, or delete both to download them anew.",
        )
    low, high = files.labels
    wrong = np.flatnonzero((labels < low) | (labels > high))
    if len(wrong):
        raise DamagedFile(
            paths[1],
            f"{paths[1]} holds the label {labels[wrong[0]]} (number {wrong[0]:,} of "
            f"{len(labels):,}), but labels are from {low} to {high}: it is damaged or of another "
            "data set. Replace it, or delete it to download it anew.",
        )
    return torch.from_numpy(pixels), torch.from_numpy(labels).long()


def read_idx(path: Path, shape: tuple[int, ...], usual_count: int) -> np.ndarray:
    """uint8 (N, *shape), from a file that may still be compressed.

    Raises DamagedFile, which names the file and what it should be.
    """
    magic = bytes((0, 0, 8, 1 + len(shape)))  # uint8, dimensions
    each, header = int(np.prod(shape, dtype=int)), 4 * (2 + len(shape))
    expected = f"it should begin with {magic.hex(' ')}" + (f", then {SIDE}x{SIDE}" if shape else "")

    def damaged(what: str) -> DamagedFile:
        size = header + usual_count * each
        return DamagedFile(
            path,
            f"{path} is damaged: {what}. Unpacked, {expected} and usually has {size:,} bytes "
            f"({usual_count:,} {'pictures' if shape else 'labels'}). Replace it, or delete it to "
            "download it anew.",
        )

    if path.is_dir():
        raise DamagedFile(path, f"{path} is a folder: move the file in it here, in its place.")
    try:
        with open(path, "rb") as plain:
            is_packed = plain.read(2) == GZIP
        with gzip.open(path) if is_packed else open(path, "rb") as file:
            head = file.read(header)
            if head[:4] != magic:
                what = describe_bytes(head + file.read(200))
                raise damaged(f"it is {what}" if what else f"it begins with {head[:4].hex(' ')}")
            count, *sides = np.frombuffer(head[4:], ">u4").tolist() if head[header - 1 :] else (0,)
            if tuple(sides) != shape:
                size = "x".join(map(str, sides))
                raise damaged(f"it says that its pictures are {size}" if sides else "it ends early")
            if not 0 < count <= MAX_COUNT:
                raise damaged(f"it says that it holds {count:,}")
            data = file.read(count * each + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise damaged(f"it cannot be unpacked ({error})") from error
    except OSError as error:
        raise DatasetError(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(data) != count * each:
        there = "more" if len(data) > count * each else f"{len(data):,}"
        raise damaged(f"it says that {count * each:,} bytes follow, and there are {there}")
    return np.frombuffer(bytearray(data), np.uint8).reshape(count, *shape)


def misplaced(files: Files, data_dir: Path) -> dict[Path, Path]:
    """Files of the right name near where they should be, and where they should be."""
    raw, found = files.raw(data_dir), {}
    folders = (data_dir, data_dir / "raw", data_dir / files.folder, raw)
    for name in (*files.names(True), *files.names(False)):
        if (raw / name).exists() or (raw / f"{name}.gz").exists():
            continue
        names = (name, name.replace("-idx", ".idx"))  # the second as other copies have it
        paths = (folder / f"{n}{end}" for folder in folders for n in names for end in ("", ".gz"))
        if path := next(filter(Path.is_file, paths), None):
            found[path] = raw / (name + path.suffix * (path.suffix == ".gz"))
    return found


def how_to_place(name: str, files: Files, data_dir: Path, found: dict[Path, Path]) -> str:
    """One sentence about files that were found elsewhere."""
    root = data_dir.resolve().parent.parent
    if data_dir.resolve() == files.raw(root):
        return f"{name} is in {data_dir}: pass --data-dir {root}."
    moves = ", ".join(f"{path} to {place}" for path, place in found.items())
    return f"{name} is looked for in {files.raw(data_dir)}: move {moves}."
