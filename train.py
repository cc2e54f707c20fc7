"""Train the VAE and the U-Net: python train.py --help."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ldm_core.command_line import DONE, INTERRUPTED, Parser, exit_status, numbered
from ldm_core.data.datasets import DATASETS
from ldm_core.runtime.processes import joined
from ldm_core.training.run import STAGES, TrainingRun

DEFAULT_MINUTES = 10.0


def main(argv: list[str] | None = None) -> int:
    """Train as the command line says; returns the exit status (see `command_line.exit_status`)."""
    options = parse(argv)
    stopped = "stopped at once; --resume goes on from the last save."
    return exit_status(numbered("train.py"), lambda: _train(options), interrupted=stopped)


def _train(options: argparse.Namespace) -> int:
    remedy = "--resume goes on from the last save, also with another number of processes."
    with joined(options.device, remedy) as processes:
        return DONE if TrainingRun(options, processes).run() else INTERRUPTED


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog="train.py",
        description="Train the VAE and the U-Net.",
    )
    parser.add_argument("--stage", choices=STAGES, default="all", help="all: VAE, then U-Net")
    parser.add_argument(
        "--vae",
        type=Path,
        metavar="FOLDER",
        help="take the VAE of this folder, such as weights, and train the U-Net alone",
    )
    parser.add_argument(
        "--dataset",
        default="mnist",
        help=f"{', '.join(DATASETS)}, or a folder that holds a folder of images for each class",
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=Path("data"),
        help="with the data, or to download them to",
    )
    parser.add_argument("--out", type=Path, default=Path("weights"), help="checkpoints go here")
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes",
        type=positive(float),
        default=DEFAULT_MINUTES,
        help=f"time for the whole run (default {DEFAULT_MINUTES:g})",
    )
    length.add_argument(
        "--steps", type=positive(int), help="steps of each stage, instead of a time"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same weights")
    parser.add_argument(
        "--compile",
        action="store_true",
        help="compile the U-Net first: saves time in a run of an hour",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--save-seconds",
        type=positive(float),
        default=30.0,
        help="how often to save what --resume goes on from (default 30)",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="go on where a run with these options was stopped"
    )
    again.add_argument("--force", action="store_true", help="start over, and replace what exists")
    options = parser.parse_args(argv)
    if options.vae and options.stage not in ("all", "unet"):
        parser.error("--vae is for the U-Net: it goes with --stage all or unet.")
    return options


def positive(number: type) -> Callable[[str], float]:
    def parse_positive(text: str):
        value = number(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
        return value

    parse_positive.__name__ = number.__name__  # argparse names it in its message
    return parse_positive


if __name__ == "__main__":
    sys.exit(main())
