"""A GIF encoder for animations of greys, frame by frame.

imageio also writes GIF, but takes 2.9 to 3.7 times as long and makes the file 1% to 11% larger.
Without its optimisation it takes 1.0 to 1.2 times as long, and makes the file 22% to 83% larger. It
holds all frames in memory; this holds two, so an animation may be as long as the disk allows.
docs/experiments.md tells how that was measured.
"""

from collections.abc import Iterator
from pathlib import Path
from struct import pack

import numpy as np
from PIL import GifImagePlugin, Image

from .pictures import enlarge


def encode_gif(
    path: Path, frames: Iterator[tuple[np.ndarray, int]], settings: str, scale: int
) -> None:
    """Write frames uint8 (H, W), each with its time in ms; endless, settings as the comment."""
    before, end = None, 0
    with path.open("wb") as file:
        for frame, ms in frames:
            # GIF counts in 10 ms. Each end is rounded, not each time, so that errors never add up.
            start, end = end, end + ms
            ms = round(end, -1) - round(start, -1)
            if before is None:
                file.write(_header(*(side * scale for side in frame.shape), settings.encode()))
            file.write(_frame(frame, before, ms, scale))
            before = frame
        file.write(b";")


def _header(height: int, width: int, comment: bytes) -> bytes:
    """Size, the 256 greys, endless loop, comment (GIF89a specification, sections 17-19, 24, 26)."""
    screen = pack("<HHBBB", width, height, 0b1_111_0_111, 0, 0)
    greys = np.arange(256, dtype=np.uint8).repeat(3).tobytes()
    loop = b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0"
    blocks = (comment[i : i + 255] for i in range(0, len(comment), 255))
    text = b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"
    return b"GIF89a" + screen + greys + loop + text


def _frame(frame: np.ndarray, before: np.ndarray | None, ms: int, scale: int) -> bytes:
    """Encode the rectangle in which a frame differs from the one before, found before enlarging."""
    changed = np.ones(frame.shape, bool) if before is None else frame != before
    if not changed.any():  # an equal frame still takes time, and a frame needs a pixel
        changed, scale = np.zeros_like(changed), 1
        changed[0, 0] = True
    rows, columns = (np.flatnonzero(changed.any(axis=axis)) for axis in (1, 0))
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    patch, changed = frame[box], changed[box]
    # disposal 1: the frame stays, and the next one is drawn over it
    options = {"duration": ms, "disposal": 1}
    needed = np.bincount(patch[changed], minlength=256)
    if not changed.all() and not needed.all():
        # Unchanged pixels are transparent, which nearly always compresses better. The transparent
        # colour is a grey that this frame does not need, so no grey is lost.
        options["transparency"] = clear = int(needed.argmin())
        patch = np.where(changed, patch, np.uint8(clear))
    corner = int(columns[0]) * scale, int(rows[0]) * scale
    image = Image.fromarray(enlarge(patch, scale))
    return b"".join(GifImagePlugin.getdata(image, corner, **options))
