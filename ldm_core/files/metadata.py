"""Settings inside files: JSON in the comment of each format."""

import io
import json
import warnings
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from ..checks import InputError

PNG_KEYWORD = "Comment"
KINDS = ("GIF", "PNG", "WEBP")  # the formats of ours that Pillow reads
EXIF_DESCRIPTION = 0x010E  # the EXIF field ImageDescription, which holds a WebP's settings
MP4_COMMENT = "\xa9cmt"

MAX_BYTES = 2**20  # of stored settings; ours take less than a thousandth of that
MAX_READS = 10_000  # of an MP4 file
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
    path = Path(path)
    if path.exists() and not path.is_file():  # a pipe, for example, could make us wait for ever
        raise InputError(f"{path} is not a file.")
    with path.open("rb") as file:
        return settings_in(file, str(path))


def settings_in(file: BinaryIO, name: str) -> dict[str, Any]:
    """`read_settings` of an open file; errors call it by this name."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns of damaged files; one error is enough
            settings = json.loads(_stored_text(file))
            if not isinstance(settings, dict):
                raise ValueError("not settings")
            return settings
    except InputError:  # a package is missing
        raise
    except Exception as error:  # damaged bytes raise all kinds in Pillow, mutagen and zipfile
        raise InputError(f"{name} {NOT_OURS}") from error


def _stored_text(file: BinaryIO) -> str | bytes:
    """The comment of a file, found by its format."""
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
    with zipfile.ZipFile(file) as archive:
        member = archive.getinfo("settings.npy")
        if member.file_size > MAX_BYTES:
            raise ValueError("too long")
        return str(np.load(io.BytesIO(archive.read(member)), allow_pickle=False))


def _mp4_comment(file: BinaryIO) -> str:
    try:
        from mutagen.mp4 import MP4
    except ImportError as error:
        raise InputError(
            "Reading the settings of an MP4 needs the package mutagen. Install it with: "
            "pip install mutagen"
        ) from error
    return MP4(_Limited(file)).tags[MP4_COMMENT][0]


class _Limited:
    """A file with a limit on reading: mutagen would visit millions of empty boxes, and read as
    many bytes as a damaged size says."""

    def __init__(self, file: BinaryIO):
        self.file, self.reads = file, 0
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = MAX_BYTES) -> bytes:
        self.reads += 1
        if self.reads > MAX_READS or not 0 <= size <= MAX_BYTES:
            raise ValueError("too much to read")
        return self.file.read(size)
