"""Files of samples, each made from its settings: the job of `python -m ldm_core.sample`."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..config import PICTURE_SIDE
from ..files.animation import ENCODERS, write_animation
from ..files.npz import room_for_images, write_npz
from ..files.pictures import grid_columns, grid_shape, lay_out, write_png
from ..files.weights import weights_of
from ..inputs import MAX_SEED
from ..latent_diffusion import DenoisingStep, LatentDiffusion
from ..model.conditioning import Asked
from .file_settings import (
    FileSettings,
    ask,
    asked_of,
    scale_to_fit,
    settle,
    split_point,
    stored_settings,
)
from .steps import steps_of, steps_of_morph
from .views import VIEWS, step_pictures

STILLS = {  # endings other than the animations', with the options that have no effect there
    ".png": ("show", "frame_ms", "hold_ms"),  # show has one on a strip
    ".npz": ("show", "strip", "frame_ms", "hold_ms", "scale"),
}
ENDINGS = (*STILLS, *ENCODERS)
Follow = Callable[[Iterator[DenoisingStep]], Iterator[DenoisingStep]]
BATCH = {"cpu": 64, "cuda": 1024}  # by device: where more images at a time are no faster


def write_samples(
    out: Path, model: LatentDiffusion, settings: FileSettings, follow: Follow | None = None
) -> FileSettings:
    """Make what settings say and write it to `out`; its ending is known. Returns them, settled.

    Raises InputError for an unknown label, a picture that would be too large, and images that
    would not fit into memory. A .npz and a .png hold all finished images, 784 bytes each. An
    animation holds what `write_animation` says, and all its batches run side by side; that of a
    morph shows its finished images one after the other. follow: what the steps of each batch go
    through; it may end the run by an error. Without it, a bar says how far the run is.
    """
    if settings.morph is not None:
        return _write_morph(out, model, settings, follow)
    ending = out.suffix.lower()
    turn = asked_of(settings, model.class_names)
    settings = settle(settings, turn, model.class_names)
    with _bar(out, follow) as bar:
        batches = _batches(model, turn, settings, bar, follow)
        if ending == ".npz":
            _write_arrays(out, model, settings, turn, batches)
            return settings
        if ending == ".png" and settings.strip:
            return _write_strip(out, model, settings, batches)
        views = 1 if ending in STILLS else len(VIEWS[settings.show])
        across = grid_columns(settings.count, len(turn), views)
        settings = scale_to_fit(settings, grid_shape(settings.count * views, across * views))
        about = stored_settings(settings, weights_of(model))
        if ending == ".png":
            images = _fill(room_for_images(settings.count), _images(model, batches))
            write_png(out, lay_out(images, across), settings=about, scale=settings.scale)
        else:
            frames = _frames(model, batches, settings.show, across)
            options = {name: getattr(settings, name) for name in ("scale", "frame_ms", "hold_ms")}
            write_animation(out, frames, settings=about, **options)
    return settings


def _write_arrays(
    out: Path,
    model: LatentDiffusion,
    settings: FileSettings,
    turn: Sequence[Asked],
    batches: Iterable[Iterator[DenoisingStep]],
) -> None:
    images = _fill(room_for_images(settings.count), _images(model, batches))
    seeds = (settings.seed + np.arange(settings.count)) % (MAX_SEED + 1)
    arrays = _what_was_asked(model, turn, settings.count) | {"seeds": seeds}
    about = stored_settings(settings, weights_of(model))
    write_npz(out, images, settings=about, **arrays)


def _write_strip(
    out: Path,
    model: LatentDiffusion,
    settings: FileSettings,
    batches: Iterable[Iterator[DenoisingStep]],
) -> FileSettings:
    """All steps side by side, a line for each picture that an animation would show of an image."""
    lines = []
    for steps in batches:
        start = next(steps)
        columns = start.steps + 1
        rows = settings.count * len(VIEWS[settings.show])
        settings = scale_to_fit(settings, grid_shape(rows * columns, columns))
        pictures = step_pictures(model, chain([start], steps), settings.show)
        lines.append(np.stack([*pictures], axis=2).reshape(-1, PICTURE_SIDE, PICTURE_SIDE))
    about = stored_settings(settings, weights_of(model))
    strip = lay_out(np.concatenate(lines), columns)
    write_png(out, strip, settings=about, scale=settings.scale)
    return settings


def _write_morph(
    out: Path, model: LatentDiffusion, settings: FileSettings, follow: Follow | None
) -> FileSettings:
    """An .npz of a morph has the labels and seeds of its points; between them they are -1."""
    ending, closed = out.suffix.lower(), settings.loop
    count = settings.frames * (len(settings.morph) - (not closed)) + (not closed)
    # A filmstrip has a line for each point but the last, whose image ends the last line.
    across = settings.frames if closed or len(settings.morph) > 2 else count
    if ending != ".npz":
        shape = grid_shape(count, across) if ending == ".png" else (PICTURE_SIDE, PICTURE_SIDE)
        settings = scale_to_fit(settings, shape)
    about = stored_settings(settings, weights_of(model))
    with _bar(out, follow) as bar:
        steps = steps_of_morph(model, settings)
        (images,) = _images(model, [follow(steps) if follow else _counted(steps, bar)])
    if ending == ".png":
        write_png(out, lay_out(images, across), settings=about, scale=settings.scale)
    elif ending == ".npz":
        points = [split_point(point) for point in settings.morph]
        asked = [ask(what, model.class_names) for what, _ in points]
        labels, seeds = np.full((2, count), -1)
        labels[:: settings.frames] = _what_was_asked(model, asked, len(asked))["labels"]
        seeds[:: settings.frames] = [seed for _, seed in points]
        write_npz(out, images, settings=about, labels=labels, seeds=seeds)
    else:
        hold_ms = settings.frame_ms if closed else settings.hold_ms
        options = {"scale": settings.scale, "frame_ms": settings.frame_ms, "hold_ms": hold_ms}
        write_animation(out, images, settings=about, **options)
    return settings


def _bar(out: Path, follow: Follow | None) -> tqdm:
    # delay: nobody needs a bar for what takes a second
    told = {"desc": out.name, "delay": 1, "dynamic_ncols": True}
    return tqdm(total=0, unit="step", disable=follow is not None, **told)


def _batches(
    model: LatentDiffusion,
    turn: Sequence[Asked],
    settings: FileSettings,
    bar: tqdm,
    follow: Follow | None,
) -> Iterator[Iterator[DenoisingStep]]:
    """The steps of each batch of images."""
    batch = BATCH[model.device.type]
    parts = math.ceil(settings.count / batch)
    for first in range(0, settings.count, batch):
        indices = range(first, min(first + batch, settings.count))
        asked = [turn[i % len(turn)] for i in indices]
        seeds = [(settings.seed + i) % (MAX_SEED + 1) for i in indices]
        steps = steps_of(model, settings, asked, seeds)
        yield follow(steps) if follow else _counted(steps, bar, parts)


def _counted(
    steps: Iterator[DenoisingStep], bar: tqdm, batches: int = 1
) -> Iterator[DenoisingStep]:
    """The same steps, on the bar, which has as many for each batch."""
    for step in steps:
        bar.total = step.steps * batches
        bar.update(step.index > 0)
        yield step


def _what_was_asked(
    model: LatentDiffusion, turn: Sequence[Asked], count: int
) -> dict[str, np.ndarray]:
    """For each image its label, -1 where there is none, and its prompt if it has one."""
    prompts = [one for one in turn if isinstance(one, str)]
    labels = [model.vocabulary.read(o).label if isinstance(o, str) else o for o in turn]
    labels = np.array([-1 if label is None else label for label in labels])
    arrays = {"labels": np.resize(labels, count)}
    return arrays | ({"prompts": np.resize(np.array(prompts), count)} if prompts else {})


def _images(
    model: LatentDiffusion, batches: Iterable[Iterator[DenoisingStep]]
) -> Iterator[np.ndarray]:
    """The finished images of each batch, uint8 (B, 28, 28)."""
    for steps in batches:
        last = deque(steps, maxlen=1).pop()
        yield model.decode(last.x_t).cpu().numpy()


def _fill(array: np.ndarray, batches: Iterator[np.ndarray]) -> np.ndarray:
    """The array, with the batches in it, one after the other."""
    first = 0
    for batch in batches:
        array[first : first + len(batch)] = batch
        first += len(batch)
    return array


def _frames(
    model: LatentDiffusion, batches: Iterator[Iterator[DenoisingStep]], show: str, across: int
) -> Iterator[np.ndarray]:
    """Frames of the grid of all images, uint8 (H, W)."""
    for parts in zip(*(step_pictures(model, steps, show) for steps in batches)):
        pictures = np.concatenate(parts)
        views = pictures.shape[1]
        yield lay_out(pictures.reshape(-1, *pictures.shape[2:]), across * views)
