"""From the settings of a file to the denoising steps of its images."""

from collections.abc import Iterator, Sequence

from ..diffusion.starts import Start
from ..latent_diffusion import INVERSION, DenoisingStep, LatentDiffusion
from ..model.conditioning import Prompt
from .file_settings import FileSettings, prompt_of


def steps_of(
    model: LatentDiffusion, settings: FileSettings, prompts: Sequence[Prompt], seeds: Sequence[int]
) -> Iterator[DenoisingStep]:
    """`model.denoise` of these images as settings say: from noise, or from their picture.

    Raises InputError at the call. To invert a picture, networks run at the call too.
    """
    given, count = settings.images.start, len(prompts)
    start = keep = None
    if given is not None:
        keep = given.keep(count)
        if given.invert is not None:
            one = _inverted(model, settings)
            start = Start(one.x.expand(count, *one.x.shape[1:]), one.times)
        else:
            how = {"seeds": seeds, "settings": settings.sampling}
            start = model.start_from(given.pixels(count), given.strength, **how)
    return model.denoise(prompts, seeds=seeds, start=start, keep=keep, **settings.options)


def steps_of_morph(model: LatentDiffusion, settings: FileSettings) -> Iterator[DenoisingStep]:
    """`model.morph` as settings say; raises InputError at the call."""
    morph = settings.images
    points = morph.points(model.class_names)
    return model.morph(points, morph.frames, loop=morph.loop, **settings.options)


def round_trip_error(model: LatentDiffusion, settings: FileSettings) -> float:
    """How well inversion worked: the mean distance in grey levels between the inverted picture and
    the image that its noise makes with the same prompt."""
    given, start = settings.images.start, _inverted(model, settings)
    prompts = [prompt_of(given.invert, model.class_names)]
    back = model.generate(prompts, start=start, settings=INVERSION).cpu()
    return float((back.float() - given.pixels(1)).abs().mean())


def _inverted(model: LatentDiffusion, settings: FileSettings) -> Start:
    given = settings.images.start
    prompts = [prompt_of(given.invert, model.class_names)]
    return model.invert(given.pixels(1), prompts, settings=settings.sampling)
