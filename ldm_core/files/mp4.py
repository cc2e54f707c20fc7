"""Animations as MP4, by the ffmpeg of the optional package imageio-ffmpeg."""

import importlib
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

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
    path: Path, frames: Iterator[tuple[np.ndarray, int]], settings: str, scale: int, hold_ms: int
) -> None:
    """Write frames uint8 (H, W), each with its time in ms, as they come; settings as the comment.

    hold_ms: the time of the last frame. Many players ignore it, so that frame is repeated at the
    rate of the others; repeats take almost no space. Every player accepts H.264 with yuv420p and
    even sides.
    """
    import imageio_ffmpeg

    path = path.absolute()  # or a name with a colon would be an address, and a dash an option
    first, frame_ms = next(frames)
    repeats, written = -(-hold_ms // frame_ms), 0
    output = ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-crf", str(CRF), "-preset", "veryslow"]
    output += ["-threads", "1"]  # with more, the bytes depend on how many cores there are
    output += ["-movflags", "+faststart", "-metadata", f"comment={settings}", "-f", "mp4"]
    # Count in ms, and show the last repeat, which no time follows, for the rest of hold_ms.
    output += ["-enc_time_base", "1:1000", "-video_track_timescale", "1000"]
    rest, has_next = hold_ms - (repeats - 1) * frame_ms, "between(NEXT_DTS\\,-9e15\\,9e15)"
    output += ["-bsf:v", f"setts=pts=PTS:dts=DTS:duration=if({has_next}\\,DURATION\\,{rest})"]
    writer = imageio_ffmpeg.write_frames(
        str(path),
        (first.shape[1] * scale, first.shape[0] * scale),
        fps=Fraction(1000, frame_ms),
        pix_fmt_in="gray",
        codec="libx264",
        quality=None,  # CRF says it
        macro_block_size=1,  # or sides would be stretched to multiples of 16
        ffmpeg_log_level="error",
        ffmpeg_timeout=0,  # wait for it, however long it takes
        output_params=output,
    )
    writer.send(None)
    try:
        for frame, ms in chain([(first, frame_ms)], frames):
            picture = enlarge(frame, scale)
            for _ in range(-(-ms // frame_ms)):
                try:
                    writer.send(picture)
                except OSError as error:  # its message is the whole command line
                    raise OSError(FAILED) from error
                written += 1
    finally:
        writer.close()  # waits for ffmpeg; a second Ctrl-C kills it
    try:
        complete = imageio_ffmpeg.count_frames_and_secs(path)[0] == written
    except RuntimeError:  # it is no video
        complete = False
    if not complete:  # imageio_ffmpeg does not report whether ffmpeg succeeded
        raise OSError(FAILED)
