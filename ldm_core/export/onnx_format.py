"""For ONNX Runtime, in any language: the networks, and how to use them."""

import argparse
import json
import shutil
from pathlib import Path

from ..config import IMAGE_SIDE, LATENT_SIDE, PICTURE_SIDE
from ..diffusion.guidance import TOKEN_SCALE
from ..latent_diffusion import LatentDiffusion
from ..runtime.onnx_networks import context_shapes
from .graphs import graphs
from .model_json import model_json

EXAMPLE = Path(__file__).parent / "onnx_example.py"
README = """# A miniature Stable Diffusion as ONNX graphs

`python example.py 3` draws a 3 and writes `digit.pgm`. It needs the packages numpy and onnxruntime
(1.23 or newer), and shows how to use all of it.

The graphs are plain ONNX of opset 23, for any runtime that knows its operation Attention.

{tables}
B is any number of images, and N a multiple of B: each image has one condition or more. Guidance
needs two, the prompt and the negative prompt. All images under the first condition come
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

Tensor = tuple[str, str, str, str]  # its name, type, shape and meaning


def write_onnx(model: LatentDiffusion, folder: Path, args: argparse.Namespace) -> None:
    """Write the graphs, model.json, a README.md, and an example that needs no PyTorch."""
    for name, graph in graphs(model).items():
        (folder / f"{name}.onnx").write_bytes(graph)
    about = json.dumps(model_json(model), indent=1)
    (folder / "model.json").write_text(about + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_readme(model), encoding="utf-8")
    shutil.copyfile(EXAMPLE, folder / "example.py")


def _readme(model: LatentDiffusion) -> str:
    lines = ["| graph | | name | type | shape | meaning |", "|---|---|---|---|---|---|"]
    for graph, (inputs, outputs) in _tensors(model).items():
        rows = [("in", *tensor) for tensor in inputs] + [("out", *tensor) for tensor in outputs]
        lines += [f"| {graph}.onnx | {' | '.join(row)} |" for row in rows]
    return README.format(
        tables="\n".join(lines) + "\n",
        student=STUDENT if model.student else "",
        picture=PICTURE_SIDE,
        image=IMAGE_SIDE,
    )


def _tensors(model: LatentDiffusion) -> dict[str, tuple[list[Tensor], list[Tensor]]]:
    """The inputs and the outputs of each graph."""
    config, channels = model.config.conditioning, model.config.unet.latent_channels
    latent = ("float32", f"(B, {channels}, {LATENT_SIDE}, {LATENT_SIDE})")
    image = ("float32", f"(B, 1, {IMAGE_SIDE}, {IMAGE_SIDE})", "in [-1, 1]")
    asked = [
        ("rows", "int32", f"(N, {config.n_tokens})", "the words of a prompt"),
        ("amounts", "float32", f"(N, {config.n_tokens})", "the weight of each word, 0 to 1"),
    ]
    context = [
        (name, "float32", f"({', '.join(map(str, shape))})", _meaning(name))
        for name, shape in context_shapes(model.unet, config.n_tokens).items()
    ]
    x_t = ("x_t", *latent, "noisy latents")
    t = ("t", "float32", "(B,)", "their times, 0 to 1")
    prediction = ("prediction", "float32", latent[1].replace("B", "N"), "v, for each condition")
    z = ("z", *latent, "latents of about unit variance")
    found = {
        "prompt": (asked, context),
        "unet": ([x_t, t, *context], [prediction]),
        "decoder": ([z], [("image", *image)]),
        "encoder": ([("image", *image)], [z]),
    }
    if model.student:
        found |= {"student_prompt": found["prompt"], "student": found["unet"]}
    return found


def _meaning(name: str) -> str:
    """Of one of the tensors that the U-Net asks of a prompt."""
    kind, _, number = name.partition("_")
    return f"{kind} of cross-attention {number}" if number else "is added to the time embedding"
