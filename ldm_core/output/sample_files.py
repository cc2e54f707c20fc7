"""Files of samples, each made from its settings: the job of `python -m ldm_core.sample`."""

import dataclasses
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
from ..model.conditioning import Prompt
from .file_settings import FileSettings, Morph, stored_settings
from .steps import steps_of, steps_of_morph
from .views import VIEWS, step_pictures

STILLS = {  # endings other than the animations', with the options that have no effect there
    ".png": ("show", "frame_ms", "hold_ms"),  # show has one on a strip
    ".npz": ("show", "strip", "frame_ms", "hold_ms", "scale"),
}
ENDINGS = (*STILLS, *ENCODERS)
Follow = Callable[[Iterator[DenoisingStep]], Iterator[DenoisingStep]]
BATCH = {"cpu": 64, "cuda": 1024}  # by device: larger batches are no faster


def write_samples(
    out: Path, model: LatentDiffusion, settings: FileSettings, follow: Follow | None = None
) -> FileSettings:
    """Make the images of settings and write them to `out`, whose ending is known.

    follow: wraps the steps of each batch, for example to enforce a deadline; without it, there is a
    progress bar. Returns the settings with everything filled in. Raises InputError for an unknown
    label, a picture that would be too large, and images that would not fit into memory. A .npz and
    a .png hold all finished images, 784 bytes each. An animation holds what `write_animation` says,
    and all its batches run side by side; that of a morph shows its images one after the other.
    """
    ending = out.suffix.lower()
    if isinstance(settings.images, Morph):
        return _write_morph(out, model, settings, follow)
    images = settings.images.settled(model.class_names)
    settings = dataclasses.replace(settings, images=images)
    turn, count = images.prompts(model.class_names), images.count
    batches = math.ceil(count / BATCH[model.device.type])
    with _watching(out, follow, batches) as watched:
        runs = map(watched, _runs(model, settings, turn))
        if ending == ".npz":
            pixels = _finished(model, runs, count)
            seeds = (images.seed + np.arange(count)) % (MAX_SEED + 1)
            arrays = _labels_and_prompts(model, turn, count) | {"seeds": seeds}
            write_npz(out, pixels, settings=_stored(model, settings), **arrays)
        elif ending == ".png" and settings.look.strip:
            settings = _write_strip(out, model, settings, runs)
        else:
            views = 1 if ending == ".png" else len(VIEWS[settings.look.show])
            across = grid_columns(count, len(turn), views)
            settings = _fitted(settings, grid_shape(count * views, across * views))
            if ending == ".png":
                grid = lay_out(_finished(model, runs, count), across)
                _write_png(out, model, grid, settings)
            else:
                frames = _frames(model, runs, settings.look.show, across)
                _write_animation(out, model, frames, settings)
    return settings


def _write_strip(
    out: Path,
    model: LatentDiffusion,
    settings: FileSettings,
    runs: Iterable[Iterator[DenoisingStep]],
) -> FileSettings:
    """All steps side by side, a line for each picture that an animation would show of an image."""
    show, lines = settings.look.show, []
    for steps in runs:
        start = next(steps)
        columns = start.steps + 1
        rows = settings.images.count * len(VIEWS[show])
        settings = _fitted(settings, grid_shape(rows * columns, columns))
        pictures = step_pictures(model, chain([start], steps), show)
        lines.append(np.stack([*pictures], axis=2).reshape(-1, PICTURE_SIDE, PICTURE_SIDE))
    _write_png(out, model, lay_out(np.concatenate(lines), columns), settings)
    return settings


