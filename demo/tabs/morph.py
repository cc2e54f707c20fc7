"""Morph: from one picture to another, through the noise and the words between them."""

from collections.abc import Iterator

import gradio as gr
from gradio.components import Component

from ldm_core import LatentDiffusion

from ..endpoint import add_endpoint
from ..layout import GENERATE, STOP
from ..morphs import MorphRequest, drawn, example, given_by_page, messages
from ..parts import RUNS_THE_MODEL, control, html, shown_to_people
from ..prompts import MAX_PROMPT
from ..requests import Request, labels
from ..runs import Runner

TITLE = "Morph"
ON_PAGE = 4  # points; scripts may have more
PLAYER = """
const cancel = () => trigger("cancel");
player({ element, props, watch, cancel, buttons: ["#morph-generate", "#morph-stop"] });
"""
FAILED = """() => document.dispatchEvent(
  new CustomEvent("run-failed", { detail: "#morph-generate" }))"""
ABOUT = (
    "Morph from point to point (morph: a list of what to draw and its seed, as “3:7”). Returns a "
    "filmstrip as a PNG, the animation as a GIF, and the settings, which draw the same again."
)
# Where its player can loop, a morph does, unless people want to see less motion.
LOOPS = """
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
element.querySelector(".loop")?.setAttribute("aria-pressed", !still);
"""
LEFT_OUT = "left out"  # stands in a point where nothing is asked


def build(page: gr.Blocks, runner: Runner) -> None:
    model = runner.model
    with gr.Row(elem_classes="desk"):
        with gr.Column(elem_classes="stage"):
            player = html(
                "player.html",
                value=example(runner),
                js_on_load=PLAYER + LOOPS,
                elem_id="morph-player",
            )
        with gr.Column(elem_classes="controls", elem_id="morph"):
            points = _points(model)
            with gr.Row(elem_classes="actions"):
                generate = gr.Button(GENERATE, variant="primary", elem_id="morph-generate")
                gr.Button(STOP, elem_id="morph-stop")
            settings = _settings(model)

    def stream(*given) -> Iterator[dict]:
        with shown_to_people():
            yield from messages(runner, given_by_page(model, given))

    run = generate.click(
        stream,
        inputs=[*settings, *points],
        outputs=player,
        preprocess=False,
        show_progress="hidden",
        api_visibility="private",
        trigger_mode="multiple",
        **RUNS_THE_MODEL,
    )
    run.failure(None, js=FAILED)
    player.cancel(None, cancels=run)
    add_endpoint(runner, MorphRequest, "morph", ABOUT, drawn)


def _points(model: LatentDiffusion) -> list[Component]:
    """What to draw and its seed for each point, in turn; those after the first two are empty."""
    first = [point.rpartition(":") for point in MorphRequest.start(model)["morph"]]
    kind = Request.values()["seed"].kind
    made = []
    for i in range(1, ON_PAGE + 1):
        # Gradio shows a number that is not there as 0, so that each has one.
        what, _, seed = first[i - 1] if i <= len(first) else ("", "", i)
        with gr.Row(elem_classes="point"):
            about = {"label": f"Point {i}", "elem_id": f"morph-what-{i}"}
            if model.vocabulary:
                about |= {"max_length": MAX_PROMPT, "placeholder": LEFT_OUT}
                field = gr.Textbox(what, max_lines=1, **about)
            else:
                known = [(title, text) for text, title in labels(model).items()]
                choices = [*known, (LEFT_OUT, "")]
                field = gr.Dropdown(choices, value=what, filterable=False, **about)
            number = gr.Number(
                int(seed),
                label=f"Seed {i}",
                precision=0,
                minimum=kind.low,
                maximum=kind.high,
                elem_id=f"morph-seed-{i}",
            )
        made += [field, number]
    return made


def _settings(model: LatentDiffusion) -> list[Component]:
    values, start = MorphRequest.values(), MorphRequest.start(model)
    slider = lambda name: control(name, values[name], model, start[name], f"morph-{name}").render()
    frames = slider("frames")
    about = values["loop"]
    loop = gr.Checkbox(start["loop"], label=about.title, info=about.info, elem_id="morph-loop")
    return [frames, loop, slider("guidance_scale"), slider("steps")]
