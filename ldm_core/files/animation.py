"""Animations: frames and their settings become a GIF, WebP, APNG or MP4."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..checks import InputError, check_choice, check_whole
from .gif import encode_gif
from .metadata import png_comment, webp_exif
from .mp4 import encode_mp4, find_ffmpeg
from .pictures import check_size, enlarge
from .whole_file import whole_file

FRAME_MS, HOLD_MS = 80, 1500
MIN_MS, MAX_MS = 20, 60_000  # browsers show a frame of 10 ms or less for 100 ms
MERGED_MS = 65_535  # the longest time that every version of Pillow writes into an APNG

Timed = Iterator[tuple[np.ndarray, int]]  # frames uint8 (H, W), each with its time in ms


def write_animation(
    path: str | Path,
    frames: Iterable[np.ndarray | torch.Tensor],
    *,
    settings: Mapping[str, Any],
    scale: int = 8,
    frame_ms: int = FRAME_MS,
    hold_ms: int = HOLD_MS,
) -> None:
    """Write frames uint8 (H, W), the starting noise first, as GIF, WebP, APNG (endless) or MP4.

    frames: an array or tensor (N, H, W), or any iterable. GIF and MP4 take one frame at a time;
    WebP and APNG hold all of them, enlarged, until the file is written.
    path: its ending chooses the format, one of `ENCODERS`.
    settings: JSON-able, for `read_settings`.
    scale: each pixel becomes a square of scale x scale.
    A frame is shown for frame_ms, the last for hold_ms; GIF rounds the end of each to 10 ms.
    The file is whole or absent. Raises InputError for an ending, number or frame that is not
    allowed, OSError if the file cannot be written.
    """
    encode = ENCODERS[check_ending(Path(path).suffix)]
    check_whole("frame_ms", frame_ms, MIN_MS, MAX_MS)
    check_whole("hold_ms", hold_ms, MIN_MS, MAX_MS)
    if encode is encode_mp4:
        encode = partial(encode_mp4, hold_ms=hold_ms)
    timed = _timed(frames, scale, frame_ms, hold_ms)
    with whole_file(path) as unfinished:
        encode(unfinished, timed, json.dumps(settings), scale)


def check_ending(ending: str) -> str:
    """Return the ending in lower case; raises InputError if it is unknown or needs a package."""
    ending = ending.lower()
    check_choice("the ending of an animation", ending, ENCODERS)
    if ending == ".mp4":
        find_ffmpeg()
    return ending


def _timed(frames: Iterable, scale: int, frame_ms: int, hold_ms: int) -> Timed:
    """Pair frames with their times; raises InputError unless they are uint8 (H, W), all of one
    size, and at least one."""
    before = None
    for frame in map(np.asarray, frames):
        if frame.ndim != 2 or frame.dtype != np.uint8:
            raise InputError(f"A frame must be uint8 (H, W), not {frame.dtype} {frame.shape}.")
        if before is None:
            check_size(frame.shape, scale)
        elif frame.shape != before.shape:
            raise InputError("The frames of an animation must all have the same size.")
        else:
            yield before, frame_ms
        before = frame
    if before is None:
        raise InputError("An animation needs at least one frame.")
    yield before, hold_ms


def _encode_webp(path: Path, frames: Timed, settings: str, scale: int) -> None:
    # Lossless: method and quality only say how long the encoder searches. Method 0, the default of
    # Pillow, doubles the size; a higher quality saves nothing and takes longer.
    options = {"lossless": True, "method": 4, "quality": 50}
    _save(path, "WEBP", *_merged(frames, scale), exif=webp_exif(settings), **options)


def _encode_apng(path: Path, frames: Timed, settings: str, scale: int) -> None:
    pictures, durations = _merged(frames, scale)
    # Pillow would merge equal pictures again, but not if they are drawn in two ways: over opaque
    # greys, both ways (0: instead of the picture before, 1: over it) give the same.
    blend = [0]
    for before, after in pairwise(pictures):
        blend.append(1 - blend[-1] if after is before else 0)
    _save(path, "PNG", pictures, durations, pnginfo=png_comment(settings), blend=blend)


def _merged(frames: Timed, scale: int) -> tuple[list[Image.Image], list[int]]:
    """Enlarged pictures and their times. Equal frames in a row become one picture, for up to
    MERGED_MS; then the same picture comes again."""
    pictures, durations, before = [], [], None
    for frame, ms in frames:
        is_equal = before is not None and np.array_equal(frame, before)
        if is_equal and durations[-1] + ms <= MERGED_MS:
            durations[-1] += ms
        else:
            picture = pictures[-1] if is_equal else Image.fromarray(enlarge(frame, scale))
            pictures.append(picture)
            durations.append(ms)
        before = frame
    return pictures, durations


def _save(
    path: Path, kind: str, pictures: list[Image.Image], durations: list[int], **options: Any
) -> None:
    """An endless animation, by Pillow."""
    first, *others = pictures
    options |= {"save_all": True, "append_images": others, "duration": durations, "loop": 0}
    first.save(path, kind, **options)


ENCODERS = {".gif": encode_gif, ".webp": _encode_webp, ".apng": _encode_apng, ".mp4": encode_mp4}
