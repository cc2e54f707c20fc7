"""From settings to a file of samples: the job of `python -m ldm_core.sample`."""

import dataclasses
import math
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..checks import InputError, check_choice, check_whole
from ..diffusion.settings import SamplingSettings
from ..files.animation import FRAME_MS, HOLD_MS, check_times, write_animation
from ..files.formats import WRITERS
from ..files.pictures import (
    MAX_SCALE,
    check_size,
    grid_columns,
    grid_shape,
    lay_out,
    write_npz,
    write_png,
)
from ..files.weights import weights_of
from ..latent_diffusion import MAX_SEED, DenoisingStep, LatentDiffusion, check_seeds
from .views import VIEWS, step_pictures

WEIGHTS = "weights"  # the key under which a file keeps the fingerprint of the weights
STILLS = {  # endings other than the animations', with the options that have no effect there
    ".png": ("show", "frame_ms", "hold_ms"),
    ".npz": ("show", "frame_ms", "hold_ms", "scale"),
}
ENDINGS = (*STILLS, *WRITERS)
BATCH = {"cpu": 64, "cuda": 1024}  # by device: where more images at a time are no faster
SCALE = 8  # without --scale: how many times larger ...
FIT_SIDE = 1120  # ... or less, so that no side has more pixels than this


@dataclass(frozen=True)
class FileSettings(SamplingSettings):
    """All that makes a file, and is stored in it; what is None is filled in before.

    label: as `parse_label` takes it. count: how many images; one of each label. seed: of the first
    image; image i has seed + i (modulo 2**32). show: a name from `animation.VIEWS`. scale,
    frame_ms, hold_ms: see `write_animation`.
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
    """The labels that a text asks for, to be taken in turn.

    A class name, the number of a class, a range such as "0-9", "any" (None: unconditional), or no
    text for all classes. Raises InputError naming the classes.
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


def write(out: Path, model: LatentDiffusion, settings: FileSettings) -> FileSettings:
    """Make what settings say and write it to `out`; its ending is known. Returns them, settled.

    Raises InputError for an unknown label and for a picture that would be too large.
    Nothing is held for longer than the file needs it: one batch for an .npz, the finished images
    for a .png, the current frame for an animation, whose batches run side by side.
    """
    ending = out.suffix.lower()
    labels = parse_label(settings.label, model.class_names)
    settings = settle(settings, len(labels))
    views = 1 if ending in STILLS else len(VIEWS[settings.show])
    across = grid_columns(settings.count, len(labels), views)
    if ending != ".npz":
        settings = scale_to_fit(settings, grid_shape(settings.count * views, across * views))
    about = stored_settings(settings, weights_of(model))
    batch = BATCH[model.device.type]
    total = math.ceil(settings.count / batch) * settings.steps
    # delay: nobody needs a bar for what takes a second
    with tqdm(total=total, unit="step", desc=out.name, delay=1, dynamic_ncols=True) as bar:
        batches = _batches(model, labels, settings, batch, bar)
        if ending == ".npz":
            turn = np.array([-1 if label is None else label for label in labels])
            seeds = (settings.seed + np.arange(settings.count)) % (MAX_SEED + 1)
            arrays = {"labels": np.resize(turn, settings.count), "seeds": seeds}
            write_npz(out, _images(model, batches), settings=about, **arrays)
        elif ending == ".png":
            images = np.concatenate(list(_images(model, batches)))
            write_png(out, lay_out(images, across), settings=about, scale=settings.scale)
        else:
            frames = _frames(model, batches, settings.show, across)
            options = {name: getattr(settings, name) for name in ("scale", "frame_ms", "hold_ms")}
            write_animation(out, frames, settings=about, **options)
    return settings


def stored_settings(settings: FileSettings, weights: str) -> dict:
    """What a file keeps of its making. weights: from `weights_of`."""
    return settings.to_dict() | {WEIGHTS: weights}


def _batches(
    model: LatentDiffusion, labels, settings: FileSettings, batch: int, bar: tqdm
) -> Iterator[Iterator[DenoisingStep]]:
    """The steps of each batch of images."""

    def counted(steps: Iterator[DenoisingStep]) -> Iterator[DenoisingStep]:
        for step in steps:
            bar.update(step.index > 0)
            yield step

    for first in range(0, settings.count, batch):
        indices = range(first, min(first + batch, settings.count))
        asked = [labels[i % len(labels)] for i in indices]
        seeds = [(settings.seed + i) % (MAX_SEED + 1) for i in indices]
        yield counted(model.denoise(asked, seeds=seeds, **settings.sampling))


def _images(
    model: LatentDiffusion, batches: Iterator[Iterator[DenoisingStep]]
) -> Iterator[np.ndarray]:
    """The finished images of each batch, uint8 (B, 28, 28)."""
    for steps in batches:
        last = deque(steps, maxlen=1).pop()
        yield model.decode(last.x_t).cpu().numpy()


def _frames(
    model: LatentDiffusion, batches: Iterator[Iterator[DenoisingStep]], show: str, across: int
) -> Iterator[np.ndarray]:
    """Frames of the grid of all images, uint8 (H, W)."""
    for parts in zip(*(step_pictures(model, steps, show) for steps in batches)):
        pictures = np.concatenate(parts)
        views = pictures.shape[1]
        yield lay_out(pictures.reshape(-1, *pictures.shape[2:]), across * views)
