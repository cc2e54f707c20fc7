"""The settings that make a file: checked once, passed on as one value, and stored as flat JSON."""

import base64
import binascii
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from ..checks import (
    InputError,
    brief,
    check_bool,
    check_choice,
    check_float,
    check_text,
    check_whole,
)
from ..config import PICTURE_SIDE, Config, checked
from ..diffusion.settings import SamplingSettings
from ..diffusion.starts import MAX_FRAMES
from ..files.animation import FRAME_MS, HOLD_MS, MAX_MS, MIN_MS
from ..files.pictures import MAX_SCALE, check_size, grid_columns
from ..inputs import MAX_RESAMPLE, MAX_SEED, RESAMPLE, Keep, check_seeds
from ..model.class_names import find_label, find_labels, label_text
from ..model.conditioning import Prompt
from ..model.vocabulary import STYLES
from .views import VIEWS

WEIGHTS = "weights"  # the key under which a file keeps the fingerprint of the weights
SCALE = 8  # without --scale: how many times larger ...
FIT_SIDE = 1120  # ... or less, so that no side has more pixels than this
STRENGTH = 0.7  # without --strength; 1 with a mask, as the new pixels owe nothing to the picture
MAX_COUNT = 1_000_000  # images, which are held in memory: 784 MB
FRAMES = 12  # of a morph, from one point to the next


def picture_text(picture: np.ndarray) -> str:
    """Write uint8 or bool (28, 28) as text for settings: its 784 greys in base64."""
    greys = picture.astype(np.uint8) * (255 if picture.dtype == bool else 1)
    return base64.b64encode(greys.tobytes()).decode()


def read_picture_text(name: str, text: str) -> np.ndarray:
    """Read the uint8 (28, 28) that `picture_text` wrote. name: what an InputError calls it."""
    try:
        greys = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
        return greys.reshape(PICTURE_SIDE, PICTURE_SIDE)
    except (TypeError, ValueError, binascii.Error) as error:
        raise InputError(
            f"{name} must be a picture of 28 x 28 greys in base64, not {brief(text)}."
        ) from error


def split_point(point: str) -> tuple[str, int]:
    """The text and the seed of a point such as "a bold seven:11"; raises InputError."""
    text, colon, seed = point.rpartition(":") if isinstance(point, str) else ("", "", "")
    if not colon or not (seed.isascii() and seed.isdigit()):
        raise InputError(
            f'A point of a morph is a prompt, a colon and a seed, as "3:7", not {brief(point)}.'
        )
    return text, check_whole("The seed of a point", int(seed), 0, MAX_SEED)


def prompt_of(text: str, class_names: Sequence[str]) -> Prompt:
    """A label where the text is one, else the text as a prompt."""
    try:
        return find_label(text, class_names)
    except InputError:
        return text


def _check_picture(name: str, value: Any) -> str:
    read_picture_text(name, value)
    return value


def _check_points(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, tuple):
        raise InputError(f"{name} must be a list of points, not {brief(value)}.")
    for point in value:
        split_point(point)
    return value


@dataclass(frozen=True)
class FromPicture(Config):
    """A start from a picture, as `picture_text` writes it.

    strength: of the noise that it gets, see `LatentDiffusion.start_from`. invert: instead, what it
    shows (see `prompt_of`): the start is the noise that makes it. mask: another picture; where it
    is light, the first is kept. resample: see `Keep`.
    """

    start_from: str = checked(_check_picture)
    strength: float | None = checked(check_float, 0, 1)
    invert: str | None = checked(check_text)
    mask: str | None = checked(_check_picture)
    resample: int | None = checked(check_whole, 1, MAX_RESAMPLE)

    def __post_init__(self):
        super().__post_init__()
        if self.invert is not None and self.strength is not None:
            raise InputError("strength has no effect beside invert: leave it out.")
        if self.mask is None and self.resample is not None:
            raise InputError("resample has no effect without mask: leave it out.")
        if self.mask is not None and self.resample is None:
            self.set(resample=RESAMPLE)
        if self.invert is None and self.strength is None:
            self.set(strength=1.0 if self.mask else STRENGTH)

    def pixels(self, count: int) -> torch.Tensor:
        """The picture, uint8 (count, 28, 28)."""
        return self._planes("start_from", count)

    def keep(self, count: int) -> Keep | None:
        """The pixels to keep of `count` images; None without a mask."""
        if self.mask is None:
            return None
        return Keep(self.pixels(count), self._planes("mask", count) > 127, self.resample)

    def _planes(self, name: str, count: int) -> torch.Tensor:
        plane = torch.from_numpy(read_picture_text(name, getattr(self, name)).copy())
        return plane.expand(count, *plane.shape)


