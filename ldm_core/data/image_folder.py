"""Images of one's own: a folder that holds a folder of pictures for each class.

The layout is that of torchvision's ImageFolder; pictures may have any size, colour and format that
Pillow reads, and become what MNIST is: 28x28 greys, light on dark.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from ..checks import InputError
from ..config import PICTURE_SIDE

TEST_EVERY = 10  # every tenth picture of a class is for testing
POLARITY_PICTURES = 200  # enough to tell whether a data set is dark on light


def list_folder(folder: Path) -> tuple[list[tuple[Path, int]], tuple[str, ...]]:
    """Every picture's (path, label), sorted, and the names of the classes.

    Folders within class folders are searched too; hidden files are not pictures. Raises InputError
    for fewer than two classes, or a class of fewer than two files.
    """
    try:
        classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
        if len(classes) < 2:
            found = f"only {classes[0].name}" if classes else "none"
            raise InputError(
                f"{folder} must hold at least two folders of pictures, one for each class: there "
                f"is {found}."
            )
        files = []
        for label, path in enumerate(classes):
            inside = sorted(p for p in path.rglob("[!.]*") if p.is_file())
            check_count(path, len(inside), "file")
            files += [(p, label) for p in inside]
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error}") from error
    return files, tuple(path.name for path in classes)


def read_folder(
    folder: Path, *, train: bool
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """The training or the test part of a folder: pixels uint8 (N, 28, 28), labels int64 (N,), the
    names of the classes, and what could not be read and was skipped.

    Raises InputError for what is not such a folder, or a class with no readable picture.
    """
    files, class_names = list_folder(folder)
    invert = is_dark_on_light(files)
    number = Counter()
    pixels, labels, skipped = [], [], []
    for path, label in tqdm(files, "reading pictures", unit="file", disable=None, delay=2):
        number[label] += 1
        # The first of a class is a test picture, so that classes of two have one of each.
        if (number[label] % TEST_EVERY == 1) == train:
            continue
        try:
            pixels.append(to_square(read_grey(path), invert))
        except Exception as error:  # a damaged file may raise anything
            skipped.append(f"{path.relative_to(folder)} ({type(error).__name__})")
            continue
        labels.append(label)
    for label, name in enumerate(class_names):
        if label not in labels:
            part = "training" if train else "testing"
            raise InputError(f"{folder / name} has no readable picture for {part}: add some.")
    return np.stack(pixels), np.array(labels), class_names, tuple(skipped)


def check_count(path: Path, count: int, what: str) -> None:
    """Raise InputError where a class is too small to have one to learn from and one to test."""
    if count < 2:
        raise InputError(
            f"{path} needs at least two {what}s, one of them for testing, not {count}."
        )


def is_dark_on_light(files: Sequence[tuple[Path, int]]) -> bool:
    """Whether pictures have light borders, judged for the whole data set by some of it: models
    here learn light on dark, and what is padded is dark."""
    lights = []
    for path, _ in files[:: max(1, len(files) // POLARITY_PICTURES)]:
        try:
            grey = read_grey(path)
        except Exception:  # counted and named where all are read
            continue
        edges = (grey[0], grey[-1], grey[:, 0], grey[:, -1])
        lights.append(np.concatenate(edges).mean())
    return bool(lights) and float(np.median(lights)) > 127.5


def read_grey(path: Path) -> np.ndarray:
    """uint8 (H, W): turned as its EXIF says; what is transparent becomes the contrary of the rest.

    Raises whatever Pillow does for a file that it cannot read.
    """
    with Image.open(path) as image:
        image.draft(
            "L", (4 * PICTURE_SIDE, 4 * PICTURE_SIDE)
        )  # of large JPEGs no more is decoded than is needed
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            return (np.asarray(image) // 257).astype(np.uint8)
        if not image.has_transparency_data:
            return np.asarray(image.convert("L"))
        image = image.convert("LA") if image.mode != "RGBA" else image
        grey = np.asarray(image.convert("L"), float)
        alpha = np.asarray(image.getchannel("A"), float) / 255
    light = (grey * alpha).sum() / max(alpha.sum(), 1e-9)
    background = 255.0 if light < 127.5 else 0.0
    return (grey * alpha + background * (1 - alpha)).round().astype(np.uint8)


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
