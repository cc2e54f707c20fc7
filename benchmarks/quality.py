"""Quality against cost: python -m benchmarks.quality [--data-dir data] [--count 2000].

Accuracy and Fréchet distance of unpicked samples, for every sampler against steps, and for guidance
scales and intervals. Prints Markdown tables; `docs/samplers.md` holds a run of it.
"""

import argparse
from pathlib import Path

import torch

from ldm_core import SAMPLERS, LatentDiffusion, SamplingSettings
from ldm_core.data.datasets import load_dataset
from ldm_core.evaluation.classifier import load_classifier
from ldm_core.evaluation.metrics import frechet_distance
from ldm_core.evaluation.samples import labels_like, make_samples

STEPS = (5, 10, 20)
GUIDANCE = [  # scale, interval
    (1.0, (0.0, 1.0)),
    (1.25, (0.0, 1.0)),
    (1.5, (0.0, 1.0)),
    (1.5, (0.4, 0.9)),
    (2.3, (0.4, 0.8)),
    (2.0, (0.4, 0.7)),
    (3.0, (0.4, 0.7)),
    (4.0, (0.4, 0.7)),
    (3.5, (0.4, 0.7)),
]
TABLES = ("guidance", "spacing", "samplers")
SPACINGS = ("time", "log_snr", "karras")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    args = parser.parse_args()

    model = LatentDiffusion.load(args.weights)
    judge = load_classifier(args.weights / "classifier.safetensors")
    data = load_dataset("mnist", args.data_dir, train=True)
    train_features = judge.judge(data.pixels)[0]
    test = load_dataset("mnist", args.data_dir, train=False)
    labels = labels_like(data.labels, args.count)
    real = test.pixels[of_classes(test.labels, labels)]
    of_real = frechet_distance(train_features, judge.judge(real)[0])

    def score(**options) -> str:
        samples = make_samples(model, labels, SamplingSettings(**options), seed=0)
        features, predicted = judge.judge(samples)
        accuracy = (predicted == labels).double().mean().item()
        return f"{accuracy:.1%}, {frechet_distance(train_features, features):.3f}"

    print(f"{args.count} samples, seeds from 0. Accuracy, Fréchet distance.")
    print(f"As many real test images have a distance of {of_real:.3f}.\n")
    if "guidance" in args.tables:
        print("| guidance scale | guided where t is | |\n|---|---|---|")
        for scale, (low, high) in GUIDANCE:
            found = score(guidance_scale=scale, guidance_interval=(low, high))
            print(f"| {scale:g} | {low:g} to {high:g} | {found} |", flush=True)
    if "spacing" in args.tables:
        print("\n| spacing | |\n|---|---|")
        for spacing in SPACINGS:
            print(f"| {spacing} | {score(spacing=spacing)} |", flush=True)
    if "samplers" in args.tables:
        print("\n| sampler | " + " | ".join(f"{steps} steps" for steps in STEPS) + " |")
        print("|---|" + "---|" * len(STEPS))
        for sampler in SAMPLERS:
            row = [score(sampler=sampler, steps=steps) for steps in STEPS]
            print(f"| {sampler} | " + " | ".join(row) + " |", flush=True)


def of_classes(labels: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Indices of random examples, of each class as many as wanted: another mix of classes would be
    most of their distance."""
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))
    counts = enumerate(wanted.bincount().tolist())
    return torch.cat([order[labels[order] == label][:count] for label, count in counts])


if __name__ == "__main__":
    main()
