#!/usr/bin/env bash
# ONNX's reference evaluator does not meet the corner in Resize with align_corners when scales give no
# whole number of pixels: it divides by the length times the scale, 7.6, where the tensor that it makes
# has 7 pixels. ONNX Runtime divides by the rounded length. With sizes in place of scales both agree.
# Seen: [0, 1, 2, 3] times 1.9 ends at 2.727 in onnx.reference and at 3 in ONNX Runtime; times 0.6, at
# 2.143 and 3; to the size 7, at 3 in both.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

x = np.arange(4, dtype=np.float32).reshape(1, 1, 1, 4)
value = lambda name, shape: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def last_pixels(inputs, wanted):
    """The last pixel of the resized row in onnx.reference and in ONNX Runtime."""
    resize = helper.make_node(
        "Resize", inputs, ["y"], mode="linear", coordinate_transformation_mode="align_corners"
    )
    graph = helper.make_graph(
        [resize],
        "g",
        [value("x", x.shape)],
        [value("y", None)],
        [numpy_helper.from_array(wanted, "wanted")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    (expected,) = ReferenceEvaluator(model).run(None, {"x": x})
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {"x": x})
    assert expected.shape == found.shape
    return round(float(expected[0, 0, 0, -1]), 3), round(float(found[0, 0, 0, -1]), 3)


seen = {
    f"scale {scale}": last_pixels(["x", "", "wanted"], np.array([1, 1, 1, scale], np.float32))
    for scale in (1.9, 0.6)
}
seen["size 7"] = last_pixels(["x", "", "", "wanted"], np.array([1, 1, 1, 7]))
print(seen)
assert seen == {"scale 1.9": (2.727, 3.0), "scale 0.6": (2.143, 3.0), "size 7": (3.0, 3.0)}
PY
