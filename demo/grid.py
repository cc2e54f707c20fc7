"""Grids of images that differ in one or two values of a request.

Each cell is a request like any other. Cells that differ only in prompts and seeds are drawn in one
batch.
"""

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ldm_core import InputError, LatentDiffusion
from ldm_core.checks import brief
from ldm_core.model.class_names import find_label, one_line, typed
from ldm_core.output.file_settings import picture_text

from .request import STUDENT, Request, labels, values_of
from .run import Runner, in_time
from .values import Amount, Choice, Number, Value, Whole, Words, refuse_unknown

MAX_CELLS = 100
MAX_IMAGE_STEPS = 2000  # cells x steps: single runs of that many take about 10 s on a quiet core
MAX_TEXT = 5000  # characters of all the values of an axis
# "1,5, 3,5": every part that could be a decimal in other languages is one in this text.
DECIMAL_COMMAS = re.compile(r"\s*[0-9]+,[0-9]+\s*(,\s+[0-9]+(,[0-9]+)?\s*)*,?\s*")
NO_WORD = "no word"  # over a column whose prompt says nothing
NOTHING = "nothing"  # the second axis of a grid that is one row
AXES = ("across", "across_values", "down", "down_values")  # of a link
ASKED = dict.fromkeys((*AXES, "fixed"))


def axes_of(model: LatentDiffusion) -> dict[str, Value]:
    """The values that can differ between cells, by name: without styles that the model has no words
    for."""
    styles = model.vocabulary.styles
    known = values_of(model, "cell")
    return {n: v for n, v in known.items() if not isinstance(v.kind, Amount) or n in styles}


@dataclass(frozen=True)
class Axis:
    """The values along one side of a grid. title and titles: what people read."""

    name: str
    title: str
    values: tuple[Any, ...]
    titles: tuple[str, ...]

    @classmethod
    def check(cls, known: Mapping[str, Value], name: Any, given: Any) -> "Axis":
        """Check one side. known: from `axes_of`. given: a list of values, or a text that
        `split_values` reads. Raises InputError."""
        if not isinstance(name, str) or name not in known:
            raise InputError(f"What differs must be one of {', '.join(known)}, not {name!r:.80}.")
        value = known[name]
        checked = tuple(value.check(one) for one in _listed(value, given))
        return cls(name, value.title, checked, tuple(_title(value, one) for one in checked))


def _listed(value: Value, given: Any) -> list:
    if isinstance(given, str):
        if len(given) > MAX_TEXT:
            raise InputError(f"{value.title}: at most {MAX_TEXT} characters, not {len(given)}.")
        is_decimal = isinstance(value.kind, Number) and not isinstance(value.kind, Whole)
        if is_decimal and DECIMAL_COMMAS.fullmatch(given):
            decimals = re.sub(r"([0-9]),([0-9])", r"\1.\2", given.strip())
            raise InputError(
                f"{value.title}: commas separate values, so write {decimals!r} for decimals, or "
                f"{', '.join(split_values(given))!r} with a space after each comma."
            )
        given = [value.kind.read(text) for text in split_values(given)]
    if not isinstance(given, list | tuple) or not given:
        raise InputError(f"{value.title} needs a list of values, with commas between them.")
    if len(given) > MAX_CELLS:
        raise InputError(f"A grid has at most {MAX_CELLS} cells, not {len(given)} and more.")
    return list(given)


def split_values(text: str) -> list[str]:
    """Split a line of CSV (RFC 4180): quotes hold a comma, and "" is an empty value.

    Spaces around values and a comma at the end mean nothing. Raises InputError for a quote that is
    not closed.
    """
    text = typed(one_line(text)).strip()
    if text.count('"') % 2:
        raise InputError(f'A quote is not closed in {brief(text)}: write "a, b" for one value.')
    try:
        values = [
            value.strip() for line in csv.reader([text], skipinitialspace=True) for value in line
        ]
    except csv.Error as error:
        raise InputError(f"The values cannot be read: {error}.") from error
    return values[:-1] if text.endswith(",") else values


def join_values(values: Sequence[str]) -> str:
    """Write values as `split_values` reads them."""
    values = [typed(one_line(value)) for value in values]
    is_plain = lambda value: value and value == value.strip() and not set(value) & set(',"')
    quoted = lambda value: '"' + value.replace('"', '""') + '"'
    return ", ".join(value if is_plain(value) else quoted(value) for value in values)


