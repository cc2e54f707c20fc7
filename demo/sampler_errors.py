"""Measures how fast the samplers become exact, for the tab Inside, and keeps that with the weights:
python -m demo.sampler_errors weights."""

import argparse
import json
import sys
from collections import deque
from pathlib import Path
from typing import Any

from ldm_core import LatentDiffusion
from ldm_core.command_line import Parser, exit_status
from ldm_core.files.weights import weights_of

PROGRAM = "python -m demo.sampler_errors"
STEPS = (4, 8, 16, 32, 64)
EXACT = {"sampler": "heun", "steps": 1000}
ORDER = {"ddim": 1, "euler": 1, "heun": 2, "dpmpp_2m": 2, "unipc": 2}  # without fresh noise
SEEDS = (20_000, 20_001, 20_002, 20_003)
PLAIN = {"guidance_scale": 1.0}  # guidance that begins and ends on the way is not smooth


def measure(model: LatentDiffusion) -> dict[str, Any]:
    """For each sampler and number of steps the root mean square, over SEEDS, of the distance of
    the numbers of its latents to those of a run that is as good as exact."""
    prompts = [seed % len(model.class_names) for seed in SEEDS]

    def last(**how: Any):
        steps = model.denoise(prompts, seeds=SEEDS, **PLAIN, **how)
        return deque(steps, maxlen=1).pop().x_t

    exact = last(**EXACT)
    distance = lambda x: (x - exact).square().mean().sqrt().item()
    errors = {s: [distance(last(sampler=s, steps=n)) for n in STEPS] for s in ORDER}
    return {"weights": weights_of(model), "steps": STEPS, "errors": errors, "order": ORDER}


def main(argv: list[str] | None = None) -> int:
    parser = Parser(prog=PROGRAM, description=__doc__)
    parser.add_argument("folder", type=Path, help="the folder of the weights")
    args = parser.parse_args(argv)
    return exit_status(PROGRAM, lambda: _write(args), file=args.folder)


def _write(args: argparse.Namespace) -> None:
    found = measure(LatentDiffusion.load(args.folder))
    (args.folder / "samplers.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for sampler, errors in found["errors"].items():
        print(f"{sampler:10}", *(f"{error:10.5f}" for error in errors))


if __name__ == "__main__":
    sys.exit(main())
