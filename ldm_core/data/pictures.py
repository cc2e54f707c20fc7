"""One picture file to greys of 8 bits, whatever its format, colours and depth."""

import functools
import re
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..config import PICTURE_SIDE
from .file_kinds import describe_file
from .ranges import Ranges, Values

# Formats that Pillow is known to convert rightly. It reads more: some without a mark by which to
# know them, some by starting other programs, some (icons, LAB) with wrong results.
FORMATS = (
    *("PNG", "JPEG", "MPO", "WEBP", "AVIF", "GIF", "BMP", "DIB", "TIFF", "JPEG2000", "PPM"),
    *("TGA", "PCX", "SGI", "QOI", "XBM"),
)
ANIMATED = ("GIF", "PNG", "WEBP", "AVIF", "TIFF")  # a second picture of an MPO is a thumbnail
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr")
# Tags of TIFF
BITS, COMPRESSION, PHOTOMETRIC, SAMPLE_FORMAT = 258, 259, 262, 339
LOWEST, HIGHEST = (340, 280), (341, 281)  # typed, else of whole numbers
WHITE_IS_ZERO, YCBCR, UNCOMPRESSED, SIGNED = 0, 6, 1, 2


class PictureError(Exception):
    """A file cannot become a picture; the message is a short reason."""


class Picture(NamedTuple):
    """What a file holds: uint8 (H, W) greys, or values whose range is for `Ranges` to find."""

    greys: np.ndarray | None
    values: Values | None
    first_of_several: bool


def read_grey(path: Path, ranges: Ranges | None = None) -> np.ndarray:
    """uint8 (H, W): turned as its EXIF says; what is transparent becomes the contrary of the rest.

    ranges knows what is black and white in a data set of deeper pictures; without it, the file
    speaks for itself. Raises PictureError or whatever Pillow does for a file that it cannot read,
    InputError where it stays unclear what is black and what is white.
    """
    return to_grey(read_picture(path), ranges or Ranges([path], read_values))


def to_grey(picture: Picture, ranges: Ranges) -> np.ndarray:
    """uint8 (H, W) of a picture that was read."""
    if picture.greys is not None:
        return picture.greys
    values = picture.values
    low, high = ranges.of(values)
    grey = (values.array.astype(float) - low) * (255 / (high - low))
    if values.white_is_zero:
        grey = 255 - grey
    if values.alpha is not None:
        grey = on_contrary(grey, values.alpha)
    return grey.round().astype(np.uint8)


def read_values(path: Path) -> Values | None:
    """The values of a picture deeper than 8 bits; None for every other, which is not decoded."""
    return read_picture(path, deep_only=True).values


def read_picture(path: Path, deep_only: bool = False) -> Picture:
    """Open, turn and decode a file, the first picture where it holds several."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        image = Image.open(path, formats=readable_formats())
    with image:
        several = image.format in ANIMATED and getattr(image, "is_animated", False)
        check_colours(image)
        grey_depth = image.mode.startswith("I") or image.mode == "F"
        high_bytes = not grey_depth and has_high_bytes_only(image)
        if not (grey_depth or high_bytes) and deep_only:
            return Picture(None, None, several)
        # Of large JPEGs no more is decoded than is needed.
        image.draft("L", (4 * PICTURE_SIDE, 4 * PICTURE_SIDE))
        about = {} if not grey_depth else what_is_declared(image)
        repair_transparency(image)
        turned = ImageOps.exif_transpose(image)
    if grey_depth:
        return Picture(None, deep_values(turned, about), several)
    greys = to_8_bits(turned)
    if not high_bytes:
        return Picture(greys, None, several)
    # Pillow keeps the high byte only: right where all 16 bits are used, and nowhere else.
    colours = [c for c in turned.getbands() if c != "A"]
    highest = max(turned.getchannel(c).getextrema()[1] for c in colours)
    kind = f"{image.format} pictures with colours of 16 bits"
    values = Values(greys.astype(np.uint16) * 257, kind, 65535, highest=highest * 257, cut=True)
    return Picture(None, values, several)


@functools.cache
def readable_formats() -> list[str]:
    """Those of FORMATS that this Pillow was built with."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def check_colours(image: Image.Image) -> None:
    """Raise PictureError for what Pillow opens and then converts wrongly."""
    tags = getattr(image, "tag_v2", {})
    if tags.get(PHOTOMETRIC) == YCBCR and tags.get(COMPRESSION) == UNCOMPRESSED:
        raise PictureError("YCbCr colours without compression: save it as RGB")
    if SIGNED in tags.get(SAMPLE_FORMAT, ()) and 8 in tags.get(BITS, ()):
        raise PictureError("signed numbers of 8 bits: save it without a sign")
    if image.mode not in MODES and not image.mode.startswith("I") and image.mode != "F":
        raise PictureError(f"{image.mode} colours: save it as RGB")
    if has_high_bytes_only(image) and "transparency" in image.info:
        raise PictureError("colours of 16 bits with a transparent one: save it with 8 bits")


