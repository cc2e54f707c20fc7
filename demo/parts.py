"""What the tabs of the page share: markup from demo/web, controls, and rules for their events."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import gradio as gr
from gradio.components import Component

from ldm_core import LatentDiffusion, UserError

from .layout import MAX_SLIDER, read
from .prompts import MAX_PROMPT, Amount, Words
from .requests import Choice, Request, Value, Whole

CPU_MAX = Path("/sys/fs/cgroup/cpu.max")
AT_FAULT = "Something went wrong on the server. Its log says what."


def cores() -> int:
    """How many cores this process may use: a cpuset may give it fewer than the machine has, and a
    container may be given only so much of their time (cpu.max of cgroup v2)."""
    has_sets = hasattr(os, "sched_getaffinity")  # not on macOS and Windows
    allowed = len(os.sched_getaffinity(0)) if has_sets else os.cpu_count() or 1
    try:
        quota, period = CPU_MAX.read_text().split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return allowed


# Options of all events that run the model: together they run as many at once as there are cores,
# each of them in one thread (see `app.main`).
RUNS_THE_MODEL = {"concurrency_id": "runs", "concurrency_limit": cores()}


def html(name: str, **options) -> gr.HTML:
    """A part of the page with its own markup and style. A new value does not change the markup."""
    return gr.HTML(html_template=read(name), apply_default_css=False, padding=False, **options)


def controls(model: LatentDiffusion, asks: type[Request]) -> dict[str, Component]:
    """A control for each value of a request, by name; `render` puts it where it belongs."""
    start = asks.start(model)
    return {n: control(n, value, model, start[n], n) for n, value in asks.values().items()}


def control(name: str, value: Value, model: LatentDiffusion, start, elem_id: str) -> Component:
    """The control of one value. elem_id: its own on the page."""
    kind = value.kind
    shared = {"value": start, "label": value.title, "info": value.info, "elem_id": elem_id}
    shared["render"] = False
    if isinstance(kind, Choice):
        choices = [(title, text) for text, title in kind.titles(model).items()]
        if kind.keys:
            return gr.Radio(choices, elem_classes="keys", **shared)
        return gr.Dropdown(choices, filterable=False, **shared)
    if isinstance(kind, Words):
        plain = gr.InputHTMLAttributes(autocapitalize="off", autocorrect="off", spellcheck=False)
        return gr.Textbox(max_lines=1, max_length=MAX_PROMPT, html_attributes=plain, **shared)
    if isinstance(kind, Whole) and kind.high - kind.low > MAX_SLIDER:
        return gr.Number(precision=0, minimum=kind.low, maximum=kind.high, **shared)
    if isinstance(kind, Amount):
        shared |= {"visible": name in model.vocabulary.styles, "elem_classes": "style"}
    return gr.Slider(kind.low, kind.high, step=kind.step, buttons=[], **shared)


@contextmanager
def shown_to_people() -> Iterator[None]:
    """Tell people about errors: Gradio shows them the text of a gr.Error, and nothing else.

    An error that people can act on is shown as it is. Any other is a fault of the program: its
    traceback goes into the server's log.
    """
    try:
        yield
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except Exception as fault:
        raise gr.Error(AT_FAULT) from fault
