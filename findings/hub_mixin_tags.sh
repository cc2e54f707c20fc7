#!/usr/bin/env bash
# ModelHubMixin appends its own tag to the list of tags that a class is defined with, and
# PyTorchModelHubMixin another. A list that is kept for several model cards then brings these tags
# into all of them, also into cards of models without the mixin. A tuple is refused by an
# AttributeError. A copy, tags=[*TAGS], helps.
# Seen: after `class Model(ModelHubMixin, tags=TAGS)`, TAGS == ["mnist"] is ["mnist", "model_hub_mixin"].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet huggingface_hub==2.4.0
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
from huggingface_hub import ModelCardData, ModelHubMixin, PyTorchModelHubMixin

TAGS = ["mnist"]


class Model(ModelHubMixin, tags=TAGS):
    pass


print("after a class with the mixin:", TAGS)
assert TAGS == ["mnist", "model_hub_mixin"]


class TorchModel(PyTorchModelHubMixin, tags=TAGS):
    pass


print("the card of another model:", ModelCardData(tags=TAGS).to_yaml().split())
assert "pytorch_model_hub_mixin" in ModelCardData(tags=TAGS).tags
try:

    class Other(ModelHubMixin, tags=("mnist",)):
        pass

except AttributeError as error:
    print("a tuple:", error)
else:
    raise SystemExit("a tuple is accepted now")
PY