@dataclass(frozen=True)
class Images(Config):
    """Images with prompts and seeds.

    label: as `find_labels` takes it. prompt: words instead. With neither, all classes take turns.
    count: how many images, None: one of each. seed: of the first image, None: random; image i has
    seed + i (modulo 2**32). start: None is pure noise.
    """

    label: str | None = checked(check_text)
    prompt: str | None = checked(check_text)
    count: int | None = checked(check_whole, 1, MAX_COUNT)
    seed: int | None = checked(check_whole, 0, MAX_SEED)
    start: FromPicture | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.label is not None and self.prompt is not None:
            raise InputError("label and prompt both say what to draw: give one of them.")

    def prompts(self, class_names: Sequence[str]) -> list[Prompt]:
        """What images show in turn; raises InputError for an unknown label."""
        if self.prompt is not None:
            return [self.prompt]
        if self.label is None:
            return list(range(len(class_names)))
        return find_labels(self.label, class_names)

    def settled(self, class_names: Sequence[str]) -> "Images":
        """The same with a count, a seed, and a single label as the exact name of its class."""
        turn = self.prompts(class_names)
        label = label_text(turn[0], class_names) if self.label and len(turn) == 1 else self.label
        count = len(turn) if self.count is None else self.count
        seed = check_seeds(None, 1)[0] if self.seed is None else self.seed
        return dataclasses.replace(self, label=label, count=count, seed=seed)

    def across(self, class_names: Sequence[str], views: int = 1) -> int:
        """How many images stand side by side, each with `views` pictures."""
        return grid_columns(self.count, len(self.prompts(class_names)), views)


@dataclass(frozen=True)
class Morph(Config):
    """Images along a path, see `LatentDiffusion.morph`. morph: points such as "3:7", each a prompt
    (see `prompt_of`) and a seed."""

    morph: tuple[str, ...] = checked(_check_points)
    frames: int = checked(check_whole, 1, MAX_FRAMES, default=FRAMES)
    loop: bool = checked(check_bool, default=False)

    @property
    def count(self) -> int:
        """How many images."""
        return self.frames * (len(self.morph) - (not self.loop)) + (not self.loop)

    def points(self, class_names: Sequence[str]) -> list[tuple[Prompt, int]]:
        return [(prompt_of(text, class_names), seed) for text, seed in map(split_point, self.morph)]

    def settled(self, class_names: Sequence[str]) -> "Morph":
        return self

    def across(self, class_names: Sequence[str]) -> int:
        """A line for each point but the last, whose image ends the last line."""
        return self.frames if self.loop or len(self.morph) > 2 else self.count


@dataclass(frozen=True)
class Words(Config):
    """What holds for all images: the negative prompt, and the style, each value from -1 to 1."""

    negative_prompt: str | None = checked(check_text)
    stroke: float = checked(check_float, -1, 1, default=0.0)
    lean: float = checked(check_float, -1, 1, default=0.0)
    width: float = checked(check_float, -1, 1, default=0.0)


