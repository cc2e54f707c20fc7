"""Settings inside files: JSON in the comment of each format."""

import json
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..checks import InputError, check_installed

PNG_KEYWORD = "Comment"
KINDS = ("GIF", "PNG", "WEBP")  # the formats of ours that Pillow reads
EXIF_DESCRIPTION = 0x010E  # the EXIF field ImageDescription, which holds a WebP's settings
MP4_COMMENT = "\xa9cmt"
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
    # The prefix belongs to JPEG; in an animation, Pillow would not remove it.
    return exif.tobytes().removeprefix(b"Exif\0\0")


def read_settings(path: str | Path) -> dict[str, Any]:
    """Read the settings from any file that this package writes; its ending does not matter.

    Raises InputError for a file that holds none, OSError for one that cannot be read.
    """
    with Path(path).open("rb") as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow warns of damaged files; an error is enough
                settings = json.loads(_stored_text(file))
                if not isinstance(settings, dict):
                    raise ValueError("not settings")
                return settings
        except InputError:  # a package is missing
            raise
        except Exception as error:  # damaged bytes raise all kinds in Pillow, mutagen and zipfile
            raise InputError(f"{path} {NOT_OURS}") from error


def _stored_text(file: BinaryIO) -> str | bytes:
    """The comment of a file, found by its format."""
    start = file.read(12)
    file.seek(0)
    if start.startswith(b"PK"):
        with np.load(file, allow_pickle=False) as arrays:
            return str(arrays["settings"])
    if start[4:8] == b"ftyp":
        check_installed("mutagen", "Reading the settings of an MP4")
        from mutagen.mp4 import MP4

        return MP4(file).tags[MP4_COMMENT][0]
    with Image.open(file, formats=KINDS) as image:
        key = {"GIF": "comment", "PNG": PNG_KEYWORD}.get(image.format)
        return image.info[key] if key else image.getexif()[EXIF_DESCRIPTION]
