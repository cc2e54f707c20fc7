"""What may be asked beside a drawing: how the run starts from it, and what of it stays."""

import base64
import binascii
import dataclasses
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ldm_core import InputError, LatentDiffusion
from ldm_core.files.drawings import as_digit, as_mask, read_digit, read_mask
from ldm_core.output.file_settings import picture_text
from ldm_core.output.steps import round_trip_error

from .prompts import PromptRequest, Words
from .requests import Label, Number, Request, described, labels

SIDE = 28
MAX_TEXT = 1_400_000  # characters of a picture: 1 MB in base64; the page sends much less
EMPTY = "Nothing is drawn yet: draw a digit, or choose a picture."
FIRST_STRENGTH = 0.7


@dataclass(frozen=True)
class Text:
    """Text that `check` reads; None where it may be left out."""

    def read(self, text: str) -> str:
        return text

    def nearest(self, value: Any) -> Any:
        return value


@dataclass(frozen=True)
class Picture(Text):
    """A picture of a digit: a file as a data URI, or its 784 greys in base64, as it is stored."""

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str:
        if value is None or value == "":
            raise InputError(EMPTY)
        return picture_text(as_digit(_greys(title, value)))


@dataclass(frozen=True)
class Mask(Text):
    """What of the picture stays: light is kept, dark is drawn anew; None keeps nothing apart."""

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str | None:
        if value is None or value == "":
            return None
        mask = as_mask(_greys(title, value, read_mask))
        if mask.all():
            raise InputError("Nothing is rubbed out yet: rub out what is to be drawn anew.")
        if not mask.any():
            raise InputError("All of the picture is rubbed out: leave a part of it.")
        return picture_text(mask)


@dataclass(frozen=True)
class Strength(Number):
    """From 0, the picture itself, to 1, free of it; None where the start is another."""

    low: float = 0
    high: float = 1
    step: float = 0.05

    def check(self, title: str, value: Any, model: LatentDiffusion) -> float | None:
        return None if value is None else float(super().check(title, value, model))

    def nearest(self, value: float | None) -> float | None:
        return value


@dataclass(frozen=True)
class Shown(Text):
    """What the picture shows: a label, or a prompt where the model knows words."""

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str | None:
        if value is None:
            return None
        if model.vocabulary is None:
            return Label(labels).check(title, value, model)
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        return Words().check(title, text, model)


@dataclass(frozen=True)
class Drawn:
    """The values that a request from a picture has more than one from noise.

    With a mask the picture is completed, with invert it is edited, else it is re-imagined.
    """

    start_from: str = described(
        title="Picture",
        info="The digit to start from.",
        kind=Picture(),
        start=lambda model: "",
        in_line="",
    )
    strength: float | None = described(
        title="Strength",
        info="How much noise the digit gets: 0 keeps it, 1 forgets it.",
        kind=Strength(),
        start=lambda model: None,
        in_line="strength {}",
    )
    mask: str | None = described(
        title="Mask",
        info="Light is kept, dark is drawn anew.",
        kind=Mask(),
        start=lambda model: None,
        in_line="",
    )
    invert: str | None = described(
        title="It shows",
        info="What the digit is now; empty leaves it open.",
        kind=Shown(),
        start=lambda model: None,
        in_line="",
    )

    def settled(self, model: LatentDiffusion) -> Request:
        request = super().settled(model)
        if (self.strength, self.mask, self.invert) == (None, None, None):
            return dataclasses.replace(request, strength=FIRST_STRENGTH)
        return request

    @property
    def way(self) -> str:
        if self.mask is not None:
            return "completed"
        return "re-imagined" if self.invert is None else "edited"

    def settings(self) -> dict[str, Any]:
        """Without what says nothing."""
        said = super().settings()
        own = ("strength", "mask", "invert")
        return {name: value for name, value in said.items() if name not in own or value is not None}

    def line(self) -> str:
        values, said = self.values(), self.settings()
        words = [values[name].words(value) for name, value in said.items() if values[name].in_line]
        return " · ".join([f"a digit {self.way}", *words])

    def remark(self, model: LatentDiffusion) -> str:
        if self.invert is None:
            return ""
        error = round_trip_error(model, self.file_settings(model))
        return f"The round trip is off by {error:.1f} grey levels on average."

    def check_together(self, model: LatentDiffusion) -> None:
        super().check_together(model)
        self.file_settings(model)  # refuses strength beside invert


@dataclass(frozen=True)
class DrawnRequest(Drawn, Request):
    """Of a model that knows labels only."""


@dataclass(frozen=True)
class DrawnPromptRequest(Drawn, PromptRequest):
    """Of a model that knows words."""


def asks_of(model: LatentDiffusion) -> type[Request]:
    """What may be asked of this model beside a picture."""
    return DrawnPromptRequest if model.vocabulary else DrawnRequest


def seen(model: LatentDiffusion, given: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """A picture as MNIST would have it uint8 (28, 28), its latent float (4, 8, 8), what the VAE
    makes of that uint8 (28, 28), and the mean distance of the two pictures in grey levels.

    given: as `Picture` takes it; raises InputError.
    """
    digit = _greys("Picture", Picture().check("Picture", given, model))
    latent = model.encode(torch.from_numpy(digit.copy())[None])
    back = model.decode(latent)[0].cpu().numpy()
    error = float(np.abs(back.astype(float) - digit).mean())
    return digit, latent[0].cpu().numpy(), back, error


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


def given_by_page(
    asks: type[Request], model: LatentDiffusion, names: Sequence[str], values: Sequence[Any]
) -> Request:
    """The request for what stands on the tab: easel, way, and the controls called names, in order.

    Raises InputError.
    """
    easel, way, *rest = values
    easel = easel if isinstance(easel, Mapping) else {}
    given = dict(zip(names, rest, strict=True)) | {"start_from": easel.get("digit")}
    strength, invert = given.pop("strength"), given.pop("invert")
    if way == "complete":
        # One that is not there yet would be a picture that is to be re-imagined.
        given["mask"] = easel.get("mask") or picture_text(np.ones((SIDE, SIDE), bool))
    elif way == "edit":
        given |= {"invert": invert, "sampler": "ddim"}  # it is what inversion undoes
    else:
        given["strength"] = strength
    if "prompt" in given:
        *_, nothing = labels(model)
        given["label"] = None if given["prompt"] else nothing
    return asks.check(model, given)
