"""Watch: choose the values of a request, and see the picture follow; press Generate, and see every
step."""

import json
from collections.abc import Collection, Iterator
from contextlib import nullcontext

import gradio as gr
from gradio.components import Component

from ldm_core import UserError

from .. import under_player
from ..layout import FOLD, GENERATE, NEW_SEED, SLIDERS, STOP, read
from ..live import glancer
from ..parts import RUNS_THE_MODEL, controls, html, shown_to_people
from ..prompt_field import keep_in_step, under_prompt
from ..prompts import asks_of
from ..requests import Request
from ..runs import Runner

TITLE = "Watch"
PLAYER = """
const [cancel, whole, drop] = ["cancel", "whole", "drop"].map((name) => () => trigger(name));
const isStale = ({ turn }) => turn !== undefined && turn !== follower.turn();
const screens = player({ element, props, watch, cancel, isStale });
const field = () => window.promptField;
window.follower = live({ element, server, whole, drop, names: %s, screens, field });
"""
# The whole runs of what controls say that have come to rest: beside the other runs, so that they
# keep nobody's Generate waiting.
RUNS_LIVE = {"concurrency_id": "live", "concurrency_limit": 1}
FAILED = "() => document.dispatchEvent(new CustomEvent('run-failed', { detail: %s }))"
HERE = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}


def build(page: gr.Blocks, runner: Runner, asks: type[Request] | None = None) -> None:
    asks = asks or asks_of(runner.model)
    values = controls(runner.model, asks)
    under = under_prompt(runner.model) if "prompt" in values else None
    with gr.Row(elem_id="desk"):
        with gr.Column(elem_id="stage"):
            player = html(
                "player.html",
                value=runner.example(),
                js_on_load=PLAYER % json.dumps(list(values)),
                server_functions=[glancer(runner, asks)],
            )
        with gr.Column(elem_id="controls"):
            generate, dice = _lay_out(values, under)
    sets = under_player.build(runner, asks, values)
    html("how.html", words=under is not None)
    _add_runs(runner, asks, values, generate, player)
    rolled = dice.click(
        None, outputs=values["seed"], js="() => crypto.getRandomValues(new Uint32Array(1))[0]"
    )
    page.load(None, js=read("page.js"))
    link = _add_links(page, runner, asks, values)
    changes = keep_in_step(runner.model, values, under, [link, *sets]) if under else {}
    _follow(values, [rolled, *changes.values()], except_=changes)
    under_player.add_endpoint(runner, asks)


def _lay_out(values: dict[str, Component], under: gr.HTML | None) -> tuple[gr.Button, gr.Button]:
    """The buttons are under the label; the seed comes last, beside the button for a new one.
    Beside a prompt (under: what stands under it) there is no room for all the rest: it is folded
    away."""
    rest = {name: control for name, control in values.items() if name not in ("label", "seed")}
    if under:
        rest.pop("prompt").render()
        under.render()
    values["label"].render()
    with gr.Row(elem_id="actions"):
        generate = gr.Button(GENERATE, variant="primary", elem_id="generate")
        gr.Button(STOP, elem_id="stop")
        html("live.html")
    if under:
        with gr.Column(elem_id="sliders"):
            for name in SLIDERS:
                rest.pop(name).render()
        gr.Button(FOLD, elem_id="fold")
    with gr.Column(elem_id="more") if under else nullcontext():
        for name, control in rest.items():
            control.render()
            if name == "negative_prompt":
                html("negative.html")
    with gr.Row(elem_id="seed-row"):
        values["seed"].render()
        dice = gr.Button(NEW_SEED, elem_id="dice")
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
            yield from runner.messages(asks.from_page(runner.model, given))

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
    run.failure(None, js=FAILED % "'#generate'")

    def stream_live(turn, *given) -> Iterator[dict]:
        with shown_to_people():
            request = asks.from_page(runner.model, given)
            yield from runner.messages(request, {"live": True, "turn": turn})

    whole = player.whole(
        stream_live,
        inputs=[player, *values.values()],
        outputs=player,
        js="(_, ...given) => [follower.turn(), ...given]",
        preprocess=False,
        show_progress="hidden",
        api_visibility="private",
        trigger_mode="multiple",
        **RUNS_LIVE,
    )
    whole.failure(None, js=FAILED % "'live'")
    # When Stop is pressed, the player triggers this as soon as Gradio can cancel the run.
    player.cancel(None, cancels=[run, whole])
    player.drop(None, cancels=whole)


def _follow(
    values: dict[str, Component], changes: list[gr.events.Dependency], except_: Collection[str]
) -> None:
    """Tell live.js what the controls say when one has changed. changes: events after which they say
    it. except_: names of values whose change is one of these events."""
    tell = {"inputs": list(values.values()), "js": "(...values) => follower.follow(values)", **HERE}
    for change in changes:
        change.then(None, **tell)
    for name, value in values.items():
        if name not in except_:
            value.input(None, **tell)


def _add_links(
    page: gr.Blocks, runner: Runner, asks: type[Request], values: dict[str, Component]
) -> gr.events.Dependency:
    """A link whose query string holds values sets the controls."""

    def read_link(request: gr.Request):
        unchanged = [gr.skip()] * len(values)
        try:
            asked = asks.from_link(runner.model, request.query_params)
        except UserError as error:
            gr.Warning(f"This link does not work. {error}")
            return unchanged
        return list(asked.to_dict().values()) if asked else unchanged

    return page.load(
        read_link,
        outputs=list(values.values()),
        show_progress="hidden",
        concurrency_limit=None,
        api_visibility="private",
    )
