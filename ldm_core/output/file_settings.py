"""The settings that make a file, and that are stored in it."""

import base64
import binascii
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from ..checks import InputError, check_choice, check_number, check_whole, shown
from ..config import PICTURE_SIDE
from ..diffusion.settings import SamplingSettings
from ..diffusion.starts import MAX_STATIONS
from ..files.animation import FRAME_MS, HOLD_MS, check_times
from ..files.pictures import MAX_SCALE, check_size
from ..inputs import MAX_RESAMPLE, MAX_SEED, RESAMPLE, check_seeds
from ..model.class_names import find_label, find_labels, label_text
from ..model.conditioning import Asked
from ..model.vocabulary import STYLES
from .views import VIEWS

WEIGHTS = "weights"  # the key under which a file keeps the fingerprint of the weights
SCALE = 8  # without --scale: how many times larger ...
FIT_SIDE = 1120  # ... or less, so that no side has more pixels than this
STRENGTH = 0.7  # without --strength; with a mask, what is drawn anew is free of the picture: 1
FRAMES = 12  # of a morph, from one point to the next


@dataclass(frozen=True)
class FileSettings(SamplingSettings):
    """All that makes a file and is stored in it; `settle` and `scale_to_fit` fill in what is None.

    label: as `find_labels` takes it; None: what prompt says, or all classes in turn. prompt: words
    instead of a label. negative_prompt: words that guidance leads away from. stroke, lean, width:
    the style of `LatentDiffusion.denoise`, each -1 to 1. count: how many images. seed: of the first
    image; image i has seed + i (modulo 2**32). show: a name from `VIEWS`. strip: a .png shows every
    step and not the finished images. scale, frame_ms, hold_ms: see `write_animation`.

    start_from: a picture, as `picture_text` writes it; None: noise. strength: see
    `LatentDiffusion.start_from`. invert: what the picture shows, a label or a prompt: the start is
    then that of `LatentDiffusion.invert`. mask: another picture; where it is light, the first is
    kept. resample: see `Keep`. morph: points such as "3:7", what is asked and its seed, for a morph
    of `frames` images from each to the next, and back to the first with loop; it takes the place of
    label, prompt, count and seed.
    """

    label: str | None = None
    prompt: str | None = None
    negative_prompt: str | None = None
    stroke: float = 0.0
    lean: float = 0.0
    width: float = 0.0
    count: int | None = None
    seed: int | None = None
    show: str = "noisy"
    strip: bool = False
    scale: int | None = None
    frame_ms: int = FRAME_MS
    hold_ms: int = HOLD_MS
    start_from: str | None = None
    strength: float | None = None
    invert: str | None = None
    mask: str | None = None
    resample: int | None = None
    morph: tuple[str, ...] | None = None
    frames: int = FRAMES
    loop: bool = False

    def __post_init__(self):
        super().__post_init__()
        for name in ("label", "prompt", "negative_prompt", "invert"):
            if not isinstance(getattr(self, name), str | None):
                raise InputError(f"{name} must be text, not {shown(getattr(self, name))}.")
        if self.label is not None and self.prompt is not None:
            raise InputError("label and prompt both say what to draw: give one of them.")
        for name in STYLES:
            amount = check_number(name, getattr(self, name), -1, 1)
            object.__setattr__(self, name, amount)
        limits = {
            "count": (1, MAX_SEED + 1),
            "seed": (0, MAX_SEED),
            "scale": (1, MAX_SCALE),
            "resample": (1, MAX_RESAMPLE),
            "frames": (1, MAX_STATIONS),
        }
        for name, (low, high) in limits.items():
            if getattr(self, name) is not None:
                # it is frozen, and NumPy's numbers become Python's own, which files can store
                number = check_whole(name, getattr(self, name), low, high)
                object.__setattr__(self, name, number)
        check_choice("show", self.show, VIEWS)
        for name in ("strip", "loop"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(f"{name} must be true or false, not {shown(getattr(self, name))}.")
        check_times(self.frame_ms, self.hold_ms)
        self._check_start()
        self._check_morph()

    def _check_start(self) -> None:
        if self.start_from is None:
            for name in ("strength", "invert", "mask", "resample"):
                if getattr(self, name) is not None:
                    raise InputError(f"{name} is about a picture to start from: give start_from.")
            return
        read_picture_text("start_from", self.start_from)
        if self.mask is not None:
            read_picture_text("mask", self.mask)
            if self.resample is None:
                object.__setattr__(self, "resample", RESAMPLE)
        elif self.resample is not None:
            raise InputError("resample is about what a mask leaves to draw: give mask.")
        if self.invert is not None:
            if self.strength is not None:
                raise InputError("strength and invert both say how to start: give one of them.")
        else:
            strength = (1.0 if self.mask else STRENGTH) if self.strength is None else self.strength
            object.__setattr__(self, "strength", check_number("strength", strength, 0, 1))

    def _check_morph(self) -> None:
        if self.morph is None:
            return
        for name in ("label", "prompt", "count", "seed", "start_from"):
            if getattr(self, name) is not None:
                raise InputError(f"The points of a morph say what to draw: leave out {name}.")
        if not isinstance(self.morph, tuple):
            raise InputError(f"morph must be a list of points, not {shown(self.morph)}.")
        for point in self.morph:
            split_point(point)

    @property
    def sampling(self) -> dict:
        """The fields of `SamplingSettings`."""
        return {f.name: getattr(self, f.name) for f in fields(SamplingSettings)}

    @property
    def options(self) -> dict:
        """The options of `LatentDiffusion.denoise`, apart from its seeds."""
        style = {name: getattr(self, name) for name in STYLES if getattr(self, name)}
        return {"negative": self.negative_prompt, "style": style, **self.sampling}


def asked_of(settings: FileSettings, class_names: Sequence[str]) -> list[Asked]:
    """What images ask for in turn: the prompt, the classes of `label`, or all classes.

    Raises InputError for an unknown label, which names the classes.
    """
    if settings.prompt is not None:
        return [settings.prompt]
    if settings.label is None:
        return list(range(len(class_names)))
    return find_labels(settings.label, class_names)


def ask(text: str, class_names: Sequence[str]) -> Asked:
    """A label where the text is one, else a prompt."""
    try:
        return find_label(text, class_names)
    except InputError:
        return text


def split_point(point: str) -> tuple[str, int]:
    """What is asked and the seed of a point such as "a bold seven:11"; raises InputError."""
    what, colon, seed = point.rpartition(":") if isinstance(point, str) else ("", "", "")
    if not colon or not (seed.isascii() and seed.isdigit()):
        raise InputError(
            f'A point of a morph is what to draw, a colon and a seed, as "3:7", not {shown(point)}.'
        )
    return what, check_whole("The seed of a point", int(seed), 0, MAX_SEED)


def picture_text(picture: np.ndarray) -> str:
    """uint8 or bool (28, 28) -> text for settings: its 784 greys in base64."""
    greys = picture.astype(np.uint8) * (255 if picture.dtype == bool else 1)
    return base64.b64encode(greys.tobytes()).decode()


def read_picture_text(name: str, text: str) -> np.ndarray:
    """The picture uint8 (28, 28) that `picture_text` wrote; raises InputError, which calls it by
    this name."""
    try:
        greys = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
        return greys.reshape(PICTURE_SIDE, PICTURE_SIDE)
    except (TypeError, ValueError, binascii.Error) as error:
        raise InputError(
            f"{name} must be a picture of 28 x 28 greys in base64, not {shown(text)}."
        ) from error


def settle(
    settings: FileSettings, asked: Sequence[Asked], class_names: Sequence[str]
) -> FileSettings:
    """Settings with a count (one image of each thing asked), a seed (drawn at random), and the
    label in the very words of the class. A morph needs none of them."""
    if settings.morph is not None:
        return settings
    label = settings.label
    if label is not None and len(asked) == 1:
        label = label_text(asked[0], class_names)
    count = len(asked) if settings.count is None else settings.count
    seed = check_seeds(None, 1)[0] if settings.seed is None else settings.seed
    return dataclasses.replace(settings, label=label, count=count, seed=seed)


def scale_to_fit(settings: FileSettings, shape: tuple[int, int]) -> FileSettings:
    """Settings with a scale for a picture (H, W); raises InputError where it would be too large."""
    fits = min(max(FIT_SIDE // max(shape), 1), SCALE)
    scale = fits if settings.scale is None else settings.scale
    check_size(shape, scale)
    return dataclasses.replace(settings, scale=scale)


def stored_settings(settings: FileSettings, weights: str) -> dict:
    """What a file keeps of its making. weights: from `weights_of`."""
    return settings.to_dict() | {WEIGHTS: weights}