def _title(value: Value, one: Any) -> str:
    if isinstance(value.kind, Choice):
        return value.kind.titles.get(one, NO_WORD)  # a label may be left out
    if isinstance(value.kind, Words):
        reading = value.kind.vocabulary.read(one)
        return one if reading.style or reading.label is not None else NO_WORD
    return str(one).removesuffix(".0") if isinstance(one, float) else str(one)


@dataclass(frozen=True)
class Grid:
    """A checked comparison. cells: row by row. fixed: what was given for the other values."""

    across: Axis
    down: Axis | None
    cells: tuple[Request, ...]
    fixed: dict[str, Any]

    @classmethod
    def check(cls, model: LatentDiffusion, given: Any) -> "Grid":
        """Check what a grid is to show; raises InputError.

        given: by the names of ASKED; what is missing of `fixed` is as the page starts. The value of
        an axis takes the place of the one in it. Of a label and a prompt that names no class, a
        cell asks for both.
        """
        if not isinstance(given, Mapping):
            raise InputError(f"A grid is asked for by {', '.join(ASKED)}.")
        refuse_unknown(given, ASKED)
        known, fixed = axes_of(model), given.get("fixed") or {}
        if not isinstance(fixed, Mapping):
            raise InputError("Fixed values must be given by their names.")
        refuse_unknown(fixed, known)
        fixed = {name: known[name].check(value) for name, value in fixed.items()}
        across, down = Axis.check(known, given.get("across"), given.get("across_values")), None
        if given.get("down") not in (NOTHING, None, ""):
            down = Axis.check(known, given["down"], given.get("down_values"))
        if down and down.name == across.name:
            raise InputError(f"{across.title} is on both sides: choose another for one of them.")
        if (cells := len(across.values) * len(down.values if down else [0])) > MAX_CELLS:
            raise InputError(f"A grid has at most {MAX_CELLS} cells, not {cells}.")
        fixed = {n: v for n, v in fixed.items() if n not in (across.name, down and down.name)}
        grid = cls(across, down, tuple(_cells(model, across, down, fixed)), fixed)
        if grid.image_steps > MAX_IMAGE_STEPS:
            raise InputError(
                f"{grid.cost()}, but at most {MAX_IMAGE_STEPS} are allowed: take fewer cells or "
                "fewer steps."
            )
        return grid

    @property
    def columns(self) -> int:
        return len(self.across.values)

    @property
    def image_steps(self) -> int:
        return sum(cell.values["steps"] for cell in self.cells)

    @property
    def steps(self) -> int:
        """Steps of the whole grid: those of the cell that has the most."""
        return max(cell.values["steps"] for cell in self.cells)

    def step_of(self, cell: int, step: int) -> int:
        """The step that a cell shows when the grid is at `step`: all begin and end together."""
        return step * self.cells[cell].values["steps"] // self.steps

    def cost(self) -> str:
        """What the grid costs, in words."""
        cells = len(self.cells)
        counts = {cell.values["steps"] for cell in self.cells}
        each = f" × {counts.pop()} steps" if len(counts) == 1 else ""
        return f"{cells} cell{'s' * (cells != 1)}{each}: {self.image_steps} steps in all"

    def to_dict(self) -> dict[str, Any]:
        """What `check` takes to make this grid again, for JSON."""
        down = {"down": self.down.name, "down_values": list(self.down.values)} if self.down else {}
        across = {"across": self.across.name, "across_values": list(self.across.values)}
        return across | down | {"fixed": self.fixed}

    def title(self) -> str:
        across = self.across.title
        return f"{across} across, {self.down.title.lower()} down" if self.down else across

    def file_name(self) -> str:
        """A name for files, without an ending."""
        return "-by-".join(axis.name for axis in (self.across, self.down) if axis)

    def header(self) -> dict[str, Any]:
        """What is known of the grid before any work, for JSON."""
        axis = lambda a: a and {"name": a.name, "title": a.title, "titles": list(a.titles)}
        said = ("settings", "steps")
        cells = [{n: v for n, v in cell.header().items() if n in said} for cell in self.cells]
        return {
            "across": axis(self.across),
            "down": axis(self.down),
            "title": self.title(),
            "name": self.file_name(),
            "cost": f"{self.cost()}, of {MAX_IMAGE_STEPS} at most.",
            "image_steps": self.image_steps,
            "steps": self.steps,
            "cells": cells,
            "settings": self.to_dict(),
        }


