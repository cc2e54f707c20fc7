"""What each part is for: samples with one part switched off, judged like all samples."""

import dataclasses

import torch

from ..diffusion.settings import SamplingSettings
from ..latent_diffusion import LatentDiffusion
from ..runtime.processes import ALONE, Processes
from .judge import REFERENCES, Judge
from .samples import labels_like, make_samples
from .tables import table

FIGURES = ("accuracy", "frechet_distance", "recall")


def measure_ablations(
    model: LatentDiffusion,
    judge: Judge,
    settings: SamplingSettings,
    count: int,
    seed: int = 0,
    processes: Processes = ALONE,
) -> dict:
    """FIGURES of `count` samples with all on and with each switch off, as a JSON-able dictionary.

    All have the same labels and seeds. real: the figures of as many test images. All
    processes make samples; only the first judges them, and the others return no figures."""
    labels = labels_like(judge.training.labels, count)
    generator = torch.Generator().manual_seed(seed)
    some = judge.real_like(labels, generator)
    references = torch.randperm(len(judge.training.pixels), generator=generator)[:REFERENCES]

    def figures(pixels: torch.Tensor, labels: torch.Tensor) -> dict:
        if not processes.first:
            return {}
        scores = judge.scores(pixels, labels, references)
        return {name: scores[name] for name in FIGURES}

    def of(*off: str) -> dict:
        without = dataclasses.replace(settings, off=off)
        return figures(make_samples(model, labels, without, seed, processes), labels)

    return {
        "count": count,
        "seed": seed,
        "settings": settings.to_dict(),
        "real": figures(judge.test.pixels[some], judge.test.labels[some]),
        "all": of(),
        "off": {name: of(name) for name in model.switches},
    }


def ablation_table(report: dict) -> str:
    """What `measure_ablations` returns, as a Markdown table."""
    rows = {"nothing": report["all"]} | report["off"] | {"real test images": report["real"]}
    head = f"off ({report['count']} samples) | {' | '.join(n.replace('_', ' ') for n in FIGURES)}"
    lines = table(head, ([name, *(row[f] for f in FIGURES)] for name, row in rows.items()))
    return "\n".join(lines).strip()
