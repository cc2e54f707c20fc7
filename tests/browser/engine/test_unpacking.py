"""unpacking.js: the models that Python has packed, to the byte."""

import base64

from ldm_core.export.graphs import graphs
from ldm_core.export.packing import packed

UNPACK = """({ unpacked }, texts) => texts.map((text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return Buffer.from(unpacked(bytes)).toString("base64");
})"""


def test_models_come_back_to_the_byte(node, small_model):
    models = list(graphs(small_model, small=True).values())
    texts = [base64.b64encode(packed(model)).decode() for model in models]
    assert any(len(packed(model)) < 0.8 * len(model) for model in models)
    found = node("unpacking.js", UNPACK, texts)
    assert [base64.b64decode(text) for text in found] == models