def _cells(
    model: LatentDiffusion, across: Axis, down: Axis | None, fixed: dict[str, Any]
) -> Iterator[Request]:
    for row in down.values if down else [None]:
        for value in across.values:
            varied = ({down.name: row} if down else {}) | {across.name: value}
            yield Request.check(model, _said(model, fixed | varied, varied), "cell")


def _said(model: LatentDiffusion, given: dict[str, Any], varied: Mapping) -> dict[str, Any]:
    """Make label and prompt agree: a prompt without a class is about the label, and one with a
    class replaces a label that is the same in all cells."""
    prompt, label = given.get("prompt"), given.get("label")
    if not prompt:
        return given
    if model.vocabulary.read(prompt).label is not None:
        return given if "label" in varied else given | {"label": None}
    index = None if label is None else find_label(label, model.class_names)
    if index is not None:
        prompt += " " + model.vocabulary.write((model.vocabulary.class_row(index),))
    return given | {"label": None, "prompt": prompt}


def draw_grid(runner: Runner, grid: Grid) -> Iterator[tuple[list[int], int, np.ndarray]]:
    """Yield every step of every cell as soon as it exists: the cells, which are drawn together, the
    index of the step, and what `StepPictures.x_t` is, uint8 (cells, 28, 28).

    Cells of other steps share nothing: n steps are not the first of more, nor is an estimate on
    the way what fewer steps draw. Raises UserError when that takes too long.
    """
    yield from in_time(_steps(runner.model, grid), runner.deadline_s)


def _steps(model: LatentDiffusion, grid: Grid) -> Iterator[tuple[list[int], int, np.ndarray]]:
    for cells, options in _batches(grid.cells):
        requests = [grid.cells[cell] for cell in cells]
        prompts = [request.prompted(model) for request in requests]
        negative = [request.file.words.negative_prompt for request in requests]
        seeds = [request.values["seed"] for request in requests]
        for step in model.denoise(prompts, seeds=seeds, negative=negative, **options):
            yield cells, step.index, model.decode(step.x_t).cpu().numpy()


def messages(runner: Runner, grid: Grid) -> Iterator[dict[str, Any]]:
    """Yield the messages of a grid: `pictures` holds [cells, index, greys of each in base64], and
    the last message is `done`."""
    for cells, index, pictures in draw_grid(runner, grid):
        yield {"pictures": [[cells, index, list(map(picture_text, pictures))]]}
    yield {"done": True}


def _batches(cells: Sequence[Request]) -> list[tuple[list[int], dict[str, Any]]]:
    """The cells that can be drawn together, and the options that they share."""
    batches: dict[str, tuple[list[int], dict[str, Any]]] = {}
    for cell, request in enumerate(cells):
        options = dict(request.file.options)
        del options["negative"]  # each image has its own, as it has its seed
        batches.setdefault(repr(options), ([], options))[0].append(cell)
    return list(batches.values())


def lessons_of(model: LatentDiffusion) -> list[tuple[str, str, str, str, str, str]]:
    """Questions that a grid answers: its title, what to look at, and the values of the axes."""
    texts = list(labels(model))[:-1]
    samplers = [s for s in values_of(model, "cell")["sampler"].kind.titles if s != STUDENT]
    found = [
        (
            "What guidance does",
            "0 ignores the label, 1 is the model alone, more pulls harder. What still changes?",
            *("guidance_scale", "0, 1, 2, 3.5, 5, 7, 10", "seed", "1, 2, 3, 4"),
        ),
        (
            "How few steps will do",
            "The same noise, in more and more steps: soon they change little.",
            *("steps", "1, 2, 3, 4, 6, 8, 12, 25", "label", join_values(texts[:4])),
        ),
        (
            "Samplers side by side",
            "The same noise. DDPM and SDE add more of it on their way, and end elsewhere.",
            *("sampler", ", ".join(samplers), "label", join_values(texts[:4])),
        ),
        (
            "Ten digits, one noise",
            "Each row begins with one noise: look for what the digits have in common.",
            *("label", join_values(texts[:10]), "seed", "1, 2, 3, 4, 5"),
        ),
    ]
    if model.vocabulary.styles:
        found.append(
            (
                "What each word does",
                "The first column says no word of style; each other one says one more.",
                *("prompt", join_values(list(_words(model))), "label", join_values(texts[:4])),
            )
        )
    return found


def _words(model: LatentDiffusion) -> Iterator[str]:
    vocabulary = model.vocabulary
    yield "a"
    for name in vocabulary.styles:
        for third in (-1, 1):
            yield vocabulary.write(vocabulary.phrases(name, third)[0])
