"""The settings that make a file, and that are stored in it."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, fields

from ..checks import InputError, check_choice, check_number, check_whole, shown
from ..diffusion.settings import SamplingSettings
from ..files.animation import FRAME_MS, HOLD_MS, check_times
from ..files.pictures import MAX_SCALE, check_size
from ..latent_diffusion import MAX_SEED, check_seeds
from ..model.class_names import find_labels, label_text
from ..model.conditioning import Asked
from ..model.vocabulary import STYLES
from .views import VIEWS

WEIGHTS = "weights"  # the key under which a file keeps the fingerprint of the weights
SCALE = 8  # without --scale: how many times larger ...
FIT_SIDE = 1120  # ... or less, so that no side has more pixels than this


@dataclass(frozen=True)
class FileSettings(SamplingSettings):
    """All that makes a file and is stored in it; `settle` and `scale_to_fit` fill in what is None.

    label: as `find_labels` takes it; None: what prompt says, or all classes in turn. prompt: words
    instead of a label. negative_prompt: words that guidance leads away from. stroke, lean, width:
    the style of `LatentDiffusion.denoise`, each -1 to 1. count: how many images. seed: of the first
    image; image i has seed + i (modulo 2**32). show: a name from `VIEWS`. scale, frame_ms, hold_ms:
    see `write_animation`.
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
    scale: int | None = None
    frame_ms: int = FRAME_MS
    hold_ms: int = HOLD_MS

    def __post_init__(self):
        super().__post_init__()
        for name in ("label", "prompt", "negative_prompt"):
            if not isinstance(getattr(self, name), str | None):
                raise InputError(f"{name} must be text, not {shown(getattr(self, name))}.")
        if self.label is not None and self.prompt is not None:
            raise InputError("label and prompt both say what to draw: give one of them.")
        for name in STYLES:
            amount = check_number(name, getattr(self, name), -1, 1)
            object.__setattr__(self, name, amount)
        limits = {"count": (1, MAX_SEED + 1), "seed": (0, MAX_SEED), "scale": (1, MAX_SCALE)}
        for name, (low, high) in limits.items():
            if getattr(self, name) is not None:
                # it is frozen, and NumPy's numbers become Python's own, which files can store
                number = check_whole(name, getattr(self, name), low, high)
                object.__setattr__(self, name, number)
        check_choice("show", self.show, VIEWS)
        check_times(self.frame_ms, self.hold_ms)

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


def settle(
    settings: FileSettings, asked: Sequence[Asked], class_names: Sequence[str]
) -> FileSettings:
    """Settings with a count (one image of each thing asked), a seed (drawn at random), and the
    label in the very words of the class."""
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
