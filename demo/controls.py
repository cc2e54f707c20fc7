"""Which controls each tab has, and the values with which they begin: the same on both pages."""

from typing import Any

from ldm_core import LatentDiffusion

from .compare import NOTHING, lessons_of, values_of
from .draw import FIRST_STRENGTH, draw_request_type
from .morph import FIRST_POINTS, MorphRequest
from .request import class_label, labels, request_type

POINTS = 4  # of the tab Morph; scripts may have more
DRAW_LABEL = 8  # what the digit with which the tab Draw opens, a 3, is to become
AXES = ("across", "across_values", "down", "down_values")


def starts_of(model: LatentDiffusion) -> dict[str, dict[str, Any]]:
    """For each tab its controls, in order, with the values with which they begin."""
    return {
        "watch": _watch(model),
        "draw": _draw(model),
        "compare": _compare(model),
        "morph": _morph(model),
    }


def names_of(model: LatentDiffusion) -> dict[str, list[str]]:
    return {tab: list(start) for tab, start in starts_of(model).items()}


def _watch(model: LatentDiffusion) -> dict[str, Any]:
    """Without the style that the model has no words for."""
    names = values_of(model)
    return {n: v for n, v in request_type(model).start(model).items() if n in names}


def _draw(model: LatentDiffusion) -> dict[str, Any]:
    what = "prompt" if model.vocabulary else "label"
    start = draw_request_type(model).start(model)
    nothing = "" if model.vocabulary else list(labels(model))[-1]
    first = {what: class_label(model, DRAW_LABEL), "strength": FIRST_STRENGTH, "invert": nothing}
    return first | {name: start[name] for name in ("guidance_scale", "steps", "seed")}


def _compare(model: LatentDiffusion) -> dict[str, Any]:
    """The first question, then the fixed values. Of these the label says what to draw, so that
    prompts on an axis can add to it."""
    values = values_of(model)
    start = {name: value.kind.nearest(value.start(model)) for name, value in values.items()}
    _, _, *axes = lessons_of(model)[0]
    return dict(zip(AXES, axes)) | start | ({"prompt": ""} if "prompt" in values else {})


def _morph(model: LatentDiffusion) -> dict[str, Any]:
    """What to draw and its seed for each point; those after the first ones are empty."""
    points = dict(enumerate(FIRST_POINTS, start=1))
    start = {}
    for i in range(1, POINTS + 1):
        index, seed = points.get(i, (None, i))
        start[f"what_{i}"] = "" if index is None else class_label(model, index)
        start[f"seed_{i}"] = seed
    of_request = MorphRequest.start(model)
    return start | {n: of_request[n] for n in ("frames", "loop", "guidance_scale", "steps")}


def axis_names(model: LatentDiffusion, with_nothing: bool) -> list[tuple[str, str]]:
    """What may differ in a grid: titles and names."""
    names = [(value.title, name) for name, value in values_of(model).items()]
    return [*names, (NOTHING, NOTHING)] if with_nothing else names
