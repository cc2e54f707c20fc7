"""Settings inside files: JSON, in the place where each format keeps a comment."""

import json
import zipfile
from pathlib import Path
from struct import unpack_from
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..checks import InputError

PNG_KEYWORD = "Comment"
EXIF_DESCRIPTION = 0x010E  # the EXIF field ImageDescription, which holds a WebP's settings
MP4_COMMENT = (b"moov", b"udta", b"meta", b"ilst", b"\xa9cmt", b"data")  # boxes within boxes


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
                key = {"GIF": "comment", "PNG": PNG_KEYWORD}.get(image.format)
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
    """The comment of an MP4 file, which neither Pillow nor imageio reads (ISO 14496-12: a box is
    its size, its name, its content)."""
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
