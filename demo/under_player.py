"""What stands under the player of Watch: more like this, and what people take away."""

import base64
import binascii
from typing import Any

import gradio as gr
from gradio.components import Component

from ldm_core import InputError, UserError

from .layout import script
from .more import more
from .parts import html, shown_to_people
from .requests import Request
from .runs import Runner, file_data
from .takeaway import (
    FRAME_MS,
    MAX_FILE,
    Take,
    as_command,
    as_python,
    kinds,
    opened,
    request_of,
    save,
)

MORE = script("more.js") + ("window.otherSeeds = moreLikeThis({ element, props, trigger, watch });")
TAKEAWAY = script("takeaway.js") + (
    "window.takenAway = takeaway({ element, props, trigger, watch, server });"
)
# Beside the runs, so that nobody's Generate waits for it.
BESIDE_RUNS = {"concurrency_id": "beside", "concurrency_limit": 2}
MAX_TEXT = MAX_FILE * 4 // 3 + 1000  # characters of a file as a data URI


def build(
    runner: Runner, asks: type[Request], values: dict[str, Component]
) -> list[gr.events.Dependency]:
    """Lay it out. values: the controls of a request. Returns what sets them, to keep the prompt in
    step with them."""
    with gr.Column(elem_id="under-player"):
        strip = html("more.html", value=None, js_on_load=MORE)
        away = html(
            "takeaway.html",
            value=None,
            kinds=kinds(),
            js_on_load=TAKEAWAY,
            server_functions=[_texts(runner, asks), _opener(runner, asks)],
        )

    def draw_more(asked: Any) -> dict[str, Any]:
        with shown_to_people():
            asked = asked if isinstance(asked, dict) else {}
            request = request_of(runner.model, asked.get("settings"), asks)
            return more(runner, request, asked.get("after"))

    def make(asked: Any) -> dict[str, Any]:
        with shown_to_people():
            take = _take(runner, asks, asked)
            path = save(runner, take)
            size = path.stat().st_size
            return {"file": file_data(path), "name": take.file_name(), "bytes": size}

    _connect(strip, draw_more, "() => [otherSeeds.asked()]", "more-failed")
    _connect(away, make, "() => [takenAway.asked()]", "file-failed")
    blocks = {"otherSeeds": strip, "takenAway": away}
    return [_sets(runner, asks, block, name, values) for name, block in blocks.items()]


def _connect(block: gr.HTML, do: Any, asked: str, failed: str) -> None:
    run = block.submit(
        do,
        inputs=block,
        outputs=block,
        js=asked,
        preprocess=False,
        show_progress="hidden",
        api_visibility="private",
        trigger_mode="multiple",
        **BESIDE_RUNS,
    )
    run.failure(None, js=f"() => document.dispatchEvent(new Event('{failed}'))")


def _sets(
    runner: Runner,
    asks: type[Request],
    block: gr.HTML,
    name: str,
    values: dict[str, Component],
) -> gr.events.Dependency:
    """Puts the settings that are chosen into the controls, and generates."""

    def controls(settings: Any) -> list:
        with shown_to_people():
            return list(request_of(runner.model, settings, asks).to_dict().values())

    chosen = block.select(
        controls,
        inputs=block,
        outputs=list(values.values()),
        js=f"() => [{name}.chosen()]",
        preprocess=False,
        show_progress="hidden",
        queue=False,
        api_visibility="private",
    )
    chosen.then(None, js="() => generateNext()")
    return chosen


def _take(runner: Runner, asks: type[Request], asked: Any) -> Take:
    asked = asked if isinstance(asked, dict) else {}
    names = ("settings", "format", "show", "scale", "frame_ms")
    return Take.check(runner.model, *(asked.get(name) for name in names), asks)


def _texts(runner: Runner, asks: type[Request]):
    def texts(asked: Any) -> dict[str, str]:
        try:
            take = _take(runner, asks, asked)
        except UserError as refusal:
            return {"refused": str(refusal)}
        return {"python": as_python(runner.model, take.request), "command": as_command(take)}

    return texts


def _opener(runner: Runner, asks: type[Request]):
    def open_file(given: Any) -> dict[str, Any]:
        given = given if isinstance(given, dict) else {}
        name, data = given.get("name"), given.get("data")
        name = name[-80:] if isinstance(name, str) else "The file"
        try:
            if not isinstance(data, str) or len(data) > MAX_TEXT:
                raise InputError(f"{name} is no file of {MAX_FILE // 10**6} MB at most.")
            found = opened(runner, base64.b64decode(data.partition(",")[2]), name, asks)
        except (UserError, binascii.Error) as refusal:
            return {"refused": str(refusal)}
        return {"settings": found.request.settings(), "show": found.show, "said": found.said}

    return open_file


def add_endpoint(runner: Runner, asks: type[Request]) -> None:
    """Add /animation to the page that is being built."""

    def animation(
        settings: dict,
        format: str = "gif",
        show: str = "noisy",
        scale: int | None = None,
        frame_ms: int = FRAME_MS,
    ) -> gr.FileData:
        """Draw one image into a file that shows its steps. settings: values of /generate by name,
        or what it returns. format: gif, mp4, webp, apng or strip (all steps in a PNG). show: noisy,
        estimate, both or latent. scale: 1 to 16 pixels for each pixel. frame_ms: the time of a
        step."""
        with shown_to_people():
            take = Take.check(runner.model, settings, format, show, scale, frame_ms, asks)
            return file_data(save(runner, take))

    gr.api(animation, api_name="animation", **BESIDE_RUNS)
