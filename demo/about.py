"""What the JavaScript of both pages knows of a model: `about`, and the examples of the tabs."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ldm_core import InputError
from ldm_core.files.weights import weights_of
from ldm_core.inputs import MAX_SEED
from ldm_core.output.file_settings import SCALE, picture_text, stored_settings

from .compare import Grid, compares_of, draw_grid, lessons_of, values_of
from .controls import names_of, starts_of
from .draw import draw_request_type, look
from .lines import Line
from .morph import MorphRequest, header_of_morph
from .morph import messages as morph_messages
from .reproduce import LARGE, formats
from .request import Request, class_label, labels, request_type
from .run import Runner, draw, header_of
from .train_page import train_page
from .values import MAX_PROMPT, OF_WORDS, Choice, Number, Value

MORE = 8  # pictures of "More like this"
DRAWN_LABEL, ASKED_LABEL = 3, 8  # what the tab Draw opens with, and what becomes of it


def about(runner: Runner, several: bool = False) -> dict[str, Any]:
    """Describe the model and its values, for JSON. several: there is a menu of models."""
    model = runner.model
    asks, cells = request_type(model), compares_of(request_type(model))
    drawn = draw_request_type(model)
    values = cells.values() | drawn.values() | MorphRequest.values()
    start = cells.start(model) | drawn.start(model) | MorphRequest.start(model)
    stored = asks.check(model, {}).shown(scale=SCALE)
    return {
        "values": [_described(name, value, runner, start) for name, value in values.items()],
        "requests": {
            "denoise": list(asks.values()),
            "draw": list(drawn.values()),
            "grid": list(values_of(model)),
            "morph": list(MorphRequest.values()),
        },
        "left_out": asks.left_out(model),
        "of_words": OF_WORDS,
        "labels": list(labels(model)),
        "max_prompt": MAX_PROMPT,
        "max_seed": MAX_SEED,
        "class_names": model.class_names,
        "vocabulary": model.vocabulary and model.vocabulary.to_dict(),
        "defaults": model.defaults.to_dict(),
        "noise_schedule": model.config.to_dict()["noise_schedule"],
        "stored": stored_settings(stored, weights_of(model)),
        "scales": {"gif": SCALE, "png": LARGE},
        "formats": formats(),
        "controls": names_of(model),
        "starts": starts_of(model),
        "lessons": lessons_of(model),
        "examples": {"watch": _run(runner, asks.check(model, asks.start(model)))},
        "model": runner.name,
        "several_models": several,
    }


def _described(name: str, value: Value, runner: Runner, start: dict) -> dict[str, Any]:
    kind = value.kind
    said = {"name": name, "title": value.title, "info": value.info, "kind": kind.word}
    said |= {"start": start[name], "in_line": value.in_line, "says_what": value.says_what}
    if isinstance(kind, Number):
        said |= {"low": kind.low, "high": kind.high, "step": kind.step}
    if isinstance(kind, Choice):
        said |= {"choices": list(kind.titles(runner.model).items()), "keys": kind.keys}
    return said


def _run(runner: Runner, request: Request) -> dict[str, Any]:
    """A whole run, as its messages would bring it; never on the GPU that a visitor is lent."""
    pictures = [step.to_list() for step in draw(runner.model, request, runner.deadline_s)]
    return header_of(request, len(pictures) - 1) | {"pictures": pictures}


def example_of_more(runner: Runner) -> dict[str, Any]:
    request = _first(runner)
    seeds = [request.seed + i for i in range(1, MORE + 1)]
    images = map(picture_text, runner.images(request, seeds))
    return {"settings": request.settings(), "pictures": list(zip(seeds, images))}


def example_of_compare(runner: Runner) -> dict[str, Any]:
    """The answer to the first question, without the steps on the way."""
    _, _, across, across_values, down, down_values = lessons_of(runner.model)[0]
    given = {"across": across, "across_values": across_values, "down": down}
    grid = Grid.check(runner.model, given | {"down_values": down_values})
    last = {}
    for cells, _, pictures in draw_grid(runner, grid):
        last |= zip(cells, map(picture_text, pictures))
    return grid.header() | {"pictures": [last[cell] for cell in range(len(grid.cells))]}


def example_of_draw(runner: Runner) -> dict[str, Any]:
    """A digit that the model has drawn, and a run that re-imagines it."""
    model, asks = runner.model, draw_request_type(runner.model)
    first = request_type(model).check(model, {"label": class_label(model, DRAWN_LABEL)})
    picture = picture_text(runner.preview(first, None).x_t)
    try:
        seen = look(model, picture)
        label = class_label(model, ASKED_LABEL)
        request = asks.check(model, {"start_from": seen["digit"], "label": label})
    except InputError:  # weights of little training may draw nothing that stands out
        return {}
    return seen | {"run": _run(runner, request)}


def example_of_morph(runner: Runner) -> dict[str, Any]:
    request = MorphRequest.check(runner.model, {})
    *_, last = morph_messages(runner, request)
    pictures = [[i, *pair] for i, pair in enumerate(zip(last["images"], last["noises"]))]
    return header_of_morph(request) | {"pictures": pictures}


DATA: dict[str, Callable[[Runner], dict[str, Any]]] = {
    "more": example_of_more,
    "compare": example_of_compare,
    "draw": example_of_draw,
    "morph": example_of_morph,
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


def _first(runner: Runner) -> Request:
    asks = request_type(runner.model)
    return asks.check(runner.model, asks.start(runner.model))
