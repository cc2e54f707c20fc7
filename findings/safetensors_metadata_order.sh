#!/usr/bin/env bash
# The same tensors with the same metadata make files of different bytes: with two keys or more, the
# order of the metadata is random, from one call of save to the next. Only one key is stable. So the
# hash of a .safetensors file says nothing about its content.
# Seen: 50 calls with three keys make 6 files (all orders); with one key 1 file.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import hashlib

import numpy as np
from safetensors.numpy import save

tensors = {"a": np.zeros(3, np.float32)}


def files(metadata):
    return {hashlib.sha256(save(tensors, metadata)).hexdigest() for _ in range(50)}


three, one = files({"x": "1", "y": "2", "z": "3"}), files({"x": "1"})
print(f"three keys: {len(three)} files, one key: {len(one)} file")
assert len(three) > 1 and len(one) == 1
PY
