"""Animations: from frames to a file with its settings inside."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..checks import InputError, check_choice, check_whole
from .formats import WRITERS, Update, find_ffmpeg
from .pictures import check_size, enlarge
from .whole_file import whole_file

FRAME_MS, HOLD_MS = 80, 1500
MIN_MS, MAX_MS = 20, 60_000  # browsers slow what is faster down to 100; GIF and WebP end near there


def write_animation(
    path: str | Path,
    frames: Iterable[np.ndarray | torch.Tensor],
    *,
    settings: Mapping[str, Any],
    scale: int = 8,
    frame_ms: int = FRAME_MS,
    hold_ms: int = HOLD_MS,
    ending: str | None = None,
) -> None:
    """Write frames uint8 (H, W), the starting noise first, as GIF, WebP, APNG (endless) or MP4.

    frames: an array or tensor (N, H, W), or any iterable, of which one frame at a time is held.
    path: its ending chooses the format, unless `ending` names one from WRITERS.
    settings: what made it, as JSON for `read_settings`. scale: each pixel becomes scale x scale.
    A frame is shown for frame_ms, the last for hold_ms (GIF rounds to 10 ms).
    The file is whole or absent. Raises InputError for an ending, number or frame that is not
    allowed, OSError if it cannot be written.
    """
    writer = WRITERS[check_ending(ending or Path(path).suffix)]
    check_times(frame_ms, hold_ms)
    with whole_file(path) as beside:
        writer(beside, _updates(frames, scale, frame_ms, hold_ms), json.dumps(settings))


def write_gif(path: str | Path, frames: Iterable[np.ndarray | torch.Tensor], **options) -> None:
    """`write_animation` as a GIF, whatever the ending of path; with its options and errors."""
    write_animation(path, frames, ending=".gif", **options)


def check_ending(ending: str) -> str:
    """The ending in small letters; raises InputError where it is unknown or needs a package."""
    ending = ending.lower()
    check_choice("the ending of an animation", ending, WRITERS)
    if ending == ".mp4":
        find_ffmpeg()
    return ending


def check_times(frame_ms: int, hold_ms: int) -> None:
    """Raise InputError unless both are allowed."""
    check_whole("frame_ms", frame_ms, MIN_MS, MAX_MS)
    check_whole("hold_ms", hold_ms, MIN_MS, MAX_MS)


def _updates(frames: Iterable, scale: int, frame_ms: int, hold_ms: int) -> Iterator[Update]:
    before = None
    for frame, ms in _timed(map(np.asarray, frames), frame_ms, hold_ms):
        if frame.ndim != 2 or frame.dtype != np.uint8:
            raise InputError(f"A frame must be uint8 (H, W), not {frame.dtype} {frame.shape}.")
        check_size(frame.shape, scale)
        frame = enlarge(frame, scale)
        if before is None:
            before = ~frame
        elif frame.shape != before.shape:
            raise InputError("The frames of an animation must all have the same size.")
        changed = frame != before
        rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
        # A frame like the one before it is still a frame: of one pixel.
        top, bottom = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 1)
        left, right = (int(columns[0]), int(columns[-1]) + 1) if len(rows) else (0, 1)
        box = slice(top, bottom), slice(left, right)
        yield Update(frame, ms, (top, left), frame[box], changed[box])
        before = frame


def _timed(frames: Iterator[np.ndarray], frame_ms: int, hold_ms: int):
    """Each frame with the time for which it is shown."""
    frame = next(frames, None)
    if frame is None:
        raise InputError("An animation needs at least one frame.")
    for following in frames:
        yield frame, frame_ms
        frame = following
    yield frame, hold_ms
