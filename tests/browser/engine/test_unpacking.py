"""unpacking.js: the models that Python has packed, to the byte."""

import base64

import numpy as np

from ldm_core.export.graphs import graphs
from ldm_core.export.packing import packed
from ldm_core.runtime.onnx_graph import Graph

UNPACK = """({ unpacked }, texts) => texts.map((text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Buffer.from(unpacked(bytes)).toString("base64");
})"""


def rounded(bits: int, *shape: int) -> np.ndarray:
    array = np.random.default_rng(bits).standard_normal(shape)
    return (np.rint(array * 2**bits) / 2**bits + 0.0).astype(np.float32)


ODD = [  # weights, and the share of their model that is left of it
    (rounded(10, 64, 64), 0.55),
    (rounded(15, 70, 80), 0.8),
    (rounded(5, 4000), 0.3),
    (0.07 * rounded(30, 4000), 1.1),  # not rounded: left as it is
    (rounded(10, 10, 10), 1.5),  # too small
    (np.zeros((64, 64), np.float32), 1.1),
    (np.where(np.arange(4000) == 7, -1000, rounded(10, 4000)).astype(np.float32), 0.8),
]


def model_of(array: np.ndarray) -> bytes:
    graph = Graph()
    return graph.model({"weights": (graph.constant(array), array.shape)})


def test_models_come_back_to_the_byte(node, small_model):
    models = [*graphs(small_model, small=True).values(), *(model_of(array) for array, _ in ODD)]
    texts = [base64.b64encode(packed(model)).decode() for model in models]
    found = node("unpacking.js", UNPACK, texts)
    assert [base64.b64decode(text) for text in found] == models
    assert any(len(packed(model)) < 0.8 * len(model) for model in models[:4])
    for model, (_, share) in zip(models[4:], ODD, strict=True):
        assert len(packed(model)) < share * len(model)
