"""Turn a drawing, scan or photograph of a digit into an MNIST-style image, and read masks."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from ..checks import InputError
from ..config import PICTURE_SIDE
from .greys import PictureError, read_grey, read_picture
from .ink import BLANK, MIN_CONTRAST, ink_of

BOX = 20  # pixels of the longer side of a digit in MNIST
CENTRE = PICTURE_SIDE // 2  # the pixel where MNIST has the centre of mass
WORKING_SIDE = 256  # pixels; larger pictures are averaged down first
CUT = 0.001  # share of the ink on each side that may lie outside the box, such as specks


class Drawing(NamedTuple):
    """digit: an MNIST-style image uint8 (28, 28), white on black. note: what was left out of the
    picture; "" for nothing."""

    digit: np.ndarray
    note: str = ""


def digit_in(grey: np.ndarray) -> Drawing:
    """Make an MNIST-style image of greys uint8 (H, W) in which a digit may be light or dark.

    As in MNIST, the digit fits a box of 20 x 20 pixels, and its centre of mass lies in the middle
    of 28 x 28 (LeCun et al. 1998, sec. III.A). A picture of 28 x 28 pixels, or one that this
    program enlarged from it, is such a digit already; it is only inverted if its border is light.
    Raises InputError as `ink_of` does, and for a small picture without contrast.
    """
    small = without_enlargement(grey)
    if small is not None:
        border = np.concatenate([small[0], small[-1], small[:, 0], small[:, -1]])
        digit = 255 - small if np.median(border) > 127 else small
        if int(digit.max()) - int(digit.min()) < MIN_CONTRAST:
            raise InputError(BLANK)
        return Drawing(digit)
    ink = ink_of(averaged_down(grey))
    return Drawing(placed(ink.amount), f"left out: {ink.left_out}" if ink.left_out else "")


def read_drawing(path: str | Path) -> Drawing:
    """`digit_in` of a picture file.

    Raises InputError, which names the file, and OSError if it cannot be opened.
    """
    with _naming(path):
        return digit_in(read_grey(Path(path), full_size=False))


def as_mask(grey: np.ndarray) -> np.ndarray:
    """Make a mask bool (28, 28) of greys uint8 (28 k, 28 k): light is kept, dark is redrawn.

    Raises InputError for another size.
    """
    (height, width), side = grey.shape, PICTURE_SIDE
    times = height // side
    if height != width or height % side:
        raise InputError(
            f"A mask must be {side} x {side} pixels, or a multiple of that, not {width} x {height}."
        )
    return grey.reshape(side, times, side, times).mean(axis=(1, 3)) > 127


def read_mask(path: str | Path) -> np.ndarray:
    """`as_mask` of a picture file; errors as for `read_drawing`.

    If a part of it is transparent, as in the masks of other programs, that part is redrawn and the
    colours do not count.
    """
    with _naming(path):
        image = read_picture(Path(path))
        alpha = image.getchannel("A") if image.mode == "LA" else None
        has_transparent_part = alpha is not None and alpha.getextrema()[0] < 255
        return as_mask(np.asarray(alpha if has_transparent_part else image.getchannel("L")))


@contextmanager
def _naming(path: str | Path) -> Iterator[None]:
    """Name the file in each InputError."""
    try:
        yield
    except PictureError as error:
        raise InputError(f"{path} cannot be read as a picture: {error}.") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def without_enlargement(grey: np.ndarray) -> np.ndarray | None:
    """Undo an integer enlargement of a 28 x 28 picture; None if it is not one."""
    (height, width), side = grey.shape, PICTURE_SIDE
    if height != width or height % side:
        return None
    times = height // side
    small = grey[::times, ::times]
    return small if np.array_equal(small.repeat(times, 0).repeat(times, 1), grey) else None


def averaged_down(grey: np.ndarray) -> np.ndarray:
    """Average down to at most WORKING_SIDE pixels a side."""
    factor = WORKING_SIDE / max(grey.shape)
    if factor >= 1:
        return grey
    size = [max(1, round(side * factor)) for side in grey.shape[::-1]]
    return np.asarray(Image.fromarray(grey).resize(size, Image.Resampling.BOX))


def placed(ink: np.ndarray) -> np.ndarray:
    """float (H, W) -> uint8 (28, 28). The longer side of the box around the ink becomes 20 pixels.
    The centre of mass moves to the middle of pixel (14, 14), or as near as keeps the box inside."""
    scale = max(np.diff(ends(ink.sum(axis=axis)))[0] for axis in (0, 1)) / BOX
    margin = math.ceil(PICTURE_SIDE * scale)
    box = []
    for axis in (0, 1):  # x, then y
        profile = ink.sum(axis=axis)
        low, high = ends(profile)
        centre = (profile * (np.arange(len(profile)) + 0.5)).sum() / profile.sum()
        first = centre - (CENTRE + 0.5) * scale
        first = min(max(first, high - PICTURE_SIDE * scale), low)
        box.append(margin + first)
    padded = Image.fromarray(np.pad(ink, margin).astype(np.float32))
    window = (*box, *(first + PICTURE_SIDE * scale for first in box))
    side = (PICTURE_SIDE, PICTURE_SIDE)
    digit = np.asarray(padded.resize(side, Image.Resampling.BICUBIC, box=window)).clip(0, 1)
    return (digit * (255 / digit.max())).round().astype(np.uint8)  # all of MNIST have some white


def ends(profile: np.ndarray) -> tuple[int, int]:
    """Where a profile of ink begins and ends, without a share CUT of the ink on each side."""
    share = profile.cumsum() / profile.sum()
    return int((share <= CUT).sum()), int((share < 1 - CUT).sum()) + 1
