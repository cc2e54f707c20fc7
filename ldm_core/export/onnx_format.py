"""For ONNX Runtime, in any language: the networks, and how to use them."""

import argparse
import json
import shutil
from pathlib import Path

from ..config import IMAGE_SIDE, LATENT_SIDE, PICTURE_SIDE
from ..diffusion.guidance import TOKEN_SCALE
from ..latent_diffusion import LatentDiffusion
from .graphs import graphs, model_json

EXAMPLE = Path(__file__).parent / "onnx_example.py"
README = """# A miniature Stable Diffusion as ONNX graphs

`python example.py 3` draws a 3 and writes `digit.pgm`. It needs the packages numpy and onnxruntime
(1.23 or newer), and shows how to use all of it.

The graphs are plain ONNX of opset 23, for any runtime that knows its operation Attention.

- `prompt.onnx`: `rows` (N, {tokens}) int32, the words of a prompt, and `amounts` (N, {tokens}), the
  weight of each, 0 to 1 → `pooled`, `keys_i` and `values_i`, all that the U-Net asks of a prompt
- `unet.onnx`: `x_t` {latents}, noisy latents, `t` (B,), their times, 0 to 1, and `pooled`, `keys_i`
  and `values_i` → `prediction`, v for each condition, of the shape of N latents
- `decoder.onnx`: `z` {latents}, latents of about unit variance → `image`
- `encoder.onnx`: `image` (B, 1, {image}, {image}) in [-1, 1] → `z`

Numbers are float32. B is any number of images, and N a multiple of B: each image has one condition
or more. Guidance needs two, the prompt and the negative prompt. All images under the first come
first, then all under the second. What `prompt.onnx` returns is the same at every step.
{student}
## model.json

- `config`: the configuration of all parts. `config.conditioning.class_names` has the names of the
  classes. `config.noise_schedule.terminal_signal` is the cosine of an angle a, and
  x_t = cos(a t) x_0 + sin(a t) noise for t from 0 (clean) to 1 (noise). The U-Net predicts
  v = cos(a t) noise - sin(a t) x_0.
- `defaults`: the settings of sampling that suit these weights.
- `vocabulary`: the words of prompts. `rows` holds the spellings of each word, and the number of a
  word is its index in this list. Word 0 is the empty one, and class i is word i + 1. A prompt has
  `places` words; a shorter one is filled up with empty words, whose weight is 1.
- `weights`: a fingerprint of the weights.

## Pictures

A picture of {picture} x {picture} greys, 0 to 255, is the middle of an image of {image} x {image}:
image = grey / 127.5 - 1. The border of an image is -1.
"""

STUDENT = f"""
`student.onnx` draws in one to four equal steps without guidance: its prediction is already guided.
All that `student_prompt.onnx` returns says the guidance scale w, from 1 to 7: use
null + w / {TOKEN_SCALE:g} * (prompt - null), where null is what it returns for the empty prompt.
"""


def write_onnx(model: LatentDiffusion, folder: Path, args: argparse.Namespace) -> None:
    """Write the graphs, model.json, a README.md, and an example that needs no PyTorch."""
    for name, graph in graphs(model).items():
        (folder / f"{name}.onnx").write_bytes(graph)
    about = json.dumps(model_json(model), indent=1)
    (folder / "model.json").write_text(about + "\n", encoding="utf-8")
    readme = README.format(
        tokens=model.config.conditioning.n_tokens,
        latents=f"(B, {model.config.unet.latent_channels}, {LATENT_SIDE}, {LATENT_SIDE})",
        student=STUDENT if model.student else "",
        picture=PICTURE_SIDE,
        image=IMAGE_SIDE,
    )
    (folder / "README.md").write_text(readme, encoding="utf-8")
    shutil.copyfile(EXAMPLE, folder / "example.py")
