"""Writes ONNX models: a graph of named operations over named tensors, as bytes.

An ONNX model is a protocol buffer, and the part of that format that a network needs fits here. So
ONNX Runtime gets a network directly from its weights in memory: no export, no file, no compiler.

The field numbers are those of onnx.proto3 (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3)
and the coding of protocol buffers is that of https://protobuf.dev/programming-guides/encoding.
"""

from collections.abc import Mapping, Sequence
from struct import pack

import numpy as np

IR_VERSION, OPSET = 11, 23  # of ONNX 1.18; ONNX Runtime reads them from 1.23 on
DTYPES = {"float32": 1, "int32": 6, "int64": 7}  # TensorProto.DataType

Attribute = int | float | str | Sequence[int]
Shape = Sequence[int | str]  # a string is a free size


class Graph:
    """A graph under construction. A tensor is known by its name, a string."""

    def __init__(self):
        self.elsewhere: dict[
            bytes, tuple[str, int]
        ] = {}  # constants: the file and their place in it
        self._nodes: list[bytes] = []
        self._constants: list[bytes] = []
        self._inputs: list[bytes] = []
        self._names = 0

    def input(self, name: str, shape: Shape, dtype: str = "float32") -> str:
        """A tensor that is given at every run."""
        self._inputs.append(_value(name, shape, dtype))
        return name

    def constant(self, values: np.ndarray | Sequence[int]) -> str:
        """A tensor of the network: weights in float32, or a shape in int64."""
        array = np.asarray(values, order="C")
        name = self._new_name()
        dims = b"".join(_number(1, size) for size in array.shape)
        kind = _number(2, DTYPES[str(array.dtype)])
        content = array.tobytes()
        if content in self.elsewhere:
            data = _external(*self.elsewhere[content], len(content))
        else:
            data = _bytes(9, content)
        self._constants.append(dims + kind + _bytes(8, name) + data)
        return name

    def add(self, operation: str, *inputs: str, **attributes: Attribute) -> str:
        """One operation; returns its output. "" stands for an input that is left out."""
        return self.add_several(operation, inputs, [0], **attributes)[0]

    def add_several(
        self, operation: str, inputs: Sequence[str], which: Sequence[int], **attributes: Attribute
    ) -> list[str]:
        """One operation with several outputs; which: the places of those that are used."""
        names = {place: self._new_name() for place in which}
        outputs = [names.get(place, "") for place in range(max(which) + 1)]
        node = b"".join(_bytes(1, i) for i in inputs) + b"".join(_bytes(2, o) for o in outputs)
        node += _bytes(4, operation)
        node += b"".join(_bytes(5, _attribute(*item)) for item in attributes.items())
        self._nodes.append(node)
        return [*names.values()]

    def model(self, outputs: Mapping[str, tuple[str, Shape]]) -> bytes:
        """The finished ModelProto. outputs: by the name under which a run returns it, a float32
        tensor and its shape."""
        nodes = [*self._nodes]
        for name, (tensor, _) in outputs.items():
            nodes.append(_bytes(1, tensor) + _bytes(2, name) + _bytes(4, "Identity"))
        graph = b"".join(_bytes(1, node) for node in nodes) + _bytes(2, "network")
        graph += b"".join(_bytes(5, constant) for constant in self._constants)
        graph += b"".join(_bytes(11, value) for value in self._inputs)
        graph += b"".join(_bytes(12, _value(name, shape)) for name, (_, shape) in outputs.items())
        return _number(1, IR_VERSION) + _bytes(7, graph) + _bytes(8, _number(2, OPSET))

    def _new_name(self) -> str:
        self._names += 1
        return f"#{self._names}"


def _external(location: str, offset: int, length: int) -> bytes:
    """Fields of a TensorProto whose data is in another file."""
    about = {"location": location, "offset": str(offset), "length": str(length)}
    entries = (_bytes(13, _bytes(1, key) + _bytes(2, value)) for key, value in about.items())
    return b"".join(entries) + _number(14, 1)


def _attribute(name: str, value: Attribute) -> bytes:
    """AttributeProto: the field and the type depend on what the value is."""
    if isinstance(value, int):
        content, kind = _number(3, value), 2
    elif isinstance(value, float):
        content, kind = _varint(2 << 3 | 5) + pack("<f", value), 1
    elif isinstance(value, str):
        content, kind = _bytes(4, value), 3
    else:
        content, kind = b"".join(_number(8, item) for item in value), 7
    return _bytes(1, name) + content + _number(20, kind)


def _value(name: str, shape: Shape, dtype: str = "float32") -> bytes:
    """ValueInfoProto of a tensor."""
    sizes = (_number(1, s) if isinstance(s, int) else _bytes(2, s) for s in shape)
    tensor = _number(1, DTYPES[dtype]) + _bytes(2, b"".join(_bytes(1, s) for s in sizes))
    return _bytes(1, name) + _bytes(2, _bytes(1, tensor))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes | str) -> bytes:
    value = value.encode() if isinstance(value, str) else value
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; negative numbers as 64-bit two's complement."""
    value &= 2**64 - 1
    digits = bytearray()
    while value > 0x7F:
        digits.append(value & 0x7F | 0x80)
        value >>= 7
    digits.append(value)
    return bytes(digits)