def has_high_bytes_only(image: Image.Image) -> bool:
    """Whether Pillow will cut colours of 16 bits to 8; to be asked before it decodes."""
    if not image.tile:
        return False
    codec, _, _, arguments = image.tile[0]
    arguments = arguments if isinstance(arguments, tuple) else (arguments,)
    if image.mode.startswith("I"):
        return False
    plain_map = image.format == "PPM" and arguments[-1] == 65535
    packed = any(isinstance(a, str) and re.search(r";16[BLN]$", a) for a in arguments)
    return packed or plain_map or codec == "SGI16"


def what_is_declared(image: Image.Image) -> dict:
    """What a file of deep greys says of its values, as arguments of `Values`."""
    tags = getattr(image, "tag_v2", {})
    about = {
        "white_is_zero": tags.get(PHOTOMETRIC) == WHITE_IS_ZERO,
        "signed": SIGNED in tags.get(SAMPLE_FORMAT, ()),
    }
    if image.mode == "F":
        about |= {"kind": f"{image.format} pictures of floating-point numbers", "top": None}
    elif image.format == "PPM" and image.tile[0].args not in ("I;16B", ("L", 65535)):
        # Pillow has stretched them: the file says what its highest value is. Where that is 65535
        # it may be the depth of the numbers only, as in other formats.
        about |= {"kind": "PGM pictures", "top": 65535, "fixed": True}
    else:
        bits = tags.get(BITS, (16,))[0]
        top = 2 ** (bits - about["signed"]) - 1
        about |= {"kind": f"{image.format} pictures of {bits} bits", "top": top}
        about["fixed"] = bits == 12
    lows, highs = ([tags[t] for t in names if t in tags] for names in (LOWEST, HIGHEST))
    if highs:
        about["claim"] = tuple(float(np.max(x[0])) for x in (lows or [0], highs))
    elif image.format == "PNG" and (bits := significant_bits(image.filename)):
        about["claim"] = (0.0, 2.0**bits - 1)
    return about


def significant_bits(path: Path | str) -> int | None:
    """What the sBIT chunk of a PNG of greys says; Pillow passes it over."""
    with open(path, "rb") as file:
        file.seek(8)
        while len(header := file.read(8)) == 8 and header[4:] != b"IDAT":
            if header[4:] == b"sBIT":
                return file.read(1)[0]
            file.seek(int.from_bytes(header[:4], "big") + 4, 1)
    return None


def deep_values(image: Image.Image, about: dict) -> Values:
    """The numbers of a decoded picture of mode I;16, I or F."""
    array = np.asarray(image)
    signed = about.pop("signed")
    if image.mode == "I" and not signed:
        array = array.view(np.uint32)  # Pillow takes them for signed ones
    if not np.isfinite(array).all():
        raise PictureError("values that are not finite")
    clear = image.info.get("transparency")
    alpha = None if not isinstance(clear, int) else (array != clear).astype(float)
    return Values(
        array, lowest=float(array.min()), highest=float(array.max()), alpha=alpha, **about
    )


def repair_transparency(image: Image.Image) -> None:
    """Of a PNG of 2 or 4 bits Pillow widens the greys, but not the one that is transparent."""
    widened = {"L;2": 85, "L;4": 17}
    if image.format == "PNG" and "transparency" in image.info and image.tile:
        image.info["transparency"] *= widened.get(image.tile[0].args, 1)


def to_8_bits(image: Image.Image) -> np.ndarray:
    """uint8 (H, W) of a picture of 8 bits or less."""
    if not image.has_transparency_data:
        return np.asarray(image.convert("L"))
    image = image.convert("LA") if image.mode != "RGBA" else image
    grey = np.asarray(image.convert("L"), float)
    alpha = np.asarray(image.getchannel("A"), float) / 255
    return on_contrary(grey, alpha).round().astype(np.uint8)


def on_contrary(grey: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """What is drawn, light or dark, on the contrary of it."""
    light = (grey * alpha).sum() / max(alpha.sum(), 1e-9)
    background = 255.0 if light < 127.5 else 0.0
    return grey * alpha + background * (1 - alpha)


def reason(path: Path, error: Exception) -> str:
    """Why a file is skipped, in a few words."""
    if isinstance(error, PictureError):
        return str(error)
    if isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
        return f"more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels"
    if isinstance(error, UnidentifiedImageError):
        what = describe_file(path)
        return what or "no picture of a format that is read here"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return f"damaged: {str(error).splitlines()[0][:80]}" if str(error) else "damaged"
