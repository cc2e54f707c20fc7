"""The export for diffusers beside our own: python -m benchmarks.diffusers_export [--count 240].

How many pixels of its pictures differ from ours, from the same noise; and how many digits of 500 a
classifier reads as their label, drawn with its stock schedulers.
"""

import argparse
import tempfile
from pathlib import Path

import diffusers
import numpy as np
import torch
from torch import Tensor

from ldm_core import LatentDiffusion
from ldm_core.diffusion.randomness import gaussian_noise
from ldm_core.evaluation.classifier import load_classifier
from ldm_core.export.diffusers.assemble import assemble

BATCH = 48
SCHEDULERS = (
    "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--count", type=int, default=240, help="pictures for each of the settings")
    args = parser.parse_args()
    model = LatentDiffusion.load(args.weights, backend="torch")
    with tempfile.TemporaryDirectory() as folder:
        assemble(model, Path(folder))
        pipe = diffusers.DiffusionPipeline.from_pretrained(folder, trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)

    print("| steps | guidance scale | pictures | that differ | pixels that differ | by at most |")
    print("|---|---|---|---|---|---|")
    for steps in (12, 16, 25):
        for scale in (1, 3.5):
            off = torch.cat(list(differences(model, pipe, args.count, steps, scale)))
            pictures = int((off > 0).flatten(1).any(dim=1).sum())
            counts = f"{len(off)} | {pictures} | {int((off > 0).sum())} | {off.max()}"
            print(f"| {steps} | {scale} | {counts} |", flush=True)

    judge = load_classifier(args.weights / "classifier.safetensors")
    labels = torch.arange(500) % 10
    own = pipe.scheduler
    print("\n| scheduler | read as their label |\n|---|---|")
    for name in SCHEDULERS:
        pipe.scheduler = getattr(diffusers, name).from_config(own.config)
        digits = [draw(pipe, part, seeds) for part, seeds in batches(labels)]
        read = judge.judge(torch.cat(digits))[1]
        print(f"| {name} | {int((read == labels).sum())} of {len(labels)} |", flush=True)


def differences(model: LatentDiffusion, pipe, count: int, steps: int, scale: float):
    """Yields |theirs - ours| in grey levels, uint8 (B, 28, 28)."""
    for labels, seeds in batches(torch.arange(count) % 10):
        options = {"steps": steps, "guidance_scale": scale, "sampler": "dpmpp_2m"}
        ours = model.generate(labels.tolist(), seeds=seeds, **options)
        theirs = draw(pipe, labels, seeds, num_inference_steps=steps, guidance_scale=scale)
        yield (ours.short() - theirs.short()).abs().to(torch.uint8)


def batches(labels: Tensor):
    yield from zip(labels.split(BATCH), torch.arange(len(labels)).split(BATCH))


def draw(pipe, labels: Tensor, seeds: Tensor, **options) -> Tensor:
    noise = gaussian_noise(seeds, 0, (4, 8, 8))
    pictures = pipe(label=labels.tolist(), latents=noise, **options).images
    return torch.from_numpy(np.stack(pictures))


if __name__ == "__main__":
    main()
