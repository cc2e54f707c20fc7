#!/usr/bin/env bash
# The reference evaluator of ONNX computes LogSoftmax as log(softmax(x)), so that logits 1000 apart give
# -inf where the answer is -1000, which ONNX Runtime gives. A loss compared with it becomes infinite.
# Seen: [1000, 0] -> onnx.reference [0, -inf], ONNX Runtime [0, -1000]; at 80 apart both agree.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import warnings

import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

value = lambda name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [2])
graph = helper.make_graph(
    [helper.make_node("LogSoftmax", ["x"], ["y"], axis=0)], "g", [value("x")], [value("y")]
)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
session = onnxruntime.InferenceSession(
    model.SerializeToString(), providers=["CPUExecutionProvider"]
)
warnings.simplefilter("ignore")
found = {}
for apart in (80.0, 1000.0):
    given = {"x": np.array([apart, 0], np.float32)}
    found[apart] = [float(r.run(None, given)[0][1]) for r in (ReferenceEvaluator(model), session)]
print(found)
assert abs(found[80.0][0] + 80) < 1e-3 and abs(found[80.0][1] + 80) < 1e-3
assert found[1000.0] == [-np.inf, -1000.0]
PY
