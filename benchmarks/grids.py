"""Seconds that a grid of the tab Compare takes, all its steps decoded and sent, and its labelled
pictures; beside it the same cells as single runs: python -m benchmarks.grids."""

import argparse
import statistics
import time
from pathlib import Path

from demo.grid import Grid, messages
from demo.grid_picture import drawn
from demo.run import Runner
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
    given = {"across": "label", "across_values": list(range(SIDE))}
    grid = Grid.check(model, given | {"down": "seed", "down_values": list(range(SIDE))})
    runner = Runner(model)
    ways = {
        "cells": lambda: list(messages(runner, grid)),
        "labelled": lambda: drawn(runner, grid),
        "single runs": lambda: [list(runner.steps(cell)) for cell in grid.cells],
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds + 1):  # the first is slower: it is left out
        for name, draw in ways.items():
            begin = time.perf_counter()
            draw()
            times[name].append(time.perf_counter() - begin)
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
