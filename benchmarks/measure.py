"""Times of calls in turn, floating-point operations, and fresh processes."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from ldm_core.runtime.onnx_backend import import_onnxruntime
from ldm_core.runtime.onnx_graph import Graph

ROOT = Path(__file__).resolve().parents[1]


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


def matrix_product_limits(size: int = 1536) -> dict[str, float]:
    """GFLOP/s of float32 matrix products on all threads, the best of a few, by library: PyTorch's
    may be far from what the machine can do."""
    a = torch.randn(size, size)
    calls = {"torch": lambda: a @ a}
    with suppress(ImportError):
        onnxruntime = import_onnxruntime()

        graph, options = Graph(), onnxruntime.SessionOptions()
        product = graph.add("MatMul", graph.input("a", (size, size)), graph.constant(a.numpy()))
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(
            graph.model({"product": (product, (size, size))}), options
        )
        calls["onnxruntime"] = lambda: session.run(None, {"a": a.numpy()})
    flop = 2 * size**3
    return {name: flop / min(values) / 1e9 for name, values in in_turn(calls, rounds=12).items()}


def gflop(call: Callable) -> float:
    """Floating-point operations of what a call does with torch modules, in 10^9."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e9


def fresh_process(*arguments: str) -> str:
    """What a new Python process in the repository prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