def _write_morph(
    out: Path, model: LatentDiffusion, settings: FileSettings, follow: Follow | None
) -> FileSettings:
    """A .npz of a morph has the labels and seeds of its points; between them they are -1."""
    ending, morph = out.suffix.lower(), settings.images
    # A filmstrip has a line for each point but the last, whose image ends the last line.
    across = morph.frames if morph.loop or len(morph.morph) > 2 else morph.count
    if ending != ".npz":
        shape = grid_shape(morph.count, across) if ending == ".png" else (PICTURE_SIDE,) * 2
        settings = _fitted(settings, shape)
    with _watching(out, follow) as watched:
        pixels = _finished(model, [watched(steps_of_morph(model, settings))], morph.count)
    if ending == ".png":
        _write_png(out, model, lay_out(pixels, across), settings)
    elif ending == ".npz":
        prompts, point_seeds = zip(*morph.points(model.class_names))
        labels, seeds = np.full((2, morph.count), -1)
        labels[:: morph.frames] = _labels_and_prompts(model, prompts, len(prompts))["labels"]
        seeds[:: morph.frames] = point_seeds
        write_npz(out, pixels, settings=_stored(model, settings), labels=labels, seeds=seeds)
    else:
        hold = {"hold_ms": settings.look.frame_ms} if morph.loop else {}
        _write_animation(out, model, pixels, settings, **hold)
    return settings


def _fitted(settings: FileSettings, shape: tuple[int, int]) -> FileSettings:
    return dataclasses.replace(settings, look=settings.look.fitted(shape))


def _stored(model: LatentDiffusion, settings: FileSettings) -> dict:
    return stored_settings(settings, weights_of(model))


def _write_png(
    out: Path, model: LatentDiffusion, picture: np.ndarray, settings: FileSettings
) -> None:
    write_png(out, picture, settings=_stored(model, settings), scale=settings.look.scale)


def _write_animation(
    out: Path, model: LatentDiffusion, frames: Iterable, settings: FileSettings, **hold: int
) -> None:
    look = settings.look
    times = {"frame_ms": look.frame_ms, "hold_ms": look.hold_ms} | hold
    write_animation(out, frames, settings=_stored(model, settings), scale=look.scale, **times)


@contextmanager
def _watching(out: Path, follow: Follow | None, batches: int = 1) -> Iterator[Follow]:
    """follow, or else what shows the steps of all batches on a progress bar."""
    # delay: nobody needs a bar for what takes a second
    about = {"desc": out.name, "delay": 1, "dynamic_ncols": True}
    with tqdm(total=0, unit="step", disable=follow is not None, **about) as bar:

        def counted(steps: Iterator[DenoisingStep]) -> Iterator[DenoisingStep]:
            for step in steps:
                bar.total = step.steps * batches
                bar.update(step.index > 0)
                yield step

        yield follow or counted


def _runs(
    model: LatentDiffusion, settings: FileSettings, turn: Sequence[Prompt]
) -> Iterator[Iterator[DenoisingStep]]:
    """The steps of each batch of images."""
    images, batch = settings.images, BATCH[model.device.type]
    for first in range(0, images.count, batch):
        indices = range(first, min(first + batch, images.count))
        prompts = [turn[i % len(turn)] for i in indices]
        seeds = [(images.seed + i) % (MAX_SEED + 1) for i in indices]
        yield steps_of(model, settings, prompts, seeds)


def _labels_and_prompts(
    model: LatentDiffusion, turn: Sequence[Prompt], count: int
) -> dict[str, np.ndarray]:
    """For each image its label, -1 where there is none, and its prompt if it has one."""
    texts = [one for one in turn if isinstance(one, str)]
    labels = [model.vocabulary.read(o).label if isinstance(o, str) else o for o in turn]
    labels = np.array([-1 if label is None else label for label in labels])
    arrays = {"labels": np.resize(labels, count)}
    return arrays | ({"prompts": np.resize(np.array(texts), count)} if texts else {})


def _finished(
    model: LatentDiffusion, runs: Iterable[Iterator[DenoisingStep]], count: int
) -> np.ndarray:
    """The finished images of all batches, uint8 (count, 28, 28)."""
    array, first = room_for_images(count), 0
    for steps in runs:
        last = deque(steps, maxlen=1).pop()
        batch = model.decode(last.x_t).cpu().numpy()
        array[first : first + len(batch)] = batch
        first += len(batch)
    return array


def _frames(
    model: LatentDiffusion, runs: Iterable[Iterator[DenoisingStep]], show: str, across: int
) -> Iterator[np.ndarray]:
    """Frames of the grid of all images, uint8 (H, W)."""
    for parts in zip(*(step_pictures(model, steps, show) for steps in runs)):
        pictures = np.concatenate(parts)
        views = pictures.shape[1]
        yield lay_out(pictures.reshape(-1, *pictures.shape[2:]), across * views)
