"""Packed models are smaller, and say all that the model is made of."""

import json

import numpy as np
import pytest

from ldm_core.export.packing import packed
from ldm_core.runtime.onnx_graph import Graph


def model_of(*arrays: np.ndarray) -> bytes:
    graph = Graph()
    shape = graph.constant([-1])
    flat = [graph.add("Reshape", graph.constant(array), shape) for array in arrays]
    return graph.model({"all": (graph.add("Concat", *flat, axis=0), ("N",))})


def unpacked(content: bytes) -> bytes:
    """As in unpacking.js, which has a test beside Python."""
    size = int.from_bytes(content[:4], "little")
    at, found = 4 + size, []
    for part in json.loads(content[4:at]):
        length = part.get("bytes") or part.get("numbers", 0) * part.get("digits", 0)
        one = content[at : at + length]
        at += length
        if "numbers" in part:
            places = np.frombuffer(one, np.int8).reshape(part["digits"], -1).astype(np.float64)
            worth = part["step"] * 256.0 ** np.arange(part["digits"])
            one = (worth @ places).astype(np.float32).tobytes()
        found.append(one)
    return b"".join(found)


def rounded(bits: int, *shape: int) -> np.ndarray:
    array = np.random.default_rng(bits).standard_normal(shape)
    return (np.rint(array * 2**bits) / 2**bits + 0.0).astype(np.float32)


@pytest.mark.parametrize(
    ("array", "share"),
    [
        (rounded(10, 64, 64), 0.55),
        (rounded(15, 70, 80), 0.8),
        (rounded(5, 4000), 0.3),
        (0.07 * rounded(30, 4000), 1.1),  # not rounded: left as it is
        (rounded(10, 10, 10), 1.5),  # too small
        (np.zeros((64, 64), np.float32), 1.1),
        (np.where(np.arange(4000) == 7, -1000, rounded(10, 4000)).astype(np.float32), 0.8),
    ],
)
def test_the_same_bytes_come_back_from_fewer(array, share):
    model = model_of(array, rounded(12, 50, 50), array)
    content = packed(model)
    assert unpacked(content) == model
    assert len(packed(model_of(array))) < share * len(model_of(array))
