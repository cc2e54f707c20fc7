"""How good are the samples: python -m ldm_core.evaluate makes unpicked samples and prints a table.

The judge is `weights/classifier.safetensors`, which sampling never uses. Every distance stands
beside its floor, the score of as many real test images.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from .backends import BACKENDS
from .checkpoint import CheckpointError
from .classifier import Classifier
from .datasets import DATASETS, LabelledImages, load_dataset
from .latent_diffusion import LatentDiffusion
from .sampling_options import add_sampling_options, given_options
from .settings import SamplingSettings

BATCH = 250
REFERENCES = 10_000  # training images that precision, recall, density and coverage look at


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m ldm_core.evaluate", description=__doc__)
    parser.add_argument(
        "--weights", type=Path, default=Path("weights"), help="folder of the checkpoints (weights)"
    )
    parser.add_argument(
        "--dataset", default="mnist", help=f"{', '.join(DATASETS)}, or a folder (mnist)"
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("data"),
        help="where the data set is, or is downloaded to (data)",
    )
    parser.add_argument(
        "--count",
        type=int,
        default=10_000,
        help="samples, of each class as often as in the training set (10000)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first sample; sample i has seed + i (0)"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N (cpu)")
    parser.add_argument(
        "--backend", choices=BACKENDS, default="auto", help="what runs the networks (auto)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    add_sampling_options(parser)
    args = parser.parse_args(argv)
    try:
        settings = SamplingSettings.from_dict(given_options(args))
        if not 100 <= args.count <= 60_000:
            raise ValueError(f"--count must be from 100 to 60000, not {args.count}.")
        model = LatentDiffusion.load(args.weights, args.device, args.backend)
        judge = Classifier.load(args.weights / "classifier.safetensors", args.device)
        data = load_dataset(args.dataset, args.data_dir, train=True)
        test = load_dataset(args.dataset, args.data_dir, train=False)
        for what, names in (("weights", model.class_names), ("judge", judge.config.class_names)):
            if names != data.class_names:
                raise ValueError(
                    f"The {what} in {args.weights} know other classes ({', '.join(names)}) than "
                    f"--dataset {args.dataset} has ({', '.join(data.class_names)})."
                )
        report = evaluate(model, judge, data, test, settings, args.count, args.seed)
    except (CheckpointError, RuntimeError, ValueError) as error:
        print(f"evaluate: {error}", file=sys.stderr)
        return 2
    print(json.dumps(report) if args.json else table(report))
    return 0


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
    from .metrics import frechet_distance, kernel_distance, manifold_scores, nearest_distance

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

    A distance to the training set would count another mix of classes as a fault of the samples.
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
        "| | samples | real test images (floor) | samples / floor | VAE reconstructions |",
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


if __name__ == "__main__":
    sys.exit(main())
