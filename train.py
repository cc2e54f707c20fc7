"""Train the VAE and the U-Net: python train.py --help."""

import argparse
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torchvision.utils import save_image

from ldm_core import CheckpointError, LatentDiffusion
from ldm_core.classifier import Classifier, train_classifier
from ldm_core.config import ClassifierConfig, ConditioningConfig, ModelConfig, TrainingConfig
from ldm_core.datasets import DATASETS, LabelledImages, load_dataset
from ldm_core.training import (
    encode_dataset,
    reconstruction_psnr,
    reconstructions,
    sample_grid,
    train_unet,
    train_vae,
)
from ldm_core.training_loop import Budget, NonFiniteLoss, TrainingResult
from ldm_core.vae import VAE

STAGES = {"vae": ["vae"], "unet": ["unet"], "all": ["vae", "unet"], "classifier": ["classifier"]}
VAE_SHARE = 0.2  # of the time of a whole run: past that, a sharper VAE gains less than a U-Net does
DEFAULT_MINUTES = 10.0


def main(argv: list[str] | None = None) -> int:
    """Train as the command line says; returns the exit status."""
    args = parse(argv)
    args.started = time.monotonic()
    try:
        device = choose_device(args.device)
        refuse_to_overwrite(args)
        data = load_dataset(args.dataset, args.data_dir, train=True)
        test = load_dataset(args.dataset, args.data_dir, train=False)
        for stage in STAGES[args.stage]:
            result = RUN[stage](args, device, data, test)
            if result.interrupted:
                return 130
    except (CheckpointError, NonFiniteLoss, RuntimeError, ValueError, OSError) as error:
        print(f"train.py: {error}", file=sys.stderr)
        return 1
    return 0


def run_vae(args, device, data: LabelledImages, test: LabelledImages) -> TrainingResult:
    torch.manual_seed(args.seed)  # the initial weights
    model = LatentDiffusion(ModelConfig(conditioning=ConditioningConfig(data.class_names)))
    model.to(device)
    show = progress_grid(args.out, "vae", lambda: reconstructions(model, test.pixels[:40]))
    config = TrainingConfig(seed=args.seed)
    result = train_vae(model, data, budget(args, VAE_SHARE), config, show)
    quality = {"test_psnr_db": round(reconstruction_psnr(model, test.pixels), 2)}
    path = args.out / "vae.safetensors"
    model.vae.save(path, record(args, config, result, **quality))
    return report("VAE", path, result, **quality)


def run_unet(args, device, data: LabelledImages, test: LabelledImages) -> TrainingResult:
    torch.manual_seed(args.seed + 1)
    vae = VAE.load(args.out / "vae.safetensors")
    parts = ModelConfig(conditioning=ConditioningConfig(data.class_names))
    model = LatentDiffusion.around(vae, parts.to_dict()).to(device)
    latents = encode_dataset(model, data.pixels)
    show = progress_grid(args.out, "unet", lambda: sample_grid(model))
    config = TrainingConfig(seed=args.seed)
    result = train_unet(model, latents, data.labels, budget(args), config, show)
    model.save_unet(args.out / "unet.safetensors", record(args, config, result))
    return report("U-Net", args.out / "unet.safetensors", result)


def run_classifier(args, device, data: LabelledImages, test: LabelledImages) -> TrainingResult:
    torch.manual_seed(args.seed + 2)
    classifier = Classifier(ClassifierConfig(class_names=data.class_names))
    config = TrainingConfig(seed=args.seed)
    result = train_classifier(classifier, data, budget(args), config, device)
    predicted = classifier.judge(test.pixels)[1].cpu()
    quality = {"test_accuracy": round((predicted == test.labels).double().mean().item(), 4)}
    path = args.out / "classifier.safetensors"
    classifier.save(path, record(args, config, result, **quality))
    return report("classifier", path, result, **quality)


RUN = {"vae": run_vae, "unet": run_unet, "classifier": run_classifier}


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="train.py", description="Train the VAE and the U-Net that page and sampler load."
    )
    parser.add_argument("--stage", choices=STAGES, default="all", help="all: VAE, then U-Net")
    parser.add_argument("--dataset", choices=DATASETS, default="mnist")
    parser.add_argument(
        "--data-dir", type=Path, default=Path("data"), help="downloaded to when absent"
    )
    parser.add_argument("--out", type=Path, default=Path("weights"), help="checkpoints go here")
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes",
        type=positive(float),
        default=DEFAULT_MINUTES,
        help=f"time for the whole run (default {DEFAULT_MINUTES:g})",
    )
    length.add_argument("--steps", type=positive(int), help="of each stage, instead of a time")
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same weights")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--force", action="store_true", help="replace checkpoints that exist")
    return parser.parse_args(argv)


def positive(number: type) -> Callable[[str], float]:
    def parse_positive(text: str):
        value = number(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
        return value

    parse_positive.__name__ = number.__name__  # argparse names it in its message
    return parse_positive


def choose_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: PyTorch finds no CUDA device here. Use --device cpu.")
    return device


def refuse_to_overwrite(args: argparse.Namespace) -> None:
    """Raise ValueError where the run would replace checkpoints and --force does not allow it."""
    existing = [args.out / f"{stage}.safetensors" for stage in STAGES[args.stage]]
    existing = [str(path) for path in existing if path.exists()]
    if existing and not args.force:
        raise ValueError(
            f"{' and '.join(existing)} would be replaced. Pass --force to allow it, or --out to "
            "write to another folder."
        )


def budget(args: argparse.Namespace, share: float = 1.0) -> Budget:
    """The steps asked for, or a share of the time that is left of the whole run."""
    if args.steps:
        return Budget(steps=args.steps)
    left = args.minutes * 60 - (time.monotonic() - args.started)
    return Budget(seconds=max(left, 0.0) * share)


def progress_grid(out: Path, name: str, draw: Callable[[], torch.Tensor]) -> Callable[[int], None]:
    """A callback that writes a grid of images, ten columns wide, into out/progress."""

    folder = out / "progress"
    folder.mkdir(parents=True, exist_ok=True)

    def show(step: int) -> None:
        images = draw().unsqueeze(1).cpu().float() / 255
        save_image(images, folder / f"{name}_{step:06d}.png", nrow=10, pad_value=0.2)

    return show


def record(args, config: TrainingConfig, result: TrainingResult, **quality: float) -> dict:
    """What a checkpoint says of its making."""
    last = result.losses[-100:] or [float("nan")]
    return {
        "config": config.to_dict(),
        "dataset": args.dataset,
        "steps": result.steps,
        "seconds": round(result.seconds, 1),
        "interrupted": result.interrupted,
        "loss": round(sum(last) / len(last), 5),
        "losses": [round(loss, 5) for loss in result.losses[:: max(1, result.steps // 100)]],
        **quality,
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, {args.device}",
        "date": time.strftime("%Y-%m-%d"),
    }


def report(name: str, path: Path, result: TrainingResult, **quality: float) -> TrainingResult:
    found = "".join(f", {key} {value}" for key, value in quality.items())
    print(f"{name}: {result.steps} steps in {result.seconds:.0f} s{found} -> {path}")
    return result


if __name__ == "__main__":
    sys.exit(main())
