"""From the settings of a file to the denoising steps of its images."""

from collections.abc import Iterator, Sequence

import torch

from ..diffusion.starts import Start
from ..inputs import Keep
from ..latent_diffusion import INVERSION, DenoisingStep, LatentDiffusion
from ..model.conditioning import Asked
from .file_settings import FileSettings, ask, read_picture_text, split_point


def steps_of(
    model: LatentDiffusion, settings: FileSettings, asked: Sequence[Asked], seeds: Sequence[int]
) -> Iterator[DenoisingStep]:
    """`model.denoise` of these images as settings say: from noise, or from their picture.

    Raises InputError at the call. To invert a picture, networks run at the call too.
    """
    if settings.start_from is None:
        return model.denoise(asked, seeds=seeds, **settings.options)
    each = lambda plane: plane.expand(len(asked), *plane.shape[1:])
    picture = _plane("start_from", settings.start_from)
    grid = _grid(settings)
    options = {name: value for name, value in settings.options.items() if name not in grid}
    if settings.invert is not None:
        start = model.invert(picture, [ask(settings.invert, model.class_names)], **grid)
        start = Start(each(start.x), start.times)
    else:
        start = model.start_from(each(picture), settings.strength, seeds=seeds, **grid)
    keep = None
    if settings.mask is not None:
        mask = _plane("mask", settings.mask) > 127
        keep = Keep(each(picture), each(mask), settings.resample)
    return model.denoise(asked, seeds=seeds, start=start, keep=keep, **options)


def steps_of_morph(model: LatentDiffusion, settings: FileSettings) -> Iterator[DenoisingStep]:
    """`model.morph` as settings say; raises InputError at the call."""
    points = [
        (ask(what, model.class_names), seed) for what, seed in map(split_point, settings.morph)
    ]
    return model.morph(points, settings.frames, loop=settings.loop, **settings.options)


def round_trip_error(model: LatentDiffusion, settings: FileSettings) -> float:
    """How far the picture that settings invert is from what its noise makes when the same is asked:
    the mean of the distances of all pixels, in grey levels."""
    picture, grid = _plane("start_from", settings.start_from), _grid(settings)
    asked = [ask(settings.invert, model.class_names)]
    start = model.invert(picture, asked, **grid)
    options = {"sampler": INVERSION.sampler, "guidance_scale": INVERSION.guidance_scale}
    back = model.generate(asked, start=start, **options).cpu()
    return float((back.float() - picture).abs().mean())


def _grid(settings: FileSettings) -> dict:
    return {"steps": settings.steps, "spacing": settings.spacing}


def _plane(name: str, text: str) -> torch.Tensor:
    """uint8 (1, 28, 28)."""
    return torch.from_numpy(read_picture_text(name, text).copy())[None]
