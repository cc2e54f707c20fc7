"""Pictures: laid out, enlarged, and written as PNG; or many of them in one NumPy file."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..checks import InputError, check_whole
from ..config import PICTURE_SIDE
from .metadata import png_comment
from .whole_file import whole_file

GAP = 2  # pixels between the pictures of a grid; even, because video needs even sides
MAX_SCALE = 64
MAX_SIDE = 8192  # pixels of an enlarged picture: every format and any memory can hold that


def grid_columns(count: int, n_labels: int, views: int = 1) -> int:
    """The number of images in a row of a grid of count; each has `views` pictures side by side.

    Prefers a multiple or a divisor of the number of labels, so that each label keeps its column.
    The grid is about square, rather wide than high, with few empty cells.
    """
    square = math.sqrt(1.25 * count / views)
    columns = range(1, min(count, MAX_SIDE // PICTURE_SIDE) + 1)
    in_turn = [n for n in columns if n % n_labels == 0 or n_labels % n == 0]
    return min(in_turn, key=lambda n: abs(math.log(n / square)) + -count % n / count)


def grid_shape(n: int, columns: int) -> tuple[int, int]:
    """(H, W) of n pictures in rows of `columns`."""
    rows = -(-n // columns)
    return rows * (PICTURE_SIDE + GAP) - GAP, columns * (PICTURE_SIDE + GAP) - GAP


def lay_out(pictures: np.ndarray, columns: int) -> np.ndarray:
    """uint8 (N, 28, 28) -> one picture, in rows of `columns`; gaps and empty cells are black."""
    canvas = np.zeros(grid_shape(len(pictures), columns), np.uint8)
    for i, picture in enumerate(pictures):
        top, left = (at * (PICTURE_SIDE + GAP) for at in divmod(i, columns))
        canvas[top : top + PICTURE_SIDE, left : left + PICTURE_SIDE] = picture
    return canvas


def check_size(shape: tuple[int, int], scale: int) -> None:
    """Raise InputError unless scale is allowed and a picture (H, W) can be enlarged by it."""
    check_whole("scale", scale, 1, MAX_SCALE)
    if max(shape) * scale > MAX_SIDE:
        height, width = shape
        raise InputError(
            f"A picture of {width} x {height}, enlarged {scale} times, is larger than {MAX_SIDE} "
            "pixels: choose a smaller scale or fewer images."
        )


def enlarge(picture: np.ndarray, scale: int) -> np.ndarray:
    """(H, W) -> (scale * H, scale * W): each pixel becomes a square of scale x scale."""
    return picture.repeat(scale, axis=0).repeat(scale, axis=1)


def write_png(
    path: str | Path, picture: np.ndarray, *, settings: Mapping[str, Any], scale: int = 8
) -> None:
    """Write a picture uint8 (H, W), enlarged scale times, with settings as its "Comment"."""
    check_size(picture.shape, scale)
    image, comment = Image.fromarray(enlarge(picture, scale)), png_comment(json.dumps(settings))
    with whole_file(path) as partial:
        image.save(partial, "PNG", optimize=True, pnginfo=comment)


def write_npz(
    path: str | Path, images: np.ndarray, *, settings: Mapping[str, Any], **arrays: np.ndarray
) -> None:
    """Write images, other arrays of their length (`labels`, `seeds`, `prompts`), and settings as a
    JSON string, for `np.load`. The same arrays make the same bytes."""
    with whole_file(path) as partial, partial.open("wb") as file:
        settings = np.array(json.dumps(settings))
        np.savez_compressed(file, images=images, **arrays, settings=settings)
