#!/usr/bin/env bash
# ONNX Runtime's ReduceMax on the CPU skips NaN, while its Max of two tensors keeps it, and so do NumPy
# and onnx.reference for both. A check for NaN by the largest value passes in one and fails in the
# other; so a graph that was exported with a check of its range hides NaN.
# Seen for [1, NaN, 3]: ReduceMax 3.0 (onnx.reference: NaN); Max with [2, 2, 2]: [2, NaN, 3] in both.
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

warnings.simplefilter("ignore")
x, two = np.array([1, np.nan, 3], np.float32), np.full(3, 2, np.float32)


def both(kind, given, **options):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [3]) for name in given]
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node(kind, list(given), ["y"], **options)
    model = helper.make_model(
        helper.make_graph([node], "g", values, [result]),
        opset_imports=[helper.make_opsetid("", 21)],
        ir_version=10,
    )
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    return [r.run(None, given)[0] for r in (ReferenceEvaluator(model), session)]


reduced, pairs = both("ReduceMax", {"x": x}, keepdims=0), both("Max", {"x": x, "two": two})
print("ReduceMax", *map(float, reduced), "Max", *(p.tolist() for p in pairs))
assert np.isnan(reduced[0]) and reduced[1] == 3
for found in pairs:
    np.testing.assert_array_equal(found, [2, np.nan, 3])
PY
