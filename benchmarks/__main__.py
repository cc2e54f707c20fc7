"""Speed beside a peer and beside the machine's limit, in one run: python -m benchmarks.

The peer is diffusers with parts of about our widths, eager and compiled. Ours and theirs take
turns, and ratios are taken round by round. The limit is how fast this machine multiplies matrices;
beside it stands what our networks, as written in PyTorch, would need to do in that time.
"""

import argparse
import importlib.metadata
import json
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from playwright.sync_api import Error

from ldm_core import LatentDiffusion, write_animation
from ldm_core.output.views import step_pictures

from .browser import measure as measure_browser
from .measure import Table, gflop, in_turn, matrix_product_limit, ratios
from .page import measure as measure_page
from .peer import GUIDANCE_SCALE, Peer
from .server import ROOT

STEPS, BATCH, LATENTS = 25, 64, 50
COMPILED_FROM = 5  # rounds; fewer are not worth minutes of compiling
# Steps, as in sampling, and pictures, as while a slider moves: the weights of the network are in
# the caches by then.
IN_A_ROW = 10
# As the peer does it: guidance at every step, where our default guides only the middle of the way.
GUIDED = {
    "sampler": "ddim",
    "guidance_scale": GUIDANCE_SCALE,
    "guidance_interval": (0.0, 1.0),
}
RESULTS = Path(__file__).parent / "results" / "latest.json"
START_UP = """
import time; begin = time.perf_counter()
from ldm_core import LatentDiffusion; imported = time.perf_counter()
model = LatentDiffusion.load({weights!r}, backend={backend!r}); loaded = time.perf_counter()
model.generate([7], seeds=[0])
print(imported - begin, loaded - imported, time.perf_counter() - loaded)
"""


class Ours:
    def __init__(self, weights: Path, backend: str):
        self.model = LatentDiffusion.load(weights, backend=backend)
        config = self.model.config
        context = torch.randn(2, 1, config.conditioning.n_tokens, config.unet.d_context)
        self.predict = {
            n: self.model.backend.predictor(context.expand(-1, n, -1, -1)) for n in (1, BATCH)
        }

    def guided_step(self, x_t: torch.Tensor) -> torch.Tensor:
        cond, uncond = self.predict[len(x_t)](x_t, x_t.new_full((len(x_t),), 0.5))
        return uncond + GUIDANCE_SCALE * (cond - uncond)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return self.model.backend.decode(z)

    def generate(self, count: int, steps: int) -> torch.Tensor:
        labels = [i % 10 for i in range(count)]
        return self.model.generate(labels, seeds=range(count), steps=steps, **GUIDED)

    def animation(self, steps: int, path: Path) -> None:
        stream = self.model.denoise([7], seeds=[0], steps=steps, **GUIDED)
        frames = step_pictures(self.model, stream, "noisy")
        write_animation(path, (pictures[0, 0] for pictures in frames), settings={}, scale=8)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--rounds", type=int, default=20, help="of all columns, for each row (20)")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=[*TABLES], help="tables")
    args = parser.parse_args()

    packages = ("torch", "diffusers", "numpy", "onnxruntime")
    report = {name: importlib.metadata.version(name) for name in packages} | {
        "python": platform.python_version(),
        "threads": torch.get_num_threads(),
        "rounds": args.rounds,
    }
    print(", ".join(f"{name} {value}" for name, value in report.items()))
    for name in args.only:
        print(flush=True)
        try:
            report[name] = TABLES[name](args.weights, args.rounds)
        except Error as error:  # no Chromium
            print(f"{name}: none, {error.message.splitlines()[0]}")
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


@torch.inference_mode()
def _speed(weights: Path, rounds: int) -> dict:
    limit = matrix_product_limit()
    print(f"matrix products: {limit:.0f} GFLOP/s\n")
    ours, eager, peer = Ours(weights, "auto"), Ours(weights, "torch"), Peer()
    columns = {"ours": ours, "ours, torch": eager, "diffusers": peer}
    if rounds >= COMPILED_FROM and shutil.which("c++"):
        columns["diffusers, compiled"] = peer.compiled()
    one, many, latents = (torch.randn(n, 4, 8, 8) for n in (1, BATCH, LATENTS))
    with tempfile.TemporaryDirectory() as folder:
        gif = Path(folder) / "a.gif"
        rows: dict[str, Callable] = {
            f"{IN_A_ROW} guided steps, 1 image": lambda it: _repeat(it.guided_step, one),
            f"guided step, {BATCH} images": lambda it: it.guided_step(many),
            f"decode {LATENTS} latents": lambda it: it.decode(latents),
            f"{STEPS}-step animation, every step decoded, GIF": lambda it: it.animation(STEPS, gif),
            f"{BATCH} images in {STEPS} steps": lambda it: it.generate(BATCH, STEPS),
        }
        print("| | " + " | ".join(columns) + " | ratio: median (min to max) | of the limit |")
        print("|---" * (len(columns) + 3) + "|")
        found = {name: _row(name, call, columns, rounds, limit) for name, call in rows.items()}
    return {"matrix_product_gflops": limit, **found}


def _student(weights: Path, rounds: int) -> Table:
    """A picture with the stored settings, and by the student, if there is one."""
    model, table = LatentDiffusion.load(weights), Table("a picture", {})
    steps = (2, 1) if model.student else ()
    hows = {f"{n}-step, student": {"sampler": "student", "steps": n} for n in steps}
    hows = {f"{model.defaults.steps}-step, default": {}} | hows
    draw = partial(model.generate, [7], seeds=[0])
    calls = {name: partial(_repeat, partial(draw, **how)) for name, how in hows.items()}
    for name, times in in_turn(calls, rounds).items():
        table.row(name, "ms", [1000 * time / IN_A_ROW for time in times])
    return table


def _repeat(call: Callable, *given: Any) -> None:
    for _ in range(IN_A_ROW):
        call(*given)


def _row(name: str, call: Callable, columns: dict, rounds: int, limit: float) -> dict:
    """Measure a row and print it."""
    calls = {column: partial(call, it) for column, it in columns.items()}
    times = in_turn(calls, rounds)
    medians = {column: 1000 * statistics.median(values) for column, values in times.items()}
    work = gflop(lambda: call(columns["ours, torch"]))
    against = {c: ratios(times["ours"], times[c]) for c in times if c != "ours"}
    share = work / (medians["ours"] / 1000) / limit
    cells = [f"{ms:.1f} ms" for ms in medians.values()]
    peer = against["diffusers"]
    span = f"{peer['ratio']:.2f} ({peer['ratio_min']:.2f} to {peer['ratio_max']:.2f})"
    print(f"| {name} | " + " | ".join(cells) + f" | {span} | {share:.0%} |", flush=True)
    return {"ms": medians, "ratios": against, "gflop": work, "share_of_limit": share}


def _start_up(weights: Path, rounds: int) -> Table:
    """Of a fresh process."""
    table = Table("start", {})
    for backend in ("auto", "torch"):
        code = START_UP.format(weights=str(weights.resolve()), backend=backend)
        command = [sys.executable, "-c", code]
        runs = [subprocess.check_output(command, cwd=ROOT, text=True).split() for _ in range(3)]
        for i, what in enumerate(("imports", "load", "first image")):
            table.row(f"{what}, {backend}", "s", [float(run[i]) for run in runs])
    return table


TABLES = {
    "speed": _speed,
    "start": _start_up,
    "student": _student,
    "browser": measure_browser,
    "page": measure_page,
}

if __name__ == "__main__":
    main()
