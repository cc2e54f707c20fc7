"""Watch: choose the values of a request, press Generate, and see every step."""

from collections.abc import Iterator

import gradio as gr
from gradio.components import Component

from ldm_core import UserError

from ..parts import RUNS_THE_MODEL, controls, html, read, shown_to_people
from ..requests import Request
from ..runs import Runner

TITLE = "Watch"


def build(page: gr.Blocks, runner: Runner, asks: type[Request] = Request) -> None:
    values = controls(runner.model, asks)
    with gr.Row(elem_id="desk"):
        with gr.Column(elem_id="stage"):
            player = html("player.html", value=runner.example(), js_on_load=read("player.js"))
        with gr.Column(elem_id="controls"):
            generate, dice = _lay_out(values)
    html("how.html")
    _add_runs(runner, asks, values, generate, player)
    dice.click(
        None, outputs=values["seed"], js="() => crypto.getRandomValues(new Uint32Array(1))[0]"
    )
    page.load(None, js=read("page.js"))
    _add_links(page, runner, asks, values)


def _lay_out(values: dict[str, Component]) -> tuple[gr.Button, gr.Button]:
    """The buttons are under the label; the seed comes last, beside the button for a new one."""
    values["label"].render()
    with gr.Row(elem_id="actions"):
        generate = gr.Button("Generate", variant="primary", elem_id="generate")
        gr.Button("Stop", elem_id="stop")
    for name, control in values.items():
        if name not in ("label", "seed"):
            control.render()
    with gr.Row(elem_id="seed-row"):
        values["seed"].render()
        dice = gr.Button("New seed", elem_id="dice")
    return generate, dice


def _add_runs(
    runner: Runner,
    asks: type[Request],
    values: dict[str, Component],
    generate: gr.Button,
    player: gr.HTML,
) -> None:
    """Generate and Stop. The player (player.js) listens to both buttons, too."""

    def stream(*given) -> Iterator[dict]:
        with shown_to_people():
            yield from runner.messages(asks.check(runner.model, given))

    run = generate.click(
        stream,
        inputs=list(values.values()),
        outputs=player,
        preprocess=False,  # the request checks all that was sent, and says more than Gradio would
        show_progress="hidden",
        api_visibility="private",
        # "once" would ignore a press while Gradio still cancels the run before. During a run, the
        # player lets no press through.
        trigger_mode="multiple",
        **RUNS_THE_MODEL,
    )
    run.failure(None, js="() => document.dispatchEvent(new Event('run-failed'))")
    # When Stop is pressed, the player triggers this as soon as Gradio can cancel the run.
    player.cancel(None, cancels=run)


def _add_links(
    page: gr.Blocks, runner: Runner, asks: type[Request], values: dict[str, Component]
) -> None:
    """A link whose query string holds values sets the controls."""

    def read_link(request: gr.Request):
        unchanged = [gr.skip()] * len(values)
        try:
            asked = asks.from_link(runner.model, request.query_params)
        except UserError as error:
            gr.Warning(f"This link does not work. {error}")
            return unchanged
        return list(asked.to_dict().values()) if asked else unchanged

    page.load(
        read_link,
        outputs=list(values.values()),
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    )
