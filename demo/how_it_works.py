"""Makes the pictures of docs/how-it-works.md, of what the panels of the tab Inside show:
python -m demo.how_it_works docs/images."""

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ldm_core import InputError, LatentDiffusion, write_png
from ldm_core.command_line import WEIGHTS, Parser, exit_status
from ldm_core.files.pictures import lay_out
from ldm_core.output.file_settings import picture_text

from .inside import noise, path
from .real_digits import real_digits
from .run import Runner

PROGRAM = "python -m demo.how_it_works"
SCALE = 3
STYLES = ("", "thin", "bold", "leaning left", "leaning right", "narrow", "wide")
PARTS = ([], ["time"], ["cross_attention.mid"], ["skip.0"], ["self_attention.up.0"], ["guidance"])
NOISED = 3  # the digit under noise, and how many of the times are shown
EVERY = 2


def noised(runner: Runner) -> np.ndarray:
    """A real digit under more and more noise, and what the network finds in it: a row for each.
    Raises InputError where no real digits lie beside the weights."""
    digits = real_digits(runner.folder, runner.model)
    if digits is None:
        raise InputError("There are no real digits: python -m demo.real_digits makes them.")
    label = runner.model.class_names[NOISED]
    found = noise(runner, {"request": {"label": label}, "picture": picture_text(digits[NOISED])})
    rows = [found[name][::EVERY].numpy() for name in ("decoded", "estimate")]
    return lay_out(np.concatenate(rows), columns=len(rows[0]))


def words(runner: Runner) -> np.ndarray:
    """Each class without and with words of style: a row for each style, a seed for each column."""
    names = runner.model.class_names
    prompts = [[f"{style} {name}".strip() for name in names] for style in STYLES]
    return _drawn(runner, [[{"prompt": one} for one in row] for row in prompts])


def off(runner: Runner) -> np.ndarray:
    """Each class without a part of the system: a row for each part, a seed for each column."""
    names = runner.model.class_names
    return _drawn(runner, [[{"label": name, "off": part} for name in names] for part in PARTS])


PICTURES: dict[str, Callable[[Runner], np.ndarray]] = {f.__name__: f for f in (noised, words, off)}


def _drawn(runner: Runner, rows: list[list[dict[str, Any]]]) -> np.ndarray:
    """What requests draw, each column from a seed of its own."""
    requests = [given | {"seed": seed} for row in rows for seed, given in enumerate(row)]
    ends = [path(runner, {"request": request})["pictures"][-1] for request in requests]
    return lay_out(np.stack(ends), columns=len(rows[0]))


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog=PROGRAM, description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write the pictures")
    parser.add_argument("--weights", **WEIGHTS)
    args = parser.parse_args(argv)
    return exit_status(PROGRAM, lambda: _write(args), file=args.folder)


def _write(args: argparse.Namespace) -> None:
    model = LatentDiffusion.from_pretrained(args.weights)
    runner = Runner(model, folder=model.folder, deadline_s=math.inf)
    for name, draw in PICTURES.items():
        file = args.folder / f"{name}.png"
        write_png(file, draw(runner), settings={}, scale=SCALE)
        print(f"wrote {file}")


if __name__ == "__main__":
    sys.exit(main())
