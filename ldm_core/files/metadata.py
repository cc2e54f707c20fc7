"""Settings inside files: JSON, in the place where each format keeps a comment."""

import io
import json
import warnings
import zipfile
from pathlib import Path
from struct import unpack
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..checks import InputError

PNG_KEYWORD = "Comment"
KINDS = ("GIF", "PNG", "WEBP")  # that Pillow reads for us; it knows others, which are not ours
EXIF_DESCRIPTION = 0x010E  # the EXIF field ImageDescription, which holds a WebP's settings
MP4_COMMENT = (b"moov", b"udta", b"meta", b"ilst", b"\xa9cmt", b"data")  # boxes within boxes

MAX_BYTES = 2**20  # of stored settings; ours take less than a thousandth of that
MAX_BOXES = 10_000  # to look at in an MP4 file, on each level
NOT_OURS = "holds no settings: it is damaged, or was not written by this program."


def png_comment(settings: str) -> PngInfo:
    """For Pillow's writer of PNG and APNG."""
    chunks = PngInfo()
    chunks.add_text(PNG_KEYWORD, settings)
    return chunks


def webp_exif(settings: str) -> bytes:
    """For Pillow's writer of WebP."""
    exif = Image.Exif()
    exif[EXIF_DESCRIPTION] = settings
    # The prefix belongs to JPEG; of an animation, Pillow would not take it off.
    return exif.tobytes().removeprefix(b"Exif\0\0")


def read_settings(path: str | Path) -> dict[str, Any]:
    """The settings stored in any file that this package writes, whatever its name.

    Raises InputError for a file that holds none, OSError for one that cannot be read.
    """
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe, say, might keep us waiting for ever
        raise InputError(f"{path} is not a file.")
    with path.open("rb") as file:
        return settings_in(file, str(path))


def settings_in(file: BinaryIO, name: str) -> dict[str, Any]:
    """`read_settings` of an open file; errors call it by this name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's, of damaged files: ours says it all
            settings = json.loads(_stored_text(file))
    except Exception as error:  # what damaged bytes raise in Pillow and zipfile has no end
        raise InputError(f"{name} {NOT_OURS}") from error
    if not isinstance(settings, dict):
        raise InputError(f"{name} {NOT_OURS}")
    return settings


def _stored_text(file: BinaryIO) -> str | bytes:
    """The text in the place where the format of a file keeps settings."""
    start = file.read(12)
    file.seek(0)
    if start.startswith(b"PK"):
        return _npz_text(file)
    if start[4:8] == b"ftyp":
        return _mp4_comment(file)
    with Image.open(file, formats=KINDS) as image:
        key = {"GIF": "comment", "PNG": PNG_KEYWORD}.get(image.format)
        return image.info[key] if key else image.getexif()[EXIF_DESCRIPTION]


def _npz_text(file: BinaryIO) -> str:
    """The array `settings`, a text. Its size is checked first: a damaged one may claim any."""
    with zipfile.ZipFile(file) as archive:
        member = archive.getinfo("settings.npy")
        if member.file_size > MAX_BYTES:
            raise ValueError("too long")
        array = io.BytesIO(archive.read(member))
    major, _ = np.lib.format.read_magic(array)
    read_header = {
        1: np.lib.format.read_array_header_1_0,
        2: np.lib.format.read_array_header_2_0,
    }[major]
    shape, _, dtype = read_header(array)
    if shape != () or dtype.kind != "U" or dtype.itemsize > MAX_BYTES:
        raise ValueError("not a text")
    return str(np.frombuffer(array.read(), dtype, count=1)[0])


def _mp4_comment(file: BinaryIO) -> bytes:
    """The comment of an MP4 file, which neither Pillow nor imageio reads (ISO 14496-12: a box is
    its size, its name, its content)."""
    at, end = 0, file.seek(0, io.SEEK_END)
    for name in MP4_COMMENT:
        for _ in range(MAX_BOXES):
            file.seek(at)
            size, found = unpack(">I4s", file.read(8))
            header = 8
            if size == 1:  # the size is in the next 8 bytes
                (size,), header = unpack(">Q", file.read(8)), 16
            size = size or end - at  # 0: up to the end
            if size < header or at + size > end:
                raise ValueError("a box of an impossible size")
            if found == name:
                break
            at += size
        else:
            raise KeyError(name)
        at, end = at + header, at + size
        # before what is inside: a version; the type and the language of a text
        at += {b"meta": 4, b"data": 8}.get(name, 0)
    if end - at > MAX_BYTES:
        raise ValueError("too long")
    file.seek(at)
    return file.read(end - at)
