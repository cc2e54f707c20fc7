"""Images of one's own: a folder that holds a folder of pictures for each class.

The layout is that of torchvision's ImageFolder; pictures may have any size and colours, and become
what MNIST is: 28x28 greys, light on dark.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..checks import InputError
from ..config import PICTURE_SIDE
from .file_kinds import printable
from .folder_listing import Listing, list_folder
from .folder_walk import listed
from .pictures import read_grey, read_picture, read_values, reason, to_grey
from .ranges import Ranges

POLARITY_PICTURES = 200  # enough to tell whether a data set is dark on light
NEARLY_BLACK = 16  # of 255: greys that nobody sees


class FolderPart(NamedTuple):
    """pixels uint8 (N, 28, 28), labels int64 (N,), the names of the classes, what could not be
    read and why, and what else there is to say about the folder."""

    pixels: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    skipped: tuple[str, ...]
    notes: tuple[str, ...]


def read_folder(folder: Path, *, train: bool) -> FolderPart:
    """The training or the test part of a folder.

    Raises InputError for what is not such a folder, a class with no readable picture, or pictures
    of which it is unclear what is black and what is white.
    """
    listing = list_folder(folder)
    ranges = Ranges([path for path, _, _ in listing.files], read_values)
    invert = is_dark_on_light(listing.files, ranges)
    skipped = [(None, text) for text, test in listing.skipped if test != train]
    pixels, labels, several = [], [], []
    wanted = [(path, label) for path, label, test in listing.files if test != train]
    for path, label in tqdm(wanted, "reading pictures", unit="file", disable=None, delay=2):
        try:
            picture = read_picture(path)
            pixels.append(to_square(to_grey(picture, ranges), invert))
        except InputError:  # it concerns all pictures
            raise
        except Exception as error:  # a damaged file may raise anything
            name = printable(path.relative_to(folder))
            skipped.append((label, f"{name} ({printable(reason(path, error))})"))
            continue
        labels.append(label)
        if picture.first_of_several:
            several.append(printable(path.relative_to(folder)))
    check_readable(folder, listing, set(labels), skipped, train)
    pixels = np.stack(pixels)
    part = "training" if train else "test"
    notes = [*listing.notes, *ranges.notes]
    if several:
        notes.append(
            f"{len(several)} {part} files hold several pictures, of which the first is used: "
            f"{listed(several)}."
        )
    if pixels.max() < NEARLY_BLACK:
        notes.append(
            f"The {part} pictures are nearly black: none is lighter than {pixels.max()} of 255."
        )
    texts = tuple(text for _, text in skipped)
    return FolderPart(pixels, np.array(labels), listing.class_names, texts, tuple(notes))


def check_readable(
    folder: Path, listing: Listing, read: set[int], skipped: list, train: bool
) -> None:
    """Raise InputError for a class without a readable picture, with what was wrong with them."""
    for label, name in enumerate(listing.class_names):
        if label in read:
            continue
        part = "training" if train else "testing"
        why = [text for its_label, text in skipped if its_label == label]
        raise InputError(
            f"{printable(folder / name)} has no readable picture for {part}: add some."
            + (f" Skipped: {listed(why)}." if why else "")
        )


def is_dark_on_light(files: Sequence[tuple[Path, int, bool]], ranges: Ranges) -> bool:
    """Whether pictures have light borders, judged for the whole data set by some of it: models
    here learn light on dark, and what is padded is dark."""
    lights = []
    for path, *_ in files[:: max(1, len(files) // POLARITY_PICTURES)]:
        try:
            grey = read_grey(path, ranges)
        except InputError:
            raise
        except Exception:  # counted and named where all are read
            continue
        edges = (grey[0], grey[-1], grey[:, 0], grey[:, -1])
        lights.append(np.concatenate(edges).mean())
    return bool(lights) and float(np.median(lights)) > 127.5


def to_square(grey: np.ndarray, invert: bool) -> np.ndarray:
    """uint8 (H, W) of any size -> (28, 28), whole and undistorted, in the middle of black.

    What is larger is averaged down; what is smaller is enlarged by a whole number, so that pixels
    stay sharp.
    """
    if invert:
        grey = 255 - grey
    longest = max(grey.shape)
    if longest > PICTURE_SIDE:
        size = [max(1, round(side * PICTURE_SIDE / longest)) for side in grey.shape[::-1]]
        grey = np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX))
    else:
        grey = grey.repeat(PICTURE_SIDE // longest, axis=0).repeat(PICTURE_SIDE // longest, axis=1)
    canvas = np.zeros((PICTURE_SIDE, PICTURE_SIDE), np.uint8)
    top, left = ((PICTURE_SIDE - side) // 2 for side in grey.shape)
    canvas[top : top + grey.shape[0], left : left + grey.shape[1]] = grey
    return canvas
