"""Speed beside a peer and beside the machine's limit, in one run: python -m benchmarks.

The peer is diffusers with parts of about our widths, eager and compiled. Ours and theirs take
turns, and ratios are taken round by round. The limit is how fast this machine multiplies matrices;
beside it stands what our networks, as written in PyTorch, would need to do in that time.
"""

import argparse
import importlib.metadata
import json
import platform
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from ldm_core import LatentDiffusion, write_animation
from ldm_core.output.views import step_pictures

from .browser import measure as measure_browser
from .measure import fresh_process, gflop, in_turn, matrix_product_limits, ratios
from .page import measure as measure_page
from .peer import GUIDANCE_SCALE, Peer

STEPS, BATCH, LATENTS = 25, 64, 50
IN_A_ROW = 10  # steps, as in sampling: the weights of the network are in the caches by then
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
    parser.add_argument("--quick", action="store_true", help="few rounds, nothing compiled")
    args = parser.parse_args()
    rounds = 3 if args.quick else args.rounds

    about = {
        **{name: importlib.metadata.version(name) for name in ("torch", "diffusers", "numpy")},
        "onnxruntime": _version("onnxruntime"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "rounds": rounds,
    }
    print(", ".join(f"{name} {value}" for name, value in about.items()))
    limits = matrix_product_limits()
    print("matrix products: " + ", ".join(f"{n} {v:.0f} GFLOP/s" for n, v in limits.items()) + "\n")
    with torch.inference_mode():
        speed = _speed(args.weights, rounds, max(limits.values()), compiled=not args.quick)
    print(flush=True)
    start_up = _start_up(args.weights)
    print(flush=True)
    student = _student(args.weights, rounds)
    print(flush=True)
    browser = measure_browser(args.weights, rounds)
    print(flush=True)
    page = measure_page(args.weights, rounds)
    RESULTS.parent.mkdir(exist_ok=True)
    report = {"matrix_product_gflops": limits, "speed": speed, "start_up": start_up}
    report = about | report | {"student": student, "browser": browser, "page": page}
    RESULTS.write_text(json.dumps(report, indent=1) + "\n")


def _speed(weights: Path, rounds: int, limit: float, *, compiled: bool) -> dict:
    ours, eager, peer = Ours(weights, "auto"), Ours(weights, "torch"), Peer()
    columns = {"ours": ours, "ours, torch": eager, "diffusers": peer}
    if compiled:
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
        return {name: _row(name, call, columns, rounds, limit) for name, call in rows.items()}


def _student(weights: Path, rounds: int) -> dict:
    """Milliseconds of a picture with the stored settings, and by the student."""
    model = LatentDiffusion.load(weights)
    if model.student is None:
        return {}
    hows = {f"{n}-step, student": {"sampler": "student", "steps": n} for n in (2, 1)}
    hows = {f"{model.defaults.steps}-step, default": {}} | hows
    calls = {n: partial(model.generate, [7], seeds=[0], **how) for n, how in hows.items()}
    times = in_turn(calls, rounds)
    print("| picture | | default / it: median (min to max) |\n|---|---|---|")
    default, found = next(iter(times.values())), {}
    for name, values in times.items():
        found[name] = {"ms": 1000 * statistics.median(values), **ratios(values, default)}
        ratio, low, high = (found[name][key] for key in ("ratio", "ratio_min", "ratio_max"))
        span = f"{ratio:.2f} ({low:.2f} to {high:.2f})"
        print(f"| {name} | {found[name]['ms']:.1f} ms | {span} |", flush=True)
    return found


def _repeat(step: Callable, x_t: torch.Tensor) -> None:
    for _ in range(IN_A_ROW):
        step(x_t)


def _row(name: str, call: Callable, columns: dict, rounds: int, limit: float) -> dict:
    """Measure a row and print it."""
    calls, missing = {}, {}
    for column, it in columns.items():
        try:
            call(it)
            calls[column] = lambda it=it: call(it)
        except Exception as error:  # torch.compile raises anything where there is no compiler
            if "compiled" not in column:
                raise
            missing[column] = type(error).__name__
    times = in_turn(calls, rounds)
    medians = {column: 1000 * statistics.median(values) for column, values in times.items()}
    work = gflop(lambda: call(columns["ours, torch"]))
    against = {c: ratios(times["ours"], times[c]) for c in times if c != "ours"}
    share = work / (medians["ours"] / 1000) / limit
    cells = [f"{medians[c]:.1f} ms" if c in medians else f"none: {missing[c]}" for c in columns]
    peer = against["diffusers"]
    span = f"{peer['ratio']:.2f} ({peer['ratio_min']:.2f} to {peer['ratio_max']:.2f})"
    print(f"| {name} | " + " | ".join(cells) + f" | {span} | {share:.0%} |", flush=True)
    return {"ms": medians, "ratios": against, "gflop": work, "share_of_limit": share} | (
        {"missing": missing} if missing else {}
    )


def _start_up(weights: Path) -> dict:
    """Seconds in a fresh process, the best of three."""
    print("| start | imports | load | first image |\n|---|---|---|---|")
    found = {}
    for backend in ("auto", "torch"):
        code = START_UP.format(weights=str(weights.resolve()), backend=backend)
        runs = [fresh_process("-c", code).split() for _ in range(3)]
        imports, load, image = (min(float(run[i]) for run in runs) for i in range(3))
        found[backend] = {"imports_s": imports, "load_s": load, "first_image_s": image}
        print(f"| {backend} | {imports:.2f} s | {load:.2f} s | {image:.2f} s |", flush=True)
    return found


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "none"


if __name__ == "__main__":
    main()
