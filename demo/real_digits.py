"""Keeps a real digit of each class with the weights, for the tab Inside:
python -m demo.real_digits weights."""

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ldm_core import LatentDiffusion, read_settings, write_png
from ldm_core.command_line import Parser, exit_status

PROGRAM = "python -m demo.real_digits"
FILE = "digits.png"


def real_digits(folder: Path | None, model: LatentDiffusion) -> np.ndarray | None:
    """The digits that lie beside the weights, uint8 (classes, 28, 28); None where there are none,
    or others than the model has learned from."""
    file = folder and folder / FILE
    if not file or not file.is_file() or read_settings(file) != _source(model):
        return None
    with Image.open(file) as image:
        return np.stack(np.split(np.asarray(image), len(model.class_names), axis=1))


def write_digits(folder: Path, model: LatentDiffusion, pixels: Tensor, labels: Tensor) -> None:
    """Write the first picture of each class side by side, with what the model has learned from."""
    first = [pixels[labels == i][0] for i in range(len(model.class_names))]
    write_png(folder / FILE, torch.cat(first, dim=1).numpy(), settings=_source(model), scale=1)


def _source(model: LatentDiffusion) -> dict[str, Any]:
    """The data set that a model has learned from, and its fingerprint."""
    record = model.records.get("unet", {})
    return {"dataset": record.get("dataset"), "data": record.get("settings", {}).get("data")}


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog=PROGRAM, description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of the weights")
    parser.add_argument("--data-dir", default="data", help="where the data set is (data)")
    args = parser.parse_args(argv)
    return exit_status(PROGRAM, lambda: _write(args), file=args.folder)


def _write(args: argparse.Namespace) -> None:
    # Here, since the page reads this file too, and torchvision would take 160 MB of its memory.
    from ldm_core.data.datasets import load_dataset

    model = LatentDiffusion.load(args.folder)
    test = load_dataset(_source(model)["dataset"], args.data_dir, train=False)
    write_digits(args.folder, model, test.pixels, test.labels)
    print(f"wrote {args.folder / FILE}")


if __name__ == "__main__":
    sys.exit(main())
