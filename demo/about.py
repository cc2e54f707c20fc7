"""What the JavaScript of both pages knows of a model: `about`, and the examples of the tabs."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ldm_core import InputError, LatentDiffusion
from ldm_core.inputs import MAX_SEED
from ldm_core.output.file_settings import SCALE, STRENGTH, picture_text, stored_settings

from .draw import look
from .grid import AXES, Grid, axes_of, draw_grid, lessons_of
from .inside import facts
from .lesson import lesson
from .lines import Line
from .reproduce import LARGE, checked, formats
from .request import (
    FIRST_POINTS,
    LEFT_OUT,
    Request,
    class_label,
    labels,
    start_of,
    values_of,
)
from .run import Runner, draw
from .train_page import train_page
from .values import MAX_PROMPT, OF_WORDS

MORE = 8  # pictures of "More like this"
POINTS = 4  # of the tab Morph; scripts may have more
DRAWN_LABEL, ASKED_LABEL = 3, 8  # what the tab Draw opens with, and what becomes of it


def about(runner: Runner, several: bool = False) -> dict[str, Any]:
    """Describe the model and its values, for JSON. several: there is a menu of models."""
    model = runner.model
    first, starts = Request.check(model, start_of(model, "denoise")), starts_of(model)
    known = values_of(model, "cell", "draw", "morph")
    kinds = ("denoise", "draw", "morph")
    return {
        "values": [{"name": name} | value.to_dict() for name, value in known.items()],
        "requests": {k: list(values_of(model, k)) for k in kinds} | {"grid": list(axes_of(model))},
        "left_out": start_of(model, "denoise") | LEFT_OUT,
        "of_words": OF_WORDS,
        "labels": list(labels(model)),
        "max_prompt": MAX_PROMPT,
        "max_seed": MAX_SEED,
        "class_names": model.class_names,
        "vocabulary": model.vocabulary.to_dict(),
        "defaults": model.defaults.to_dict(),
        "switches": model.switches,
        "noise_schedule": model.config.to_dict()["noise_schedule"],
        "stored": stored_settings(first.shown(scale=SCALE), runner.weights),
        "student_weights": runner.student_weights,
        "scales": {"gif": SCALE, "png": LARGE},
        "formats": formats(),
        "controls": {tab: list(start) for tab, start in starts.items()},
        "starts": starts,
        "lessons": lessons_of(model),
        "examples": {"watch": _run(runner, first)},
        "model": runner.name,
        "several_models": several,
    }


def starts_of(model: LatentDiffusion) -> dict[str, dict[str, Any]]:
    """For each tab its controls, in order, with the values with which they begin."""
    start = start_of(model, "cell")
    shown = {name: start[name] for name in axes_of(model)}
    _, _, *axes = lessons_of(model)[0]
    drawn = {
        "prompt": class_label(model, ASKED_LABEL),
        "strength": STRENGTH,
        "invert": "",
    }
    points, morph = {}, start_of(model, "morph")
    for i in range(1, POINTS + 1):
        index, seed = FIRST_POINTS[i - 1] if i <= len(FIRST_POINTS) else (None, i)
        points[f"what_{i}"] = "" if index is None else class_label(model, index)
        points[f"seed_{i}"] = seed
    return {
        "watch": {name: value for name, value in shown.items() if name != "eta"},
        "draw": drawn | {name: start[name] for name in ("guidance_scale", "steps", "seed")},
        # Of the fixed values the label says what to draw, so that prompts on an axis can add to it.
        "compare": dict(zip(AXES, axes)) | shown | {"prompt": ""},
        "morph": points | {n: morph[n] for n in ("frames", "loop", "guidance_scale", "steps")},
    }


def _run(runner: Runner, request: Request) -> dict[str, Any]:
    """A whole run, as its messages would bring it; never on the GPU that a visitor is lent."""
    pictures = [step.to_list() for step in draw(runner.model, request, runner.deadline_s)]
    return runner.named(request.header() | {"steps": len(pictures) - 1, "pictures": pictures})


def example_of_more(runner: Runner) -> dict[str, Any]:
    request = Request.check(runner.model, start_of(runner.model, "denoise"))
    seeds = [request.values["seed"] + i for i in range(1, MORE + 1)]
    images = map(picture_text, runner.images(request, seeds))
    return runner.named({"settings": request.settings(), "pictures": list(zip(seeds, images))})


def example_of_compare(runner: Runner) -> dict[str, Any]:
    """The answer to the first question, without the steps on the way."""
    _, _, across, across_values, down, down_values = lessons_of(runner.model)[0]
    given = {"across": across, "across_values": across_values, "down": down}
    grid = Grid.check(runner.model, given | {"down_values": down_values})
    last = {}
    for cells, _, pictures in draw_grid(runner, grid):
        last |= zip(cells, map(picture_text, pictures))
    pictures = [last[cell] for cell in range(len(grid.cells))]
    return runner.named(grid.header() | {"pictures": pictures})


def example_of_draw(runner: Runner) -> dict[str, Any]:
    """A digit that the model has drawn, and a run that re-imagines it."""
    model = runner.model
    first = Request.check(model, {"label": class_label(model, DRAWN_LABEL)})
    picture = picture_text(runner.preview(first, None).x_t)
    try:
        seen = look(model, picture)
        given = {"start_from": seen["digit"], "label": class_label(model, ASKED_LABEL)}
        return seen | {"run": _run(runner, checked(model, "draw", given))}
    except InputError:  # weights of little training may draw nothing that stands out
        return {}


def example_of_morph(runner: Runner) -> dict[str, Any]:
    request = checked(runner.model, "morph", {})
    *_, last = runner.morph(request)
    pictures = [[i, *pair] for i, pair in enumerate(zip(last["images"], last["noises"]))]
    return runner.named(request.header() | {"pictures": pictures})


DATA: dict[str, Callable[[Runner], dict[str, Any]]] = {
    "more": example_of_more,
    "compare": example_of_compare,
    "draw": example_of_draw,
    "morph": example_of_morph,
    "inside": lambda runner: facts(runner) | {"lesson": lesson()},
    "training": lambda runner: {"html": train_page(runner.model, runner.weights, runner.folder)},
}


def example(name: str, runner: Runner) -> dict[str, Any]:
    """The data of DATA; nothing for weights that draw what cannot be shown."""
    try:
        return DATA[name](runner)
    except RuntimeError:  # after little training, runs may leave the finite numbers
        return {}


class Examples:
    """What the tabs open with, drawn once for each model."""

    def __init__(self, line: Line):
        self.line = line
        self._drawn: dict[tuple[str, str], Future[dict]] = {}

    def get(self, name: str, runner: Runner) -> Future[dict]:
        """Draw an example, or get the one that was drawn. Raises InputError for an unknown name."""
        if name not in DATA:
            raise InputError(f"There is no {name!r:.80}, only {', '.join(DATA)}.")
        key = name, runner.weights
        drawn = self._drawn.get(key)
        if drawn is None or (drawn.done() and drawn.exception()):  # a busy server may have given up
            drawn = self._drawn[key] = self.line.enter(lambda: example(name, runner))
        return drawn
