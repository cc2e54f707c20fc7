"""What a file is that is not what was expected, told by its first bytes."""

from pathlib import Path

HEAD_BYTES = 512  # enough for all beginnings below
HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
BEGINNINGS = (
    (b"version https://git-lfs", "a Git LFS pointer: run `git lfs pull`"),
    (b"\x1f\x8b", "a gzip file"),
    (b"PK\x03\x04", "a ZIP file"),
    (b"%PDF", "a PDF"),
    (b"%!PS", "a PostScript file"),
    (b"8BPS", "a Photoshop file"),
    (b"\0\0\1\0", "an icon"),  # these hold several pictures, with masks of their own
    (b"icns", "an icon"),
    (b"SIMPLE  =", "a FITS file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"DDS ", "a DDS texture"),
    (b"\xff\x0a", "a JPEG XL picture"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (b"\x93NUMPY", "a NumPy array"),
)


def describe_file(path: Path) -> str:
    """What a file looks like: "an HTML page", or "" where nobody can tell."""
    with open(path, "rb") as file:
        return describe_bytes(file.read(HEAD_BYTES))


def describe_bytes(head: bytes) -> str:
    """The same of a file's first bytes."""
    if not head:
        return "empty"
    for beginning, what in BEGINNINGS:
        if head.startswith(beginning):
            return what
    if head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS:
        return "an HEIC picture"
    if head[4:12] == b"ftypavif":
        return "an AVIF picture"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "an HTML page"
    if b"<svg" in text:
        return "an SVG drawing"
    return ""


def printable(text: object) -> str:
    """text with everything escaped that a terminal cannot print: file names may hold any bytes."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in str(text)
    )
