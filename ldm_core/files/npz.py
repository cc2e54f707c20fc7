"""Many images in one NumPy file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .whole_file import whole_file


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
