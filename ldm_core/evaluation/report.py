"""How good are the samples: unpicked ones are made, judged and put into a table.

The judge is a classifier that sampling never uses. Every figure stands beside the score of as many
real test images.
"""

import time

import torch
from torch import Tensor
from tqdm import tqdm

from ..data.datasets import LabelledImages
from ..diffusion.settings import SamplingSettings
from ..latent_diffusion import LatentDiffusion
from .classifier import Classifier
from .metrics import frechet_distance, kernel_distance, manifold_scores, nearest_distance

BATCH = 250
REFERENCES = 10_000  # training images that precision, recall, density and coverage look at


def evaluate(
    model: LatentDiffusion,
    judge: Classifier,
    data: LabelledImages,
    test: LabelledImages,
    settings: SamplingSettings,
    count: int,
    seed: int = 0,
) -> dict:
    """All figures of the table, as a JSON-able dictionary. See `metrics` for their meaning."""
    labels = labels_like(data.labels, count)
    started = time.perf_counter()
    samples = make_samples(model, labels, settings, seed)
    seconds = time.perf_counter() - started

    generator = torch.Generator().manual_seed(seed)
    some = torch.randperm(len(test.pixels), generator=generator)[:count]
    real = LabelledImages(test.pixels[some], test.labels[some], test.class_names)
    references = torch.randperm(len(data.pixels), generator=generator)[:REFERENCES]
    decoded = torch.cat([model.decode(model.encode(p)).cpu() for p in real.pixels.split(500)])

    train_features = judge.judge(data.pixels)[0].cpu()
    scores = {}
    flat_train = data.pixels.flatten(1).float() / 255
    for name, pixels, wanted in (
        ("samples", samples, labels),
        ("real", real.pixels, real.labels),
        ("reconstructions", decoded, real.labels),
    ):
        features, predicted = (x.cpu() for x in judge.judge(pixels))
        right = predicted == wanted
        scores[name] = {
            "accuracy": right.double().mean().item(),
            "frechet_distance": frechet_distance(train_features, features),
            "kernel_distance": kernel_distance(train_features[references], features),
            **manifold_scores(train_features[references], features)._asdict(),
            "nearest_distance": nearest_distance(pixels.flatten(1).float() / 255, flat_train)
            .mean()
            .item(),
            "accuracy_by_class": {
                class_name: right[wanted == i].double().mean().item()
                for i, class_name in enumerate(model.class_names)
            },
        }
    squared_error = (decoded.double() - real.pixels.double()).square().mean()
    return {
        "count": count,
        "real_count": len(some),
        "seed": seed,
        "settings": settings.to_dict(),
        "samples_per_second": count / seconds,
        "reconstruction_psnr_db": (10 * (255**2 / squared_error).log10()).item(),
        **scores,
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
    """One image per label, image i with seed `seed + i`: uint8 (N, 28, 28)."""
    parts = []
    for start in tqdm(range(0, len(labels), BATCH), desc="sampling", unit="batch", disable=None):
        batch = labels[start : start + BATCH].tolist()
        seeds = [seed + start + i for i in range(len(batch))]
        parts.append(model.generate(batch, seeds=seeds, **settings.to_dict()).cpu())
    return torch.cat(parts)


def table(report: dict) -> str:
    """The report as a Markdown table."""
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
        row = [f"{x[key]:.4f}" for x in (samples, real)]
        row += [f"{value / real[key]:.3f}", f"{decoded[key]:.4f}"]
        lines.append(f"| {key.replace('_', ' ')} | " + " | ".join(row) + " |")
    lines += ["", "| class | accuracy of samples | of real test images |", "|---|---|---|"]
    for name, value in samples["accuracy_by_class"].items():
        lines.append(f"| {name} | {value:.4f} | {real['accuracy_by_class'][name]:.4f} |")
    return "\n".join(lines)
