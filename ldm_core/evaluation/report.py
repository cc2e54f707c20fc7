"""How good are the samples: unpicked ones are made, judged and put into a table.

The judge is a classifier that sampling never uses. Every figure stands beside the score of as many
real test images.
"""

import time

import torch
from torch import Tensor
from tqdm import tqdm

from ..checks import InputError
from ..data.datasets import LabelledImages
from ..diffusion.settings import SamplingSettings
from ..latent_diffusion import MAX_SEED, LatentDiffusion
from .classifier import Classifier
from .metrics import frechet_distance, kernel_distance, manifold_scores, nearest_distance

BATCH = 250
REFERENCES = 10_000  # training images that precision, recall, density and coverage look at


def check_size(data: LabelledImages, test: LabelledImages) -> None:
    """Raise InputError unless there are enough pictures to tell how far apart they lie."""
    for part, pictures, least in (("training", data, 6), ("test", test, 4)):
        if len(pictures.pixels) < least:
            raise InputError(
                f"Evaluation needs at least {least} {part} pictures, not {len(pictures.pixels)}."
            )


def evaluate(
    model: LatentDiffusion,
    judge: Classifier,
    data: LabelledImages,
    test: LabelledImages,
    settings: SamplingSettings,
    count: int,
    seed: int = 0,
) -> dict:
    """All figures of the table, as a JSON-able dictionary. See `metrics` for their meaning.

    Raises InputError, before any work, where data or test hold too few pictures.
    """
    check_size(data, test)
    labels = labels_like(data.labels, count)
    started = time.perf_counter()
    samples = make_samples(model, labels, settings, seed)
    seconds = time.perf_counter() - started

    generator = torch.Generator().manual_seed(seed)
    some = torch.randperm(len(test.pixels), generator=generator)[:count]
    real, real_labels = test.pixels[some], test.labels[some]
    references = torch.randperm(len(data.pixels), generator=generator)[:REFERENCES]
    decoded = torch.cat([model.decode(model.encode(p)).cpu() for p in real.split(500)])

    train_features = judge.judge(data.pixels)[0].cpu()
    flat_train = data.pixels.flatten(1).float() / 255

    def scores(pixels: Tensor, wanted: Tensor) -> dict:
        features, predicted = (x.cpu() for x in judge.judge(pixels))
        right = predicted == wanted
        nearest = nearest_distance(pixels.flatten(1).float() / 255, flat_train)
        return {
            "accuracy": _mean(right),
            "frechet_distance": frechet_distance(train_features, features),
            "kernel_distance": kernel_distance(train_features[references], features),
            **manifold_scores(train_features[references], features)._asdict(),
            "nearest_distance": nearest.mean().item(),
            "accuracy_by_class": {
                name: _mean(right[wanted == i]) for i, name in enumerate(model.class_names)
            },
        }

    squared_error = (decoded.double() - real.double()).square().mean()
    return {
        "count": count,
        "real_count": len(some),
        "seed": seed,
        "settings": settings.to_dict(),
        "samples_per_second": count / seconds,
        "reconstruction_psnr_db": (10 * (255**2 / squared_error).log10()).item(),
        "samples": scores(samples, labels),
        "real": scores(real, real_labels),
        "reconstructions": scores(decoded, real_labels),
    }


def labels_like(labels: Tensor, count: int) -> Tensor:
    """`count` labels, sorted, each class as frequent as among labels (N,), to within one image.

    With another mix of classes, a distance to the training set would count the mix as a fault.
    """
    middles = (2 * torch.arange(count) + 1) * len(labels) // (2 * count)
    return labels.sort().values[middles]


def make_samples(
    model: LatentDiffusion, labels: Tensor, settings: SamplingSettings, seed: int
) -> Tensor:
    """One image for each label, uint8 (N, 28, 28); image i has the seed seed + i, modulo 2**32."""
    parts = []
    for start in tqdm(range(0, len(labels), BATCH), desc="sampling", unit="batch", disable=None):
        batch = labels[start : start + BATCH].tolist()
        seeds = [(seed + start + i) % (MAX_SEED + 1) for i in range(len(batch))]
        parts.append(model.generate(batch, seeds=seeds, **settings.to_dict()).cpu())
    return torch.cat(parts)


def table(report: dict) -> str:
    """The report as a Markdown table; a dash where there is nothing to tell."""
    samples, real, decoded = report["samples"], report["real"], report["reconstructions"]
    lines = [
        f"{report['count']} samples, seeds from {report['seed']}, "
        + ", ".join(f"{k} {v}" for k, v in report["settings"].items()),
        f"VAE reconstruction: {report['reconstruction_psnr_db']:.2f} dB PSNR",
        "",
        "| | samples | real test images | samples / real | VAE reconstructions |",
        "|---|---|---|---|---|",
    ]
    for key, value in samples.items():
        if isinstance(value, dict):
            continue
        ratio = value / real[key] if real[key] else None
        row = [f"{value:.4f}", f"{real[key]:.4f}", _shown(ratio, 3), f"{decoded[key]:.4f}"]
        lines.append(f"| {key.replace('_', ' ')} | " + " | ".join(row) + " |")
    lines += ["", "| class | accuracy of samples | of real test images |", "|---|---|---|"]
    for name, value in samples["accuracy_by_class"].items():
        lines.append(f"| {name} | {_shown(value)} | {_shown(real['accuracy_by_class'][name])} |")
    return "\n".join(lines)


def _mean(right: Tensor) -> float | None:
    """The share of true values; None of no values."""
    return right.double().mean().item() if len(right) else None


def _shown(value: float | None, digits: int = 4) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
