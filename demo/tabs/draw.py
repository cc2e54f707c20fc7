"""Draw: a digit by hand, or a picture, through the VAE; re-imagined, completed or edited."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.components import Component

from ldm_core import InputError, LatentDiffusion
from ldm_core.output.file_settings import picture_text
from ldm_core.output.views import latent_greys

from ..drawings import FIRST_STRENGTH, asks_of, given_by_page, seen
from ..endpoint import RETURNS, add_endpoint
from ..layout import GENERATE, NEW_SEED, STOP, script
from ..parts import RUNS_THE_MODEL, control, html, shown_to_people
from ..requests import Request, class_label, labels
from ..runs import EXAMPLE_LABEL, Runner, data_uri, draw

TITLE = "Draw"
FIRST_LABEL = 8  # what the digit with which the tab opens, a 3, is to become
WAYS = {"reimagine": "Re-imagine", "complete": "Complete", "edit": "Edit"}
PLAYER = """
const cancel = () => trigger("cancel");
player({ element, props, watch, cancel, buttons: ["#draw-generate", "#draw-stop"] });
"""
EASEL = script("easel.js") + "window.easel = easel({ element, props, server });"
FAILED = "() => document.dispatchEvent(new CustomEvent('run-failed', { detail: '#draw-generate' }))"
ABOUT = (
    "Draw one image from a picture of a digit, start_from, a data URI: re-imagine it (strength), "
    f"complete it (mask) or edit it (invert: what it shows). {RETURNS}"
)


def build(page: gr.Blocks, runner: Runner) -> None:
    model, asks = runner.model, asks_of(runner.model)
    values = _controls(model, asks)
    digit, example = _example(runner, asks)
    with gr.Row(elem_classes="desk"):
        with gr.Column(elem_classes="stage"):
            player = html("player.html", value=example, js_on_load=PLAYER, elem_id="draw-player")
        with gr.Column(elem_classes="controls", elem_id="draw"):
            easel = html(
                "easel.html",
                value=digit,
                js_on_load=EASEL,
                server_functions=[_looker(model)],
            )
            way = gr.Radio(
                [(title, name) for name, title in WAYS.items()],
                value="reimagine",
                label="What to do with it",
                elem_id="draw-way",
                elem_classes="keys",
            )
            generate, dice = _lay_out(values)
    _add_runs(runner, asks, [easel, way], values, generate, player)
    way.change(None, inputs=way, js="(way) => easel.go(way)")
    dice.click(
        None, outputs=values["seed"], js="() => crypto.getRandomValues(new Uint32Array(1))[0]"
    )
    add_endpoint(runner, asks, "draw", ABOUT)


def _controls(model: LatentDiffusion, asks: type[Request]) -> dict[str, Component]:
    """By the names of a request; their ids begin with draw-, as Watch has the same controls."""
    what = "prompt" if model.vocabulary else "label"
    first = {what: class_label(model, FIRST_LABEL), "strength": FIRST_STRENGTH}
    start = asks.start(model) | first
    names = (what, "strength", "invert", "guidance_scale", "steps", "seed")
    made = {}
    for name in names:
        value = asks.values()[name]
        if name == "invert":
            made[name] = _shows(model, value)
        else:
            made[name] = control(name, value, model, start[name], f"draw-{name}")
    return made


def _shows(model: LatentDiffusion, value: Any) -> Component:
    about = {"label": value.title, "info": value.info, "elem_id": "draw-invert", "render": False}
    if model.vocabulary:
        return gr.Textbox("", max_lines=1, **about)
    choices = [(title, text) for text, title in labels(model).items()]
    return gr.Dropdown(choices, value=choices[-1][1], filterable=False, **about)


def _lay_out(values: dict[str, Component]) -> tuple[gr.Button, gr.Button]:
    rest = dict(values)
    seed = rest.pop("seed")
    rest.pop(next(iter(rest))).render()
    with gr.Column(elem_classes="starts"):
        rest.pop("strength").render()
        rest.pop("invert").render()
    with gr.Row(elem_classes="actions"):
        generate = gr.Button(GENERATE, variant="primary", elem_id="draw-generate")
        gr.Button(STOP, elem_id="draw-stop")
    for setting in rest.values():
        setting.render()
    with gr.Row(elem_classes="seed-row"):
        seed.render()
        dice = gr.Button(NEW_SEED, elem_classes="dice")
    return generate, dice


def _add_runs(
    runner: Runner,
    asks: type[Request],
    first: list[Component],
    values: dict[str, Component],
    generate: gr.Button,
    player: gr.HTML,
) -> None:
    def stream(*given) -> Iterator[dict]:
        with shown_to_people():
            yield from runner.messages(given_by_page(asks, runner.model, list(values), given))

    run = generate.click(
        stream,
        inputs=[*first, *values.values()],
        outputs=player,
        js="(_, ...rest) => [easel.given(), ...rest]",
        preprocess=False,
        show_progress="hidden",
        api_visibility="private",
        trigger_mode="multiple",
        **RUNS_THE_MODEL,
    )
    run.failure(None, js=FAILED)
    player.cancel(None, cancels=run)


def _example(runner: Runner, asks: type[Request]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the easel opens with, a digit of the model's own, and a run that re-imagines it."""
    model = runner.model
    shown = Request.check(model, {"label": class_label(model, EXAMPLE_LABEL)})
    *_, last = draw(model, shown, runner.deadline_s)
    picture = data_uri(last.x_t)
    try:
        label = class_label(model, FIRST_LABEL)
        request = asks.check(model, {"start_from": picture, "label": label})
    except InputError:  # weights of little training may draw nothing that stands out
        return {}, runner.example()
    return _look(model, picture), runner.example(request)


def _look(model: LatentDiffusion, picture: Any) -> dict[str, Any]:
    """What the easel shows of a picture: as MNIST would have it, its latent, and the way back."""
    digit, latent, back, error = seen(model, picture)
    return {
        "digit": picture_text(digit),
        "picture": data_uri(digit),
        "latent": [data_uri(latent_greys(channel)) for channel in latent],
        "back": data_uri(back),
        "error": round(error, 1),
    }


def _looker(model: LatentDiffusion):
    def look(picture: str) -> dict[str, Any]:
        try:
            return _look(model, picture)
        except InputError as refusal:
            return {"refused": str(refusal)}

    return look
