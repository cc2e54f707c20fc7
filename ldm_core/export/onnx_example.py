"""Draw a class of the model: python example.py [CLASS] [SEED]. Writes digit.pgm.

It needs numpy and onnxruntime only. The sampler is DDIM (Song et al. 2021) with guidance.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

label = int(sys.argv[1]) if len(sys.argv) > 1 else 3
seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
here = Path(__file__).parent
about = json.loads((here / "model.json").read_text(encoding="utf-8"))
config, settings = about["config"], about["defaults"]
paths = (str(here / f"{name}.onnx") for name in ("prompt", "unet", "decoder"))
prompt, unet, decoder = map(onnxruntime.InferenceSession, paths)

# Two prompts: the class, and nothing. Guidance leads away from the second.
rows = np.zeros((2, about["vocabulary"]["places"]), np.int32)  # word 0 is the empty one
rows[0, 0] = 1 + label
asked = {"rows": rows, "amounts": np.ones(rows.shape, np.float32)}
context = {o.name: values for o, values in zip(prompt.get_outputs(), prompt.run(None, asked))}

low, high = settings["guidance_interval"]
quarter = np.arccos(config["noise_schedule"]["terminal_signal"])  # nearly pi / 2
times = np.linspace(1, 0, settings["steps"] + 1)
shape = (1, *unet.get_inputs()[0].shape[1:])
x = np.random.default_rng(seed).standard_normal(shape, np.float32)
for t, s in zip(times, times[1:]):
    v, v_nothing = unet.run(None, {"x_t": x, "t": np.array([t], np.float32), **context})[0]
    if low <= t <= high:
        v = v_nothing + settings["guidance_scale"] * (v - v_nothing)
    x_0 = np.cos(t * quarter) * x - np.sin(t * quarter) * v
    noise = np.sin(t * quarter) * x + np.cos(t * quarter) * v
    x = (np.cos(s * quarter) * x_0 + np.sin(s * quarter) * noise).astype(np.float32)

image = decoder.run(None, {"z": x})[0][0, 0, 2:-2, 2:-2]  # without its border: 28 x 28
pixels = (image.clip(-1, 1) * 127.5 + 127.5).round().astype(np.uint8)
Path("digit.pgm").write_bytes(b"P5 28 28 255\n" + pixels.tobytes())
