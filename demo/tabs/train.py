"""Train: how the loaded model was trained, how good it is, and how to train another."""

from typing import Any

import gradio as gr

from ..runs import Runner
from ..training import read_story
from ..training_markup import story_html

TITLE = "Train"


def build(page: gr.Blocks, runner: Runner) -> None:
    story = read_story(runner.model, runner.weights, runner.weights_folder)
    gr.HTML(story_html(story), padding=False, apply_default_css=False, elem_id="train")

    def train() -> dict[str, Any]:
        """What is known of the training of this model: what its checkpoints say, the steps of which
        there are samples, its evaluation, and what it lacks."""
        return story.to_dict()

    gr.api(train, api_name="train")
