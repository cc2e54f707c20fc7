"""Models that ONNX Runtime reads as they were meant."""

import numpy as np
import onnxruntime
import pytest

from ldm_core.runtime.onnx_graph import Graph, _varint


def run(graph: Graph, outputs: dict, **inputs: np.ndarray) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(graph.model(outputs)).run(None, inputs)


@pytest.mark.parametrize(
    ("value", "coded"),  # the first two from the description of protocol buffers
    [(1, "01"), (150, "9601"), (0, "00"), (127, "7f"), (128, "8001"), (-1, "ff" * 9 + "01")],
)
def test_numbers_are_coded_as_protocol_buffers_do(value, coded):
    assert _varint(value).hex() == coded


def test_a_model_computes_what_it_says():
    graph = Graph()
    x = graph.input("x", ("B", 3))
    y = graph.add("MatMul", x, graph.constant(np.arange(6, dtype=np.float32).reshape(3, 2)))
    total = graph.add("ReduceSum", y, graph.constant(np.array([-1])), keepdims=0)
    given = np.array([[1, 2, 3], [4, 5, 6]], np.float32)
    outputs = run(graph, {"y": (y, ("B", 2)), "total": (total, ("B",))}, x=given)
    expected = given @ np.arange(6).reshape(3, 2)
    assert np.array_equal(outputs[0], expected)
    assert np.array_equal(outputs[1], expected.sum(axis=1))


def test_attributes_have_the_type_of_their_value():
    graph = Graph()
    x = graph.input("x", (1, 4, 1, 1))
    outputs = {
        "whole": (graph.add("Concat", x, x, axis=-1), (1, 4, 1, 2)),
        "real": (graph.add("LeakyRelu", x, alpha=0.25), (1, 4, 1, 1)),
        "text": (graph.add("DepthToSpace", x, blocksize=2, mode="CRD"), (1, 1, 2, 2)),
        "list": (graph.add("Transpose", x, perm=(0, 2, 3, 1)), (1, 1, 1, 4)),
    }
    given = np.array([-4, 1, 2, 3], np.float32).reshape(1, 4, 1, 1)
    whole, real, text, listed = run(graph, outputs, x=given)
    assert whole.shape == (1, 4, 1, 2)
    assert real.ravel().tolist() == [-1, 1, 2, 3]
    assert text.tolist() == [[[[-4, 1], [2, 3]]]]
    assert listed.shape == (1, 1, 1, 4)


def test_an_input_can_be_left_out():
    graph = Graph()
    y = graph.add("Clip", graph.input("x", (3,)), "", graph.constant(np.array(2, np.float32)))
    assert run(graph, {"y": (y, (3,))}, x=np.array([-9, 1, 3], np.float32))[0].tolist() == [
        -9,
        1,
        2,
    ]
