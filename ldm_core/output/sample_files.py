"""Files of samples, each made from its settings: the job of `python -m ldm_core.sample`."""

import dataclasses
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..config import PICTURE_SIDE
from ..files.animation import ENCODERS, write_animation
from ..files.pictures import grid_shape, lay_out, write_npz, write_png
from ..files.weights import weights_of
from ..inputs import MAX_SEED
from ..latent_diffusion import DenoisingStep, LatentDiffusion
from ..model.conditioning import Prompt
from .file_settings import FileSettings, Images, Morph, stored_settings
from .steps import steps_of, steps_of_morph
from .views import VIEWS, step_pictures

ENDINGS = (".png", ".npz", *ENCODERS)
Follow = Callable[[Iterator[DenoisingStep]], Iterator[DenoisingStep]]
BATCH = {"cpu": 64, "cuda": 1024}  # by device: larger batches are no faster


def write_samples(
    out: Path, model: LatentDiffusion, settings: FileSettings, follow: Follow | None = None
) -> FileSettings:
    """Make the images of settings and write them to `out`, whose ending is known.

    follow: wraps the steps of each batch, for example to enforce a deadline; without it, there is a
    progress bar. Returns the settings with everything filled in. Raises InputError for an unknown
    label, and a picture that would be too large. A .npz and a .png hold all finished images, 784
    bytes each. An animation holds what `write_animation` says,
    and all its batches run side by side; that of a morph shows its images one after the other.
    """
    images = settings.images.settled(model.class_names)
    settings = dataclasses.replace(settings, images=images)
    ending, look, count = out.suffix.lower(), settings.look, images.count
    is_morph = isinstance(images, Morph)
    batches = 1 if is_morph else n_batches(model, range(count))
    with progress_bar(out.name, batches, hidden=follow is not None) as counted:
        runs = map(follow or counted, _batches(model, settings, range(count)))
        if ending == ".npz":
            write_arrays(out, model, settings, range(count), follow or counted)
            return settings
        if ending == ".png" and look.strip and not is_morph:
            settings, picture = _strip(model, settings, runs)
        elif ending == ".png":
            across = images.across(model.class_names)
            settings = _fitted(settings, grid_shape(count, across))  # before the work
            picture = lay_out(_finished(model, runs, count), across)
        elif is_morph:
            settings = _fitted(settings, (PICTURE_SIDE, PICTURE_SIDE))
            frames = _finished(model, runs, count)
        else:
            views = len(VIEWS[look.show])
            across = views * images.across(model.class_names, views)
            settings = _fitted(settings, grid_shape(count * views, across))
            frames = _frames(model, runs, look.show, across)
        about = {"settings": stored(model, settings), "scale": settings.look.scale}
        if ending == ".png":
            write_png(out, picture, **about)
        else:
            hold_ms = look.frame_ms if is_morph and images.loop else look.hold_ms
            write_animation(out, frames, **about, frame_ms=look.frame_ms, hold_ms=hold_ms)
    return settings


def write_arrays(
    out: Path, model: LatentDiffusion, settings: FileSettings, indices: range, follow: Follow
) -> None:
    """Make some of the images of settings, which are filled in, and write them to an .npz file."""
    pixels = _finished(model, map(follow, _batches(model, settings, indices)), len(indices))
    about = _about_each(model, settings.images, indices)
    write_npz(out, pixels, settings=stored(model, settings), **about)


def _strip(
    model: LatentDiffusion, settings: FileSettings, runs: Iterable[Iterator[DenoisingStep]]
) -> tuple[FileSettings, np.ndarray]:
    """All steps side by side, a line for each picture that an animation would show of an image."""
    show, lines = settings.look.show, []
    for steps in runs:
        start = next(steps)
        columns = start.steps + 1
        rows = settings.images.count * len(VIEWS[show])
        settings = _fitted(settings, grid_shape(rows * columns, columns))
        pictures = step_pictures(model, chain([start], steps), show)
        lines.append(np.stack([*pictures], axis=2).reshape(-1, PICTURE_SIDE, PICTURE_SIDE))
    return settings, lay_out(np.concatenate(lines), columns)


def _fitted(settings: FileSettings, shape: tuple[int, int]) -> FileSettings:
    return dataclasses.replace(settings, look=settings.look.fitted(shape))


def stored(model: LatentDiffusion, settings: FileSettings) -> dict:
    return stored_settings(settings, weights_of(model, settings.sampling.sampler))


@contextmanager
def progress_bar(name: str, batches: int, hidden: bool = False) -> Iterator[Follow]:
    """A bar of the steps of all batches, and the function through which they go."""
    # delay: nobody needs a bar for what takes a second
    about = {"desc": name, "unit": "step", "delay": 1, "dynamic_ncols": True}
    with tqdm(total=0, disable=hidden, **about) as bar:

        def counted(steps: Iterator[DenoisingStep]) -> Iterator[DenoisingStep]:
            for step in steps:
                bar.total = step.steps * batches
                bar.update(step.index > 0)
                yield step

        yield counted


def n_batches(model: LatentDiffusion, indices: range) -> int:
    return math.ceil(len(indices) / BATCH[model.device.type])


def _batches(
    model: LatentDiffusion, settings: FileSettings, indices: range
) -> Iterator[Iterator[DenoisingStep]]:
    images, batch = settings.images, BATCH[model.device.type]
    if isinstance(images, Morph):
        yield steps_of_morph(model, settings)
        return
    turn = images.prompts(model.class_names)
    for first in range(0, len(indices), batch):
        part = indices[first : first + batch]
        prompts = [turn[i % len(turn)] for i in part]
        seeds = [(images.seed + i) % (MAX_SEED + 1) for i in part]
        yield steps_of(model, settings, prompts, seeds)


def _about_each(
    model: LatentDiffusion, images: Images | Morph, indices: range
) -> dict[str, np.ndarray]:
    """For each image its label and its seed, -1 for none, and its prompt if there are prompts.

    The images of a morph between its points have no label and no seed.
    """

    def label_of(prompt: Prompt) -> int:
        label = model.vocabulary.read(prompt).label if isinstance(prompt, str) else prompt
        return -1 if label is None else label

    if isinstance(images, Morph):
        labels, seeds = np.full((2, images.count), -1)
        for i, (prompt, seed) in enumerate(images.points(model.class_names)):
            labels[i * images.frames], seeds[i * images.frames] = label_of(prompt), seed
        return {"labels": labels, "seeds": seeds}
    turn = images.prompts(model.class_names)
    said = {"prompts": turn} if isinstance(turn[0], str) else {}
    arrays = {"labels": list(map(label_of, turn))} | said
    at = np.arange(indices.start, indices.stop)
    seeds = {"seeds": (images.seed + at) % (MAX_SEED + 1)}
    return {name: np.take(each, at, mode="wrap") for name, each in arrays.items()} | seeds


def _finished(
    model: LatentDiffusion, runs: Iterable[Iterator[DenoisingStep]], count: int
) -> np.ndarray:
    """The finished images of all batches, uint8 (count, 28, 28)."""
    array, first = np.empty((count, PICTURE_SIDE, PICTURE_SIDE), np.uint8), 0
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
        yield lay_out(pictures.reshape(-1, *pictures.shape[2:]), across)
