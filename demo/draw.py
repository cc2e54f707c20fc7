"""Pictures that people draw or choose: how requests hold them, and what the VAE makes of them."""

import base64
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from ldm_core import InputError, LatentDiffusion
from ldm_core.files.drawings import Drawing, as_mask, digit_in, read_drawing, read_mask
from ldm_core.output.file_settings import picture_text, read_picture_text
from ldm_core.output.views import latent_greys

from .values import Kind

MAX_TEXT = 1_400_000  # characters of a picture: 1 MB in base64; the page sends much less
EMPTY = "Nothing is drawn yet: draw a digit, or choose a picture."

T = TypeVar("T")


@dataclass(frozen=True)
class Picture(Kind):
    """A picture of a digit: a file as a data URI, or its 784 greys in base64."""

    word = "picture"
    allowed = "an image file of 1 MB at most as a data URI, or 784 greys of 8 bits in base64"

    def check(self, title: str, value: Any) -> str:
        return picture_text(_drawing(title, value).digit)


@dataclass(frozen=True)
class Mask(Kind):
    """White is kept, black is redrawn."""

    word = "mask"
    allowed = "a picture of 28 x 28 pixels, or a whole multiple of that"

    def check(self, title: str, value: Any) -> str:
        mask = _read(title, value, read_mask, as_mask)
        if mask.all():
            raise InputError("Nothing is rubbed out yet: rub out the part to be redrawn.")
        if not mask.any():
            raise InputError("All of the picture is rubbed out: leave a part of it.")
        return picture_text(mask)


def look(model: LatentDiffusion, picture: Any) -> dict[str, Any]:
    """What the VAE makes of a picture, in greys: the digit as MNIST would have it, its latent, that
    decoded, the mean distance of the two pictures in grey levels, and what was left out, in words.

    picture: as `Picture` takes it; raises InputError.
    """
    digit, note = _drawing("Picture", picture)
    latent = model.encode(torch.from_numpy(digit.copy())[None])
    back = model.decode(latent)[0].cpu().numpy()
    error = float(np.abs(back.astype(float) - digit).mean())
    greys = latent_greys(latent[0].cpu().numpy())
    pictures = {"digit": digit, "latent": greys, "back": back}
    texts = {name: picture_text(picture) for name, picture in pictures.items()}
    return texts | {"error": round(error, 1), "note": note}


def _drawing(title: str, value: Any) -> Drawing:
    if value is None or value == "":
        raise InputError(EMPTY)
    return _read(title, value, read_drawing, digit_in)


def _read(
    title: str, value: Any, of_file: Callable[[Path], T], of_greys: Callable[[np.ndarray], T]
) -> T:
    """Read a picture in a text: a file, or greys (28, 28). Raises InputError."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise InputError(f"{title} must be text of at most {MAX_TEXT:,} characters.")
    if not value.startswith("data:"):
        return of_greys(read_picture_text(title, value))
    try:
        content = base64.b64decode(value.partition(",")[2], validate=True)
    except ValueError as error:
        raise InputError(f"{title} must be a picture in base64, such as a data URI.") from error
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(content)
        try:
            return of_file(path)
        except InputError as error:
            said = str(error).removeprefix(str(path))
            raise InputError(said[2:] if said.startswith(": ") else f"The file{said}") from error
