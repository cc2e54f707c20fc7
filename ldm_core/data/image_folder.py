"""Read a folder of pictures as a data set: 28x28 greys, light on dark, as MNIST has them.

Two layouts are read: `CLASS/…`, of which every tenth picture is kept for testing, and
`train/CLASS/…` with `test/CLASS/…`. torchvision finds the classes and lists their files.
"""

import os
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torchvision.datasets.folder import find_classes, make_dataset
from tqdm import tqdm

from ..checks import InputError
from ..config import PICTURE_SIDE
from ..files.greys import PictureError, read_grey

TRAIN, TEST = "train", "test"
PART_WORDS = {TRAIN, "training", TEST, "testing", "val", "valid", "validation"}
TEST_EVERY = 10  # every tenth picture of a class is for testing
LEFTOVERS = {"__MACOSX", "@eaDir"}  # of archives and file managers, besides hidden files
POLARITY_PICTURES = 200  # enough to tell whether a data set is dark on light
SHOWN = 5  # files that an error names


def read_folder(
    folder: Path, *, train: bool
) -> tuple[Tensor, Tensor, tuple[str, ...], tuple[str, ...]]:
    """The training or the test part of a folder: pixels uint8 (N, 28, 28), labels int64 (N,), the
    names of the classes, and the files that were passed over, each with the reason.

    Raises InputError for a folder in another layout or with fewer than two classes, and for a class
    without a readable picture.
    """
    folder = Path(os.path.abspath(folder))
    files, class_names, passed_over = list_folder(folder)
    invert = is_dark_on_light([path for path, *_ in files])
    pixels, labels, unread = [], [], {}
    wanted = [(path, label) for path, label, test in files if test != train]
    for path, label in tqdm(wanted, "reading pictures", unit="file", disable=None, delay=2):
        try:
            pixels.append(to_square(read_grey(path, full_size=False), invert))
            labels.append(label)
        except (PictureError, OSError) as error:
            why = getattr(error, "strerror", None) or error
            unread[path] = f"{path.relative_to(folder)} ({why})"
    part = "training" if train else "testing"
    for label in set(range(len(class_names))) - set(labels):
        name = class_names[label]
        why = [unread[path] for path, of in wanted if of == label][:SHOWN]
        raise InputError(
            f"The class {name} of {folder} has no readable picture for {part}: add some."
            + (f" Passed over: {', '.join(why)}." if why else "")
        )
    skipped = (*passed_over, *unread.values())
    return torch.from_numpy(np.stack(pixels)), torch.tensor(labels), class_names, skipped


def list_folder(folder: Path) -> tuple[list[tuple[Path, int, bool]], tuple[str, ...], list[str]]:
    """The files of a folder, each with its label and whether it is for testing; the names of the
    classes; and the files that were passed over, each with the reason."""
    skipped = [f"{p.name} (in no class)" for p in folder.iterdir() if not p.is_dir()]
    tops = classes_in(folder)
    roots = {folder: None}
    if tops == sorted((TRAIN, TEST)):
        roots = {folder / TRAIN: False, folder / TEST: True}
        tops, of_test = (classes_in(root) for root in roots)
        if tops != of_test:
            odd = ", ".join(map(ascii, sorted(set(tops) ^ set(of_test))))
            raise InputError(
                f"{folder} must hold the same classes in {TRAIN} and {TEST}; one of "
                f"them lacks {odd}."
            )
    else:
        check_no_parts(folder, tops)
    if len(tops) < 2:
        found = f"only {tops[0]}" if tops else "none"
        raise InputError(
            f"{folder} must hold at least two folders of pictures, one for each class: "
            f"there is {found}."
        )

    def is_wanted(path: str) -> bool:
        inside = Path(path).relative_to(folder)
        if any(map(is_leftover, inside.parts)):
            skipped.append(f"{inside} (hidden)")
        elif not os.path.isfile(path):
            skipped.append(f"{inside} (no file)")
        else:
            return True
        return False

    label_of = {name: label for label, name in enumerate(tops)}
    files: list[tuple[Path, int, bool]] = []
    for root, is_test in roots.items():
        listed = make_dataset(root, label_of, is_valid_file=is_wanted, allow_empty=True)
        seen = [0] * len(tops)
        for path, label in listed:
            # The first of a class is a test picture, so that classes of two have one of each.
            test = seen[label] % TEST_EVERY == 0 if is_test is None else is_test
            seen[label] += 1
            files.append((Path(path), label, test))
    return files, tuple(tops), sorted(skipped)


def classes_in(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted, without leftovers."""
    try:
        names, _ = find_classes(folder)
    except FileNotFoundError:  # raised where there is none
        return []
    return [name for name in names if not is_leftover(name)]


def is_leftover(name: str) -> bool:
    return name.startswith(".") or name in LEFTOVERS


def is_part(name: str) -> bool:
    """Whether a folder's name holds a word for a part of a data set, such as training_set."""
    return not PART_WORDS.isdisjoint(re.split(r"[\W\d_]+", name.lower()))


def check_no_parts(folder: Path, tops: Sequence[str]) -> None:
    """Raise InputError for a layout in which parts could be taken for classes."""
    parts = [top for top in tops if is_part(top)]
    inside = {top: classes_in(folder / top) for top in tops}
    found = parts if len(parts) > 1 else [top for top in parts if inside[top]]
    found += [f"{top}/{name}" for top in tops for name in inside[top] if is_part(name)]
    if found:
        raise InputError(
            f"{folder} holds {', '.join(found[:SHOWN])}, which may be "
            f"parts of a data set or classes: make {TRAIN}/CLASS and {TEST}/CLASS, with nothing "
            "else beside them, or rename the classes."
        )


def is_dark_on_light(paths: Sequence[Path]) -> bool:
    """Whether most pictures have light borders, judged by some of the whole data set. Such pictures
    are inverted: the models learn light on dark, and the padding is dark."""
    lights = []
    for path in paths[:: max(1, len(paths) // POLARITY_PICTURES)]:
        try:
            grey = read_grey(path, full_size=False)
        except (PictureError, OSError):  # counted and named when all are read
            continue
        edges = (grey[0], grey[-1], grey[:, 0], grey[:, -1])
        lights.append(np.concatenate(edges).mean())
    return bool(lights) and float(np.median(lights)) > 127.5


def to_square(grey: np.ndarray, invert: bool) -> np.ndarray:
    """Fit greys uint8 (H, W) into (28, 28), whole and undistorted, in the middle of black."""
    image = Image.fromarray(255 - grey if invert else grey)
    # Large pictures are averaged; the pixels of small ones become squares.
    return np.asarray(ImageOps.pad(image, (PICTURE_SIDE, PICTURE_SIDE), Image.Resampling.BOX))
