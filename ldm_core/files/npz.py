"""Many images in one NumPy file."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import InputError
from ..config import PICTURE_SIDE
from .whole_file import whole_file


def room_for_images(count: int) -> np.ndarray:
    """Make an empty array uint8 (count, 28, 28); raises InputError where memory is too small."""
    shape = count, PICTURE_SIDE, PICTURE_SIDE
    try:
        return np.empty(shape, np.uint8)
    except MemoryError as error:
        raise InputError(
            f"{count:,} images need {math.prod(shape) / 1e9:,.1f} GB of memory, more than this "
            "machine has: choose a smaller count, and other seeds for the rest."
        ) from error


def write_npz(
    path: str | Path,
    images: np.ndarray,
    *,
    settings: Mapping[str, Any],
    **arrays: np.ndarray,
) -> None:
    """Write images, other arrays of their length (`labels`, `seeds`, `prompts`), and settings as a
    JSON string, for `np.load`. The same arrays make the same bytes."""
    with whole_file(path) as partial, partial.open("wb") as file:
        settings = np.array(json.dumps(settings))
        np.savez_compressed(file, images=images, **arrays, settings=settings)
