"""Requests that start from a picture, and what the VAE makes of it."""

import base64
import binascii
import dataclasses
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ldm_core import InputError, LatentDiffusion
from ldm_core.files.drawings import as_digit, as_mask, read_digit, read_mask
from ldm_core.output.file_settings import picture_text
from ldm_core.output.steps import round_trip_error
from ldm_core.output.views import latent_greys

from .request import Label, PromptRequest, Request, labels
from .values import Kind, Number, Words, described

SIDE = 28
MAX_TEXT = 1_400_000  # characters of a picture: 1 MB in base64; the page sends much less
EMPTY = "Nothing is drawn yet: draw a digit, or choose a picture."
FIRST_STRENGTH = 0.7


@dataclass(frozen=True)
class Picture(Kind):
    """A picture of a digit: a file as a data URI, or its 784 greys in base64."""

    word = "picture"

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str:
        if value is None or value == "":
            raise InputError(EMPTY)
        return picture_text(as_digit(_greys(title, value)))


@dataclass(frozen=True)
class Mask(Kind):
    """White is kept, black is redrawn; None means no mask."""

    word = "mask"

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str | None:
        if value is None or value == "":
            return None
        mask = as_mask(_greys(title, value, read_mask))
        if mask.all():
            raise InputError("Nothing is rubbed out yet: rub out the part to be redrawn.")
        if not mask.any():
            raise InputError("All of the picture is rubbed out: leave a part of it.")
        return picture_text(mask)


@dataclass(frozen=True)
class Shown(Kind):
    """What the picture shows: a label, or a prompt where the model knows words."""

    word = "shown"

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str | None:
        if value is None:
            return None
        if model.vocabulary is None:
            return Label(labels).check(title, value, model)
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        return Words().check(title, text, model)


@dataclass(frozen=True)
class _Drawn:
    """The Draw tab's extra values: picture, strength, mask, inversion.

    With a mask the picture is completed, with invert it is edited, else it is re-imagined.
    """

    start_from: str = described(
        title="Picture", info="The digit to start from.", kind=Picture(), start=lambda model: ""
    )
    strength: float | None = described(
        title="Strength",
        info="How much noise the digit gets: 0 keeps it, 1 forgets it.",
        kind=Number(0, 1, step=0.05),
        start=lambda model: None,
        in_line="strength {}",
    )
    mask: str | None = described(
        title="Mask",
        info="White is kept, black is redrawn.",
        kind=Mask(),
        start=lambda model: None,
    )
    invert: str | None = described(
        title="It shows",
        info="What the digit is now; empty leaves it open.",
        kind=Shown(),
        start=lambda model: None,
    )

    def settled(self, model: LatentDiffusion) -> Request:
        request = super().settled(model)
        if (self.strength, self.mask, self.invert) == (None, None, None):
            return dataclasses.replace(request, strength=FIRST_STRENGTH)
        return request

    def settings(self) -> dict[str, Any]:
        """Without what says nothing."""
        own = ("strength", "mask", "invert")
        return {n: v for n, v in super().settings().items() if n not in own or v is not None}

    def line(self) -> str:
        way = "completed" if self.mask else "re-imagined" if self.invert is None else "edited"
        return f"a digit {way} · {super().line()}"


@dataclass(frozen=True)
class DrawRequest(_Drawn, Request):
    """A request from a picture to a model that knows labels only."""


@dataclass(frozen=True)
class DrawPromptRequest(_Drawn, PromptRequest):
    """A request from a picture to a model that knows words."""


def draw_request_type(model: LatentDiffusion) -> type[Request]:
    """What may be asked of this model beside a picture."""
    return DrawPromptRequest if model.vocabulary else DrawRequest


def remark(model: LatentDiffusion, request: Request) -> str:
    """What there is to say when the run is over."""
    if getattr(request, "invert", None) is None:
        return ""
    error = round_trip_error(model, request.file)
    return f"The round trip is off by {error:.1f} grey levels on average."


def look(model: LatentDiffusion, picture: Any) -> dict[str, Any]:
    """What the VAE makes of a picture, in greys: the digit as MNIST would have it, its latent, that
    decoded, and the mean distance of the two pictures in grey levels.

    picture: as `Picture` takes it; raises InputError.
    """
    text = Picture().check("Picture", picture, model)
    digit = _greys("Picture", text)
    latent = model.encode(torch.from_numpy(digit.copy())[None])
    back = model.decode(latent)[0].cpu().numpy()
    error = float(np.abs(back.astype(float) - digit).mean())
    greys = latent_greys(latent[0].cpu().numpy())
    texts = {"digit": text, "latent": picture_text(greys), "back": picture_text(back)}
    return texts | {"error": round(error, 1)}


def _greys(title: str, value: Any, read: Callable[[Path], np.ndarray] = read_digit) -> np.ndarray:
    """(28, 28) of a picture in a text, of a file as `read` reads it. Raises InputError."""
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise InputError(f"{title} must be text of at most {MAX_TEXT:,} characters.")
    head, text = re.fullmatch(r"(data:[^,]{0,100},)?(.*)", value, re.DOTALL).groups()
    try:
        content = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error) as error:
        raise InputError(f"{title} must be a picture in base64, such as a data URI.") from error
    if head:
        return _read(content, read)
    if len(content) != SIDE * SIDE:
        raise InputError(f"{title} must be {SIDE} x {SIDE} greys, or a data URI.")
    return np.frombuffer(content, np.uint8).reshape(SIDE, SIDE)


def _read(content: bytes, read: Callable[[Path], np.ndarray]) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture"
        path.write_bytes(content)
        try:
            greys = read(path)
        except InputError as error:
            said = str(error).removeprefix(str(path))
            said = said[2:] if said.startswith(": ") else f"The file{said}"
            raise InputError(said) from error
    return greys * np.uint8(255) if greys.dtype == bool else greys
