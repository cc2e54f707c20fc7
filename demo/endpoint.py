"""The HTTP endpoint /generate, for scripts."""

import inspect
from typing import get_type_hints

import gradio as gr

from .parts import RUNS_THE_MODEL, shown_to_people
from .requests import Request
from .runs import Runner, file_data


def add_endpoint(runner: Runner, asks: type[Request] = Request) -> None:
    """Add /generate to the page that is being built. It takes the values of a request."""

    def generate(*values):
        """Draw one image. Returns it as a PNG of 28x28 pixels, the animation of all its steps as a
        GIF, and the settings, which draw the same image again."""
        with shown_to_people():
            request = asks.check(runner.model, values)
            frames = [step.x_t for step in runner.steps(request)]
            png, gif = runner.save_png(frames[-1], request), runner.save_gif(frames, request)
            return file_data(png), file_data(gif), request.to_dict()

    # Gradio reads names, types and defaults of an endpoint from the signature of its function.
    hints, defaults = get_type_hints(asks), asks.left_out(runner.model)
    parameters = [
        inspect.Parameter(
            name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=defaults[name], annotation=hint
        )
        for name, hint in hints.items()
    ]
    result = tuple[gr.FileData, gr.FileData, dict]
    generate.__signature__ = inspect.Signature(parameters, return_annotation=result)
    generate.__annotations__ = hints | {"return": result}
    gr.api(generate, api_name="generate", **RUNS_THE_MODEL)
