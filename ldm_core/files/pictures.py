"""Pictures: laid out, enlarged, and written with their settings, whole or not at all.

Settings are one JSON object, in the place where each format keeps a comment.
"""

import json
import math
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from struct import pack, unpack_from
from typing import Any

import numpy as np
from PIL import Image

from ..checks import InputError, check_whole
from ..config import PICTURE_SIDE
from .whole_file import whole_file

GAP = 2  # pixels between the pictures of a grid; even, like the pictures, as video wants its sides
MAX_SCALE = 64
MAX_SIDE = 8192  # pixels of an enlarged picture: every format and any memory can hold that
EXIF_DESCRIPTION = 0x010E  # the EXIF field ImageDescription, which holds a WebP's settings
MP4_COMMENT = (b"moov", b"udta", b"meta", b"ilst", b"\xa9cmt", b"data")  # boxes within boxes


def grid_columns(count: int, n_labels: int, views: int = 1) -> int:
    """How many of count images, each with so many views side by side, to put in a row.

    So that labels which take turns stay in their columns, or nearly so; the grid is about square,
    rather wide than high; and few places are empty.
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
    """uint8 (N, 28, 28) -> one picture, in rows of `columns`; black between and where none is."""
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
    pixels = enlarge(picture, scale)
    with whole_file(path) as partial, partial.open("wb") as file:
        file.write(png_header(*pixels.shape) + png_comment(json.dumps(settings)))
        file.write(png_chunk(b"IDAT", png_pixels(pixels)) + png_chunk(b"IEND"))


def png_chunk(name: bytes, data: bytes = b"") -> bytes:
    return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))


def png_header(height: int, width: int) -> bytes:
    """The signature, and the size of a picture of 8-bit greys."""
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def png_comment(text: str) -> bytes:
    return png_chunk(b"tEXt", b"Comment\0" + text.encode("latin-1"))


def png_pixels(pixels: np.ndarray) -> bytes:
    """Greys uint8 (H, W), filtered and compressed (PNG specification, sections 9 and 10).

    For enlarged pictures: a row like the one above it becomes zeros (filter 2), others stay as they
    are, and the compressor is told to look for runs alone, in which it finds more than by itself.
    """
    like_above = np.zeros(len(pixels), bool)
    like_above[1:] = (pixels[1:] == pixels[:-1]).all(axis=1)
    rows = np.empty((len(pixels), pixels.shape[1] + 1), np.uint8)
    rows[:, 0] = np.where(like_above, 2, 0)
    rows[:, 1:] = np.where(like_above[:, None], 0, pixels)
    compressor = zlib.compressobj(9, strategy=zlib.Z_RLE)
    return compressor.compress(rows.tobytes()) + compressor.flush()


def write_npz(
    path: str | Path,
    images: Iterable[np.ndarray],
    *,
    labels: np.ndarray,
    seeds: np.ndarray,
    settings: Mapping[str, Any],
) -> None:
    """Write images, batches of uint8 (B, 28, 28) with len(labels) images in all, as they come.

    The file is what `np.savez_compressed` writes, with `images`, `labels`, `seeds` and `settings`
    (a JSON string), but a batch is all that is held in memory.
    """
    header = {
        "descr": "|u1",
        "fortran_order": False,
        "shape": (len(labels), PICTURE_SIDE, PICTURE_SIDE),
    }
    arrays = {"labels": labels, "seeds": seeds, "settings": np.array(json.dumps(settings))}
    with whole_file(path) as partial, zipfile.ZipFile(partial, "w") as archive:
        with _npz_member(archive, "images") as member:
            np.lib.format.write_array_header_1_0(member, header)
            for batch in images:
                member.write(batch.tobytes())
        for name, array in arrays.items():
            with _npz_member(archive, name) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)


def _npz_member(archive: zipfile.ZipFile, name: str):
    info = zipfile.ZipInfo(f"{name}.npy")  # with no time, so that the same again is the same bytes
    info.compress_type = zipfile.ZIP_DEFLATED
    return archive.open(info, "w", force_zip64=True)


def read_settings(path: str | Path) -> dict[str, Any]:
    """The settings stored in any file that this package writes, whatever its name.

    Raises InputError for a file that holds none, OSError for one that cannot be read.
    """
    with open(path, "rb") as file:
        start = file.read(12)
    try:
        if start.startswith(b"PK"):
            with np.load(path) as arrays:
                text = str(arrays["settings"])
        elif start[4:8] == b"ftyp":
            text = _mp4_comment(Path(path).read_bytes())
        else:
            with Image.open(path) as image:
                key = {"GIF": "comment", "PNG": "Comment"}.get(image.format)
                text = image.info[key] if key else image.getexif()[EXIF_DESCRIPTION]
        settings = json.loads(text)
        if not isinstance(settings, dict):
            raise InputError("not a JSON object")
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} holds no settings: it is damaged, or was not written by this program."
        ) from error
    return settings


def _mp4_comment(data: bytes) -> bytes:
    """The comment of an MP4 file (ISO 14496-12: a box is its size, its name, its content)."""
    at, end = 0, len(data)
    for name in MP4_COMMENT:
        while True:
            if at + 8 > end:
                raise KeyError(name)
            size, found = unpack_from(">I4s", data, at)
            if found == name:
                break
            at += max(size, 8)
        at, end = at + 8, at + size
        # before what is inside: a version; the type and the language of a text
        at += {b"meta": 4, b"data": 8}.get(name, 0)
    return data[at:end]
