"""Read picture files as greys of 8 bits."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ..checks import InputError
from ..config import PICTURE_SIDE

# Formats that Pillow is known to convert correctly. It reads more, some of them wrongly.
FORMATS = ("PNG", "JPEG", "MPO", "WEBP", "AVIF", "GIF", "BMP")
SEVERAL = ("PNG", "WEBP", "AVIF", "GIF")  # the second picture of an MPO is a thumbnail
ENOUGH = 4 * PICTURE_SIDE  # pixels a side


class PictureError(InputError):
    """A file is not a picture that is read here; the message is a short reason."""


def read_grey(path: Path, *, full_size: bool = True) -> np.ndarray:
    """uint8 (H, W) of a picture file; options and errors as for `read_picture`.

    Transparent areas become black or white, opposite to the drawing.
    """
    image = read_picture(path, full_size=full_size)
    if image.mode == "L":
        return np.asarray(image)
    # In whole numbers: of a large picture, floats would take gigabytes.
    grey, alpha = (np.asarray(channel, np.uint16) for channel in image.split())
    shown = grey * alpha
    if not alpha.any() or 2 * shown.sum(dtype=int) < 255 * alpha.sum(dtype=int):
        shown += 255 * (255 - alpha)
    return ((shown + 127) // 255).astype(np.uint8)


def read_picture(path: Path, *, full_size: bool = True) -> Image.Image:
    """Decode a picture file, turned as its EXIF says: an image of mode L, or LA where it has
    transparency.

    full_size: False allows a large JPEG to be read smaller, with at least ENOUGH pixels a side,
    which is faster. Raises PictureError, also for a file of several pictures, and OSError where the
    file cannot be opened.
    """
    with open(path, "rb") as file:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                Image.init()
                image = Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
            count = getattr(image, "n_frames", 1) if image.format in SEVERAL else 1
            if count > 1:
                raise PictureError(f"it holds {count} pictures: save one of them")
            return _decoded(image, full_size)
        except PictureError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise PictureError(f"more than {Image.MAX_IMAGE_PIXELS or 0:,} pixels") from error
        except UnidentifiedImageError as error:
            raise PictureError("no picture of a format that is read here") from error
        except Exception as error:  # Pillow may raise anything for a damaged file
            raise PictureError(f"damaged: {' '.join(str(error).split())[:80]}") from error


def _decoded(image: Image.Image, full_size: bool) -> Image.Image:
    # Of 16 bits, Pillow keeps the highest 8. Cameras use 12 or 14, and no file says so.
    if image.mode[0] in "IF" or (image.tile and ";16" in str(image.tile[0].args)):
        raise PictureError("more than 8 bits: save it with 8 bits")
    if not full_size:
        image.draft("L", (ENOUGH, ENOUGH))
    if image.format == "PNG" and "transparency" in image.info and image.tile:
        # Pillow widens greys of 2 and 4 bits to 8, but not the one that is transparent.
        image.info["transparency"] *= {"L;2": 85, "L;4": 17}.get(image.tile[0].args, 1)
    image = ImageOps.exif_transpose(image)
    if not image.has_transparency_data:
        return image.convert("L")
    if image.mode == "RGBA":
        return Image.merge("LA", (image.convert("L"), image.getchannel("A")))
    return image.convert("LA")
