"""Seconds that a grid of the tab Compare takes, all its steps decoded and sent, and then its files;
beside it the same cells as single runs: python -m benchmarks.grids."""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from demo.grid_files import messages
from demo.runs import Runner

from demo.compare import Grid
from ldm_core import LatentDiffusion

SIDE = 8  # cells


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grids", description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    measure(args.weights, args.rounds)


def measure(weights: Path, rounds: int) -> dict[str, dict[str, float]]:
    model = LatentDiffusion.load(weights)
    grid = Grid.check(model, "label", list(range(SIDE)), "seed", list(range(SIDE)))
    times: dict[str, list[float]] = {"cells": [], "files": [], "single runs": []}
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(model, Path(folder))
        for _ in range(rounds + 1):  # the first is slower: it is left out
            begin = time.perf_counter()
            ends = [time.perf_counter() for _ in messages(runner, grid)]
            times["cells"].append(ends[-2] - begin)  # the last message has the files
            times["files"].append(ends[-1] - ends[-2])
            begin = time.perf_counter()
            for cell in grid.cells:
                list(runner.steps(cell))
            times["single runs"].append(time.perf_counter() - begin)
    print(f"| {grid.cost()} | median | min | max |\n|---|---|---|---|")
    found = {}
    for name, (_, *seconds) in times.items():
        found[name] = {
            "median_s": statistics.median(seconds),
            "min_s": min(seconds),
            "max_s": max(seconds),
        }
        print(f"| {name} | " + " | ".join(f"{s:.2f} s" for s in found[name].values()) + " |")
    return found


if __name__ == "__main__":
    main()
