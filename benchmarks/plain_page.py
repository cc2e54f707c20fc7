"""A page as one writes it with Gradio's own components, for comparison: python -m
benchmarks.plain_page [WEIGHTS] PORT; without weights an empty page."""

import os
import sys
from collections.abc import Iterator

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
import numpy as np
import torch
from PIL import Image

from ldm_core import LatentDiffusion

ENDED = "() => document.body.toggleAttribute('data-ended', true)"  # for page.py
SIDE = 256  # the pictures are enlarged, or Gradio's component would blur them


def page(weights: str) -> gr.Blocks:
    model = LatentDiffusion.load(weights)

    def shown(x: torch.Tensor) -> np.ndarray:
        picture = Image.fromarray(model.decode(x)[0].numpy())
        return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.NEAREST))

    def animate(label: int, guidance_scale: float, steps: int, seed: int) -> Iterator[np.ndarray]:
        given = {"guidance_scale": guidance_scale, "steps": int(steps), "seeds": [int(seed)]}
        for step in model.denoise([int(label)], **given):
            yield shown(step.x_t)

    def draw(label: int, guidance_scale: float, steps: int, seed: int) -> np.ndarray:
        *_, last = animate(label, guidance_scale, steps, seed)
        return last

    defaults = model.defaults
    with gr.Blocks() as blocks:
        label = gr.Dropdown(list(range(len(model.class_names))), value=7, label="Label")
        scale = gr.Slider(0, 10, value=defaults.guidance_scale, step=0.1, label="Guidance scale")
        steps = gr.Slider(1, 100, value=defaults.steps, step=1, label="Steps")
        seed = gr.Number(6, precision=0, label="Seed")
        button = gr.Button("Generate", elem_id="generate")
        image = gr.Image(elem_id="picture")
        inputs = [label, scale, steps, seed]
        run = button.click(animate, inputs, image)
        run.then(None, js=ENDED)
        scale.input(draw, inputs, image)
    return blocks


def main() -> None:
    *weights, port = sys.argv[1:]
    torch.set_num_threads(1)  # as on our page
    if weights:
        blocks = page(*weights)
    else:
        with gr.Blocks() as blocks:
            pass
    blocks.launch(server_port=int(port), quiet=True, ssr_mode=False)


if __name__ == "__main__":
    main()
