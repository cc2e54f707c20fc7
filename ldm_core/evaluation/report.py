"""Make unpicked samples and judge them. Every figure stands beside that of real test images."""

from dataclasses import replace

import torch
from torch import Tensor

from ..diffusion.samplers import STUDENT
from ..diffusion.settings import SamplingSettings
from ..latent_diffusion import LatentDiffusion
from ..runtime.processes import ALONE, Processes
from .judge import REFERENCES, Judge
from .metrics import psnr, share
from .obedience import measure_obedience
from .samples import labels_like, make_samples, reconstructions


def evaluate(
    model: LatentDiffusion,
    judge: Judge,
    settings: SamplingSettings,
    count: int,
    seed: int = 0,
    words_count: int = 0,
    processes: Processes = ALONE,
) -> dict | None:
    """All figures, as a JSON-able dictionary. See `metrics` for their meaning, and `obedience` for
    those of words.

    count: samples; words_count: samples of each word of style. "words" is None where words_count is
    0, and "teacher" where the sampler is not the student. All processes make samples; only the
    first judges them, so that its figures are those of one process, and the others return None.
    """
    labels = labels_like(judge.training.labels, count)
    samples = make_samples(model, labels, settings, seed, processes)
    words = teacher = None
    if settings.sampler == STUDENT:
        how = replace(model.defaults, guidance_scale=settings.guidance_scale)
        teacher = make_samples(model, labels, how, seed, processes)
    if words_count:
        words = measure_obedience(model, judge, settings, words_count, seed, processes)
    if not processes.first:
        return None
    generator = torch.Generator().manual_seed(seed)
    some = judge.real_like(labels, generator)
    real, real_labels = judge.test.pixels[some], judge.test.labels[some]
    references = torch.randperm(len(judge.training.pixels), generator=generator)[:REFERENCES]
    decoded = reconstructions(model, real)
    return {
        "count": count,
        "real_count": len(some),
        "seed": seed,
        "settings": settings.to_dict(),
        "reconstruction_psnr_db": psnr(decoded, real),
        "real_frechet_deviation": judge.frechet_deviation(real, real_labels),
        "samples": judge.scores(samples, labels, references),
        "real": judge.scores(real, real_labels, references),
        "reconstructions": judge.scores(decoded, real_labels, references),
        "teacher": None if teacher is None else beside_teacher(judge, samples, teacher),
        "words": words,
    }


def beside_teacher(judge: Judge, samples: Tensor, teacher: Tensor) -> dict[str, float]:
    """How far a student's samples are from those of its teacher of the same seeds, both uint8
    (N, 28, 28): in grey levels on average, and how many show the same digit to the judge."""
    grey_levels = (samples.float() - teacher.float()).abs().mean().item()
    same = judge.classifier.judge(samples)[1] == judge.classifier.judge(teacher)[1]
    return {"grey_levels": grey_levels, "same_digit": share(same)}
