"""Pack ONNX models whose weights are rounded, so that gzip makes a small file of them.

A rounded weight is a whole number times a power of two. Its digits of base 256 stand apart, the
lowest of all weights of a tensor first: digits of one place are alike. Who unpacks gets the same
bytes back, but for minus zeros. (As digits in the graph, with operations that join them, weights
take ONNX Runtime for the web 100 MB of memory instead of 44, and it never gives memory back.)
"""

import json
import re
from collections.abc import Iterator
from struct import pack

import numpy as np

SMALL = 1000  # numbers; smaller tensors are left as they are
MAX_DIGITS = 3  # more numbers than float32 holds exactly
# What `Graph.constant` writes before float32 data: its type, its name, and its length.
CONSTANT = re.compile(rb"\x10\x01B.#\d+J([\x80-\xff]*[\x00-\x7f])", re.DOTALL)


def packed(model: bytes) -> bytes:
    """An ONNX model, as `Graph.model` writes it, for `unpacked` in demo/web/engine/unpacking.js.

    First the length of the JSON that follows, uint32, little-endian. The JSON lists the parts of
    the model: {"bytes": n} as they are, {"numbers": n, "digits": k, "step": s} float32. Then their
    content: bytes, or for each of k places int8 for all numbers.
    """
    parts, content, done = [], [], 0
    for start, end in _weights(model):
        digits, step = _digits(np.frombuffer(model[start:end], np.float32))
        if not digits:
            continue
        parts += [{"bytes": start - done}]
        parts += [{"numbers": len(digits[0]), "digits": len(digits), "step": step}]
        content += [model[done:start], *(place.tobytes() for place in digits)]
        done = end
    parts += [{"bytes": len(model) - done}]
    header = json.dumps(parts).encode()
    return b"".join([pack("<I", len(header)), header, *content, model[done:]])


def weights_in(model: bytes, name: str) -> dict[bytes, tuple[str, int]]:
    """The large weights of an ONNX model in the file `name`, as `unet_graph` takes `elsewhere`."""
    places = ((start, end) for start, end in _weights(model) if end - start >= 4 * SMALL)
    return {model[start:end]: (name, start) for start, end in places}


def _digits(values: np.ndarray) -> tuple[list[np.ndarray], float]:
    """The digits of numbers, the lowest first, and the step that they count; no digits for numbers
    that need too many, and for few."""
    used = values[values != 0]
    if len(values) < SMALL or not len(used):
        return [], 1.0
    mantissa, exponent = np.frexp(used.astype(np.float64))
    whole = (mantissa * 2**24).astype(np.int64)
    lowest = np.log2((whole & -whole).astype(np.float64))  # of the bits that are set
    step = float(2.0 ** (exponent - 24 + lowest).min())
    rest, digits = np.rint(values.astype(np.float64) / step).astype(np.int64), []
    while rest.any():
        if len(digits) == MAX_DIGITS:
            return [], 1.0
        digits.append(((rest + 128) % 256 - 128).astype(np.int8))
        rest = (rest - digits[-1]) // 256
    return digits, step


def _weights(model: bytes) -> Iterator[tuple[int, int]]:
    """Where the data of each float32 constant begins and ends."""
    end = 0
    while found := CONSTANT.search(model, end):
        length = sum((digit & 0x7F) << 7 * i for i, digit in enumerate(found[1]))
        start, end = found.end(), found.end() + length
        yield start, end
