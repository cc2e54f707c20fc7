"""Animations as MP4, by imageio and the ffmpeg that the optional package imageio-ffmpeg brings."""

import importlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..checks import InputError
from .pictures import enlarge

CRF = 18  # of H.264, from 0 (best) to 51: here greys are off by 0.1 of 255 on average
FAILED = "ffmpeg could not write the video; its own message stands above"


def find_ffmpeg() -> None:
    """Raise InputError, which says what to install, unless there is an ffmpeg."""
    try:
        importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise InputError(
            "MP4 needs the package imageio-ffmpeg. Install it with: pip install imageio-ffmpeg; "
            "or choose another ending: .webp is the smallest."
        ) from error


def encode_mp4(
    path: Path, frames: Iterator[tuple[np.ndarray, int]], settings: str, scale: int
) -> None:
    """Write frames uint8 (H, W), each with its time in ms, as they come; settings as the comment.

    H.264, yuv420p and even sides are what every player takes. Many players ignore the time of the
    last frame, so a frame that is shown for longer is repeated; repeats take next to no room.
    """
    import imageio.v3 as iio

    path = path.absolute()  # or a colon in its name would make it an address, a dash an option
    first = next(frames)
    frame_ms, written = first[1], 0
    output = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-crf", str(CRF), "-preset", "veryslow"]
    output += ["-threads", "1"]  # with more, the bytes depend on how many cores there are
    output += ["-movflags", "+faststart", "-metadata", f"comment={settings}", "-f", "mp4"]
    options = {"fps": Fraction(1000, frame_ms), "codec": "libx264", "pixelformat": "yuv420p"}
    # quality: CRF says it. macro_block_size: imageio would stretch sides to multiples of 16.
    options |= {"quality": None, "macro_block_size": 1, "ffmpeg_log_level": "error"}
    with iio.imopen(path, "w", plugin="FFMPEG", extension=".mp4") as file:
        # Not file.write: where making a frame fails, it would leave ffmpeg running.
        writer = file.legacy_get_writer(output_params=output, **options)
        try:
            for frame, ms in chain([first], frames):
                picture = enlarge(frame, scale)
                for _ in range(max(1, round(ms / frame_ms))):
                    _append(writer, picture)
                    written += 1
        finally:
            writer.close()  # waits for ffmpeg; a second Ctrl-C kills it
    if _count_frames(path) != written:  # imageio does not ask ffmpeg whether it succeeded
        raise OSError(FAILED)


def _append(writer: Any, frame: np.ndarray) -> None:
    try:
        writer.append_data(frame)
    except OSError as error:  # its message is the whole command line
        raise OSError(FAILED) from error


def _count_frames(path: Path) -> int:
    """Frames that can be decoded, 0 of what is no video."""
    try:
        return importlib.import_module("imageio_ffmpeg").count_frames_and_secs(path)[0]
    except RuntimeError:
        return 0