@dataclass(frozen=True)
class Look(Config):
    """How images are shown. strip: a .png shows every step and not the finished images. scale,
    frame_ms, hold_ms: see `write_animation`; scale None: what fits."""

    show: str = checked(check_choice, VIEWS, default="noisy")
    strip: bool = checked(check_bool, default=False)
    scale: int | None = checked(check_whole, 1, MAX_SCALE)
    frame_ms: int = checked(check_whole, MIN_MS, MAX_MS, default=FRAME_MS)
    hold_ms: int = checked(check_whole, MIN_MS, MAX_MS, default=HOLD_MS)

    def fitted(self, shape: tuple[int, int]) -> "Look":
        """The same with a scale for a picture (H, W); raises InputError if it gets too large."""
        fits = min(max(FIT_SIDE // max(shape), 1), SCALE)
        scale = fits if self.scale is None else self.scale
        check_size(shape, scale)
        return dataclasses.replace(self, scale=scale)


START, MORPH = (tuple(f.name for f in fields(kind)) for kind in (FromPicture, Morph))
KEYS = (  # of the JSON in a file, in their order
    *(f.name for f in fields(SamplingSettings)),
    *("label", "prompt", "negative_prompt", "stroke", "lean", "width", "count", "seed"),
    *("show", "strip", "scale", "frame_ms", "hold_ms", *START, *MORPH),
)
_KINDS = (SamplingSettings, Words, Images, FromPicture, Morph, Look)
_DEFAULTS = {f.name: f.default for kind in _KINDS for f in fields(kind)}
BLANK = {key: _DEFAULTS[key] for key in KEYS}


@dataclass(frozen=True)
class FileSettings:
    """All that makes a file. Each part is checked when it is made, and then passed on."""

    sampling: SamplingSettings = SamplingSettings()
    words: Words = Words()
    images: Images | Morph = Images()
    look: Look = Look()

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "FileSettings":
        """Read the flat settings of a file; absent keys have their defaults.

        Raises InputError for an unknown key, for a value that is not allowed, and for one that has
        no effect beside the others.
        """
        if unknown := sorted(values.keys() - BLANK.keys()):
            raise InputError(
                f"Settings of a file have no {', '.join(unknown)}; they have {', '.join(KEYS)}."
            )
        left = BLANK | values

        def part(kind: type[Config], **others: Any) -> Any:
            names = [f.name for f in fields(kind) if f.name in left]
            return kind.from_dict({name: left.pop(name) for name in names} | others)

        sampling, words, look = part(SamplingSettings), part(Words), part(Look)
        if left["morph"] is not None:
            images, why = part(Morph), "on a morph"
        elif left["start_from"] is not None:
            images, why = part(Images, start=part(FromPicture)), ""
        else:
            images, why = part(Images), "without start_from"
        for name, value in left.items():
            if value != BLANK[name]:
                why = "without morph" if name in MORPH else why
                raise InputError(f"{name} has no effect {why}: leave it out.")
        return cls(sampling, words, images, look)

    def to_dict(self) -> dict[str, Any]:
        """The flat settings, as `from_dict` reads them, for JSON."""
        parts = (self.sampling, self.words, self.look, self.images)
        start = getattr(self.images, "start", None)
        said = {k: v for part in (*parts, *filter(None, [start])) for k, v in vars(part).items()}
        return {key: said.get(key, blank) for key, blank in BLANK.items()}

    @property
    def options(self) -> dict[str, Any]:
        """The options of `LatentDiffusion.denoise` and `morph`, apart from seeds and start."""
        style = {name: getattr(self.words, name) for name in STYLES if getattr(self.words, name)}
        return {"negative": self.words.negative_prompt, "style": style, "settings": self.sampling}


def stored_settings(settings: FileSettings, weights: str) -> dict[str, Any]:
    """What a file stores. weights: from `weights_of`, for the sampler of the settings."""
    return settings.to_dict() | {WEIGHTS: weights}
