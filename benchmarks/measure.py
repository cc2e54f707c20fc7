"""Times of calls in turn, floating-point operations, and tables of medians."""

import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch.utils.flop_counter import FlopCounterMode

from ldm_core.runtime.onnx_backend import import_onnxruntime
from ldm_core.runtime.onnx_graph import Graph


class Table(dict[str, float]):
    """The medians of its rows by their names. budget: the cells of the last column."""

    def __init__(self, title: str, budget: Mapping[str, str]):
        super().__init__()
        self.budget = budget
        print(f"| {title} | median | least to most | budget |\n|---|---|---|---|")

    def row(self, name: str, unit: str, values: list[float]) -> None:
        """Print a row, and keep its median."""
        self[name] = statistics.median(values)
        span = f"{min(values):.3g} to {max(values):.3g}" if len(values) > 1 else ""
        cells = [name, f"{self[name]:.3g} {unit}", span, self.budget.get(name, "")]
        print("|", " | ".join(cells), "|", flush=True)


def in_turn(calls: Mapping[str, Callable], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call in each round. The calls take turns, so that a machine whose speed
    drifts slows all of them, and ratios are taken within a round."""
    for call in calls.values():  # the first runs allocate, choose kernels and compile
        call(), call()
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            times[name].append(seconds(call))
    return times


def seconds(call: Callable) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def ratios(ours: list[float], other: list[float]) -> dict[str, float]:
    """other / ours, round by round: above 1, ours is faster."""
    found = [theirs / own for own, theirs in zip(ours, other)]
    return {"ratio": statistics.median(found), "ratio_min": min(found), "ratio_max": max(found)}


def matrix_product_limit(size: int = 1536) -> float:
    """GFLOP/s of float32 matrix products on all threads, the best of a few. By ONNX Runtime:
    PyTorch's may be far from what the machine can do."""
    a, graph, options = (
        torch.randn(size, size).numpy(),
        Graph(),
        import_onnxruntime().SessionOptions(),
    )
    product = graph.add("MatMul", graph.input("a", (size, size)), graph.constant(a))
    options.intra_op_num_threads = torch.get_num_threads()
    model = graph.model({"product": (product, (size, size))})
    session = import_onnxruntime().InferenceSession(model, options)
    (times,) = in_turn({"product": lambda: session.run(None, {"a": a})}, rounds=12).values()
    return 2 * size**3 / min(times) / 1e9


def gflop(call: Callable) -> float:
    """Floating-point operations of what a call does with torch modules, in 10^9."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e9
