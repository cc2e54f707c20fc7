"""The settings that make a file, and that are stored in it."""

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields

from ..checks import InputError, check_choice, check_whole
from ..diffusion.settings import SamplingSettings
from ..files.animation import FRAME_MS, HOLD_MS, check_times
from ..files.pictures import MAX_SCALE, check_size
from ..latent_diffusion import MAX_SEED, check_seeds
from .views import VIEWS

WEIGHTS = "weights"  # the key under which a file keeps the fingerprint of the weights
SCALE = 8  # without --scale: how many times larger ...
FIT_SIDE = 1120  # ... or less, so that no side has more pixels than this


@dataclass(frozen=True)
class FileSettings(SamplingSettings):
    """All that makes a file and is stored in it; `settle` and `scale_to_fit` fill in what is None.

    label: as `parse_label` takes it. count: how many images. seed: of the first image; image i has
    seed + i (modulo 2**32). show: a name from `VIEWS`. scale, frame_ms, hold_ms: see
    `write_animation`.
    """

    label: str | None = None
    count: int | None = None
    seed: int | None = None
    show: str = "noisy"
    scale: int | None = None
    frame_ms: int = FRAME_MS
    hold_ms: int = HOLD_MS

    def __post_init__(self):
        super().__post_init__()
        if self.label is not None and not isinstance(self.label, str):
            raise InputError(f"label must be text, not {self.label!r:.40}.")
        if self.count is not None:
            check_whole("count", self.count, 1, MAX_SEED + 1)
        if self.seed is not None:
            check_whole("seed", self.seed, 0, MAX_SEED)
        if self.scale is not None:
            check_whole("scale", self.scale, 1, MAX_SCALE)
        check_choice("show", self.show, VIEWS)
        check_times(self.frame_ms, self.hold_ms)

    @property
    def sampling(self) -> dict:
        """The options of `LatentDiffusion.denoise`."""
        return {f.name: getattr(self, f.name) for f in fields(SamplingSettings)}


def parse_label(text: str | None, class_names: Sequence[str]) -> list[int | None]:
    """The labels that a text asks for; images take them in turn.

    The text is the name of a class, its number, a range such as "0-9", or "any" (None:
    unconditional); no text means all classes. Raises InputError, which names the classes.
    """
    if text is None:
        return list(range(len(class_names)))
    names = [name.lower() for name in class_names]
    if text.lower() in names:
        return [names.index(text.lower())]
    if text.lower() == "any":
        return [None]
    if match := re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", text):
        first, last = int(match[1]), int(match[2] or match[1])
        if first <= last < len(names):
            return list(range(first, last + 1))
    raise InputError(
        f"label must be a class ({', '.join(class_names)}), its number from 0 to {len(names) - 1}, "
        f"a range such as 0-{len(names) - 1}, or any, not {text!r:.40}."
    )


def settle(settings: FileSettings, n_labels: int) -> FileSettings:
    """Settings with a count (one image of each label) and a seed (drawn at random)."""
    count = n_labels if settings.count is None else settings.count
    seed = check_seeds(None, 1)[0] if settings.seed is None else settings.seed
    return dataclasses.replace(settings, count=count, seed=seed)


def scale_to_fit(settings: FileSettings, shape: tuple[int, int]) -> FileSettings:
    """Settings with a scale for a picture (H, W); raises InputError where it would be too large."""
    fits = min(max(FIT_SIDE // max(shape), 1), SCALE)
    scale = fits if settings.scale is None else settings.scale
    check_size(shape, scale)
    return dataclasses.replace(settings, scale=scale)


def stored_settings(settings: FileSettings, weights: str) -> dict:
    """What a file keeps of its making. weights: from `weights_of`."""
    return settings.to_dict() | {WEIGHTS: weights}
