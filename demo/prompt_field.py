"""The prompt on the page: what stands under it, and what keeps it in step with keys and sliders.

The browser does that alone, by demo/web/prompt.js; here its functions are connected to controls.
"""

from collections.abc import Sequence

import gradio as gr
from gradio.components import Component

from ldm_core import LatentDiffusion

from .layout import script
from .parts import html
from .requests import labels

FIELD = script("prompt_field.js") + (
    "window.promptField = promptField({ element, props, trigger, promptLanguage });"
)


def under_prompt(model: LatentDiffusion) -> gr.HTML:
    """Examples to press; in their place, what is wrong with the prompt. To be rendered."""
    value = {"vocabulary": model.vocabulary.to_dict(), "labels": list(labels(model))}
    return html("prompt.html", value=value, js_on_load=FIELD, render=False)


def keep_in_step(
    model: LatentDiffusion,
    values: dict[str, Component],
    under: gr.HTML,
    sets: Sequence[gr.events.Dependency],
) -> dict[str, gr.events.Dependency]:
    """Connect the controls. under: what stands under the prompt. sets: what sets the controls, as a
    link does.

    Returns for the value of each control the event after which all are in step with its change.
    """
    styles = model.vocabulary.styles
    prompt, label = values["prompt"], values["label"]
    others = [label, *(values[name] for name in styles)]
    here = {"show_progress": "hidden", "queue": False, "api_visibility": "private"}
    state = {"inputs": [prompt, *others], **here}
    changes = {"prompt": under.input(None, outputs=others, js=_call("typed"), **state)}
    changes["label"] = label.input(None, outputs=prompt, js=_call("pressed"), **state)
    for name in styles:
        js = _call("moved", f"'{name}', ")
        changes[name] = values[name].input(None, outputs=prompt, js=js, **state)
    for event in sets:
        event.then(None, outputs=[prompt, *others], js=_call("settled"), **state)
    return changes


def _call(name: str, first: str = "") -> str:
    return f"(...values) => promptField.{name}({first}...values)"
