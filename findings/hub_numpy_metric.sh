#!/usr/bin/env bash
# A model card with a metric that NumPy computed cannot be read back by the library that wrote it.
# np.float64 is a Python float, but YAML gets a tag for a Python object instead of a number, without a
# warning; ModelCard then raises ConstructorError on its own text. float(...) around the metric helps.
# Seen: 0.5 comes back as 0.5; np.mean([0.5]) becomes !!python/object/apply:numpy... and is refused.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet huggingface_hub==2.4.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import numpy as np
import yaml
from huggingface_hub import EvalResult, ModelCard, ModelCardData


def card_of(value):
    result = EvalResult(
        task_type="image-classification",
        dataset_type="mnist",
        dataset_name="MNIST",
        metric_type="accuracy",
        metric_value=value,
    )
    return f"---\n{ModelCardData(model_name='m', eval_results=[result]).to_yaml()}\n---\n"


assert isinstance(np.mean([0.5]), float)
assert ModelCard(card_of(0.5)).data.eval_results[0].metric_value == 0.5
text = card_of(np.mean([0.5]))
print([line.strip() for line in text.splitlines() if "numpy" in line])
try:
    ModelCard(text)
except yaml.constructor.ConstructorError as error:
    print("refused:", error.problem)
else:
    raise SystemExit("the card is read back now")
PY
