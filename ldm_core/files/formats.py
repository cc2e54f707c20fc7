"""How each format keeps an animation: GIF, APNG, WebP and MP4, their settings inside.

GIF, WebP and APNG hold the frames pixel for pixel and one for one, even where two are alike (the
usual libraries merge those), each as the rectangle in which it differs from the one before.
"""

import importlib
import io
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from struct import pack
from typing import NamedTuple

import numpy as np
from PIL import GifImagePlugin, Image

from ..checks import InputError
from .pictures import EXIF_DESCRIPTION, png_chunk, png_comment, png_header, png_pixels

MP4_CRF = 18  # of H.264, from 0 (best) to 51: here greys are off by 0.1 of 255 on average


class Update(NamedTuple):
    """An enlarged frame, and the rectangle in which it differs from the one before.

    corner: (top, left) of the rectangle. changed: bool, of its shape; all of the first frame.
    """

    frame: np.ndarray
    ms: int
    corner: tuple[int, int]
    patch: np.ndarray
    changed: np.ndarray


# GIF (GIF89a specification, sections 17-19 and 24-26)


def _write_gif(path: Path, updates: Iterator[Update], settings: str) -> None:
    with path.open("wb") as file:
        for i, update in enumerate(updates):
            if i == 0:
                file.write(_gif_header(*update.frame.shape, settings.encode()))
            file.write(_gif_frame(update))
        file.write(b";")


def _gif_header(height: int, width: int, comment: bytes) -> bytes:
    """Size, the 256 greys, endless loop, comment."""
    screen = pack("<HHBBB", width, height, 0b1_111_0_111, 0, 0)
    greys = np.arange(256, dtype=np.uint8).repeat(3).tobytes()
    loop = b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
    blocks = (comment[i : i + 255] for i in range(0, len(comment), 255))
    text = b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
    return b"GIF89a" + screen + greys + loop + text


def _gif_frame(update: Update) -> bytes:
    """What did not change is transparent, which compresses better (all but always).

    The transparent colour is a grey that this frame does not need, so nothing is lost.
    """
    needed = np.bincount(update.patch[update.changed], minlength=256)
    if needed.all() or update.changed.all():
        return _gif_image(update, update.patch)
    clear = int(needed.argmin())
    masked = np.where(update.changed, update.patch, np.uint8(clear))
    return _gif_image(update, masked, transparency=clear)


def _gif_image(update: Update, pixels: np.ndarray, **options) -> bytes:
    # disposal 1: leave this frame in place for the next one to change
    options |= {"duration": round(update.ms, -1), "disposal": 1}
    corner = update.corner[::-1]
    return b"".join(GifImagePlugin.getdata(Image.fromarray(pixels), corner, **options))


# APNG (PNG specification, third edition, sections 11.3.6 and 13.3)


def _write_apng(path: Path, updates: Iterator[Update], settings: str) -> None:
    number = 0  # of the fcTL and fdAT chunks, counted together
    with path.open("wb") as file:
        for i, update in enumerate(updates):
            if i == 0:
                file.write(png_header(*update.frame.shape))
                control_at = file.tell()
                file.write(png_chunk(b"acTL", bytes(8)) + png_comment(settings))
            place = (*update.patch.shape[::-1], *update.corner[::-1])
            control = pack(">IIIIIHHBB", number, *place, update.ms, 1000, 0, 0)
            name, order = (b"fdAT", pack(">I", number + 1)) if i else (b"IDAT", b"")
            file.write(png_chunk(b"fcTL", control))
            file.write(png_chunk(name, order + png_pixels(update.patch)))
            number += 2 if i else 1
        file.write(png_chunk(b"IEND"))
        file.seek(control_at)  # the number of frames is known only now; 0: endless
        file.write(png_chunk(b"acTL", pack(">II", i + 1, 0)))


# WebP (RFC 9649, section 2.7)


def _write_webp(path: Path, updates: Iterator[Update], settings: str) -> None:
    exif = Image.Exif()
    exif[EXIF_DESCRIPTION] = settings
    with path.open("wb") as file:
        file.write(b"RIFF" + bytes(4) + b"WEBP")
        for i, update in enumerate(updates):
            if i == 0:
                size = _three_bytes(*(side - 1 for side in update.frame.shape[::-1]))
                file.write(_riff_chunk(b"VP8X", pack("<I", 0b1010) + size))  # animated, with EXIF
                file.write(_riff_chunk(b"ANIM", bytes(6)))  # black behind, endless
            file.write(_riff_chunk(b"ANMF", _webp_frame(update)))
        file.write(_riff_chunk(b"EXIF", exif.tobytes().removeprefix(b"Exif\0\0")))
        length = file.tell()
        file.seek(4)
        file.write(pack("<I", length - 8))


def _webp_frame(update: Update) -> bytes:
    bottom, right = (at + side for at, side in zip(update.corner, update.patch.shape))
    top, left = (at - at % 2 for at in update.corner)  # it is stored halved
    pixels = update.frame[top:bottom, left:right]
    still = io.BytesIO()
    # Method 6 and quality 100 are no smaller, and many times slower.
    Image.fromarray(pixels).save(still, "WEBP", lossless=True, method=4, quality=50)
    sides = right - left - 1, bottom - top - 1
    head = _three_bytes(left // 2, top // 2, *sides, update.ms) + b"\x02"  # replace, do not blend
    return head + still.getvalue()[12:]  # what follows "RIFF", the length and "WEBP"


def _riff_chunk(name: bytes, data: bytes) -> bytes:
    return name + pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def _three_bytes(*numbers: int) -> bytes:
    return b"".join(n.to_bytes(3, "little") for n in numbers)


# MP4


def find_ffmpeg() -> str:
    """The ffmpeg program that the optional package imageio-ffmpeg brings."""
    try:
        return importlib.import_module("imageio_ffmpeg").get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise InputError(
            "MP4 needs the package imageio-ffmpeg. Install it with: pip install imageio-ffmpeg; "
            "or choose another ending: .webp is the smallest."
        ) from error


def _write_mp4(path: Path, updates: Iterator[Update], settings: str) -> None:
    """H.264, yuv420p, even sides: what every player takes. The last frame is held by repeating it,
    as many players ignore its duration; a frame that does not change takes next to no room."""
    first = next(updates)
    height, width = first.frame.shape
    command = [find_ffmpeg(), "-y", "-loglevel", "error", "-f", "rawvideo", "-pix_fmt", "gray"]
    command += ["-s", f"{width}x{height}", "-framerate", f"1000/{first.ms}", "-i", "-"]
    command += ["-vf", "pad=ceil(iw/2)*2:ceil(ih/2)*2", "-c:v", "libx264", "-pix_fmt", "yuv420p"]
    command += ["-crf", str(MP4_CRF), "-preset", "veryslow", "-movflags", "+faststart"]
    command += ["-metadata", f"comment={settings}", "-f", "mp4", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as ffmpeg:
        try:
            with suppress(BrokenPipeError):  # it has ended; why is asked below
                for update in chain([first], updates):
                    for _ in range(max(1, round(update.ms / first.ms))):
                        ffmpeg.stdin.write(update.frame.tobytes())
            complaint = ffmpeg.communicate()[1].decode(errors="replace")
        except BaseException:
            ffmpeg.kill()  # or it might go on writing after its file has been removed
            raise
    if ffmpeg.returncode:
        raise OSError(f"ffmpeg could not write the video: {complaint[-300:]}")


WRITERS = {".gif": _write_gif, ".webp": _write_webp, ".apng": _write_apng, ".mp4": _write_mp4}
