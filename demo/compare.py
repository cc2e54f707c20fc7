"""Grids of images that differ in one or two values of a request.

Each cell is a request like any other. Cells that differ only in prompts and seeds are drawn in one
batch.
"""

import csv
import dataclasses
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ldm_core import InputError, LatentDiffusion, UserError
from ldm_core.checks import brief
from ldm_core.model.class_names import find_label, one_line, typed
from ldm_core.output.file_settings import picture_text

from .request import Request, labels, request_type
from .run import Runner
from .values import OF_WORDS, Amount, Choice, Number, Value, Whole, Words, described, refuse_unknown

MAX_CELLS = 100
MAX_IMAGE_STEPS = 2000  # cells x steps: single runs of that many take about 10 s on a quiet core
ASKED = dict.fromkeys(("across", "across_values", "down", "down_values", "fixed"))
MAX_TEXT = 5000  # characters of all the values of an axis
# "1,5, 3,5": every part that could be a decimal in other languages is one in this text.
DECIMAL_COMMAS = re.compile(r"\s*[0-9]+,[0-9]+\s*(,\s+[0-9]+(,[0-9]+)?\s*)*,?\s*")
NO_WORD = "no word"  # over a column whose prompt says nothing
NOTHING = "nothing"  # the second axis of a grid that is one row
ACROSS, DOWN = ("across", "across_values"), ("down", "down_values")  # of a link
FIXED = "fixed_"  # before the names of values of all cells: without it they are Watch's


@cache
def compares_of(asks: type[Request]) -> type[Request]:
    """What can differ between cells: the values of a request, and eta."""

    @dataclass(frozen=True)
    class CellRequest(asks):
        eta: float = described(
            title="Eta",
            info="Fresh noise in each step, with DDIM and DPM-Solver++ (2M).",
            kind=Number(0, 1, step=0.05),
            start=lambda model: model.defaults.eta,
            in_line="eta {}",
        )

    return CellRequest


def values_of(model: LatentDiffusion) -> dict[str, Value]:
    """All values that a cell has, by name: each can be an axis."""
    styles = model.vocabulary.styles if model.vocabulary else ()
    return {
        name: value
        for name, value in compares_of(request_type(model)).values().items()
        if not isinstance(value.kind, Amount) or name in styles
    }


@dataclass(frozen=True)
class Axis:
    """The values along one side of a grid. title and titles: what people read."""

    name: str
    title: str
    values: tuple[Any, ...]
    titles: tuple[str, ...]

    @classmethod
    def check(cls, model: LatentDiffusion, name: Any, given: Any) -> "Axis":
        """Check one side. given: a list of values, or a text that `split_values` reads. Raises
        InputError."""
        values = values_of(model)
        if not isinstance(name, str) or name not in values:
            raise InputError(f"What differs must be one of {', '.join(values)}, not {name!r:.80}.")
        value = values[name]
        checked = [value.kind.check(value.title, v, model) for v in _listed(value, given)]
        return cls(
            name, value.title, tuple(checked), tuple(_title(value, one, model) for one in checked)
        )


def _listed(value: Value, given: Any) -> list:
    if isinstance(given, str):
        if len(given) > MAX_TEXT:
            raise InputError(f"{value.title}: at most {MAX_TEXT} characters, not {len(given)}.")
        is_decimal = isinstance(value.kind, Number) and not isinstance(value.kind, Whole)
        if is_decimal and DECIMAL_COMMAS.fullmatch(given):
            raise InputError(
                f"{value.title}: commas separate values, so write {_decimals(given)!r} for "
                f"decimals, or {', '.join(split_values(given))!r} with a space after each comma."
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


def _decimals(text: str) -> str:
    return re.sub(r"([0-9]),([0-9])", r"\1.\2", text.strip())


def _title(value: Value, one: Any, model: LatentDiffusion) -> str:
    if isinstance(value.kind, Choice):
        return value.kind.titles(model).get(one, NO_WORD)  # a label may be left out
    if isinstance(value.kind, Words):
        reading = model.vocabulary.read(one)
        return one if reading.style or reading.label is not None else NO_WORD
    return _text(one)


def _text(value: Any) -> str:
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


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
        known, fixed = values_of(model), given.get("fixed") or {}
        if not isinstance(fixed, Mapping):
            raise InputError("Fixed values must be given by their names.")
        refuse_unknown(fixed, known)
        fixed = {k: known[k].kind.check(known[k].title, v, model) for k, v in fixed.items()}
        axes = [Axis.check(model, given.get("across"), given.get("across_values"))]
        if (down := given.get("down")) not in (NOTHING, None, ""):
            axes.append(Axis.check(model, down, given.get("down_values")))
        if len(axes) == 2 and axes[0].name == axes[1].name:
            raise InputError(f"{axes[0].title} is on both sides: choose another for one of them.")
        rows = len(axes[1].values) if len(axes) == 2 else 1
        if (cells := rows * len(axes[0].values)) > MAX_CELLS:
            raise InputError(f"A grid has at most {MAX_CELLS} cells, not {cells}.")
        fixed = {k: v for k, v in fixed.items() if k not in [axis.name for axis in axes]}
        grid = cls(axes[0], axes[1] if len(axes) == 2 else None, (), fixed)
        grid = dataclasses.replace(grid, cells=tuple(grid._requests(model)))
        if grid.image_steps > MAX_IMAGE_STEPS:
            raise InputError(
                f"{grid.cost()}, but at most {MAX_IMAGE_STEPS} are allowed: take fewer cells or "
                "fewer steps."
            )
        return grid

    def link(self) -> dict[str, str]:
        """The query string of a link to this grid."""
        query = {}
        for names, axis in ((ACROSS, self.across), (DOWN, self.down)):
            if axis:
                query |= dict(zip(names, (axis.name, join_values(list(map(_text, axis.values))))))
        said = {n: v for n, v in self.fixed.items() if v is not None and (v or n not in OF_WORDS)}
        return query | {FIXED + name: _text(value) for name, value in said.items()}

    def _requests(self, model: LatentDiffusion) -> Iterator[Request]:
        asks = compares_of(request_type(model))
        down = [(self.down.name, value) for value in self.down.values] if self.down else [None]
        for row in down:
            for value in self.across.values:
                varied = {self.across.name: value} | dict([row] if row else [])
                yield asks.check(model, _said(model, self.fixed | varied, varied))

    @property
    def columns(self) -> int:
        return len(self.across.values)

    @property
    def image_steps(self) -> int:
        return sum(cell.steps for cell in self.cells)

    @property
    def steps(self) -> int:
        """Steps of the whole grid: those of the cell that has the most."""
        return max(cell.steps for cell in self.cells)

    def step_of(self, cell: int, step: int) -> int:
        """The step that a cell shows when the grid is at `step`: all begin and end together."""
        return step * self.cells[cell].steps // self.steps

    def cost(self) -> str:
        """What the grid costs, in words."""
        cells = len(self.cells)
        counts = {cell.steps for cell in self.cells}
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
        """What is known of the grid before any work, for JSON. link: the query of a link to it."""
        axis = lambda a: a and {"name": a.name, "title": a.title, "titles": list(a.titles)}
        cells = [
            {"line": cell.line(), "settings": cell.settings(), "steps": cell.steps}
            for cell in self.cells
        ]
        return {
            "across": axis(self.across),
            "down": axis(self.down),
            "title": self.title(),
            "name": self.file_name(),
            "cost": f"{self.cost()}, of {MAX_IMAGE_STEPS} at most.",
            "image_steps": self.image_steps,
            "steps": self.steps,
            "cells": cells,
            "link": self.link(),
            "settings": self.to_dict(),
        }


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
    model, done = runner.model, 0
    ends_at = time.monotonic() + runner.deadline_s
    for cells, options in _batches(model, grid.cells):
        requests = [grid.cells[cell] for cell in cells]
        prompts = [request.prompted(model) for request in requests]
        negative = [request.file.words.negative_prompt for request in requests]
        seeds = [request.seed for request in requests]
        for step in model.denoise(prompts, seeds=seeds, negative=negative, **options):
            if time.monotonic() > ends_at:
                raise UserError(
                    f"The grid was ended after {done} of {len(grid.cells)} cells and "
                    f"{runner.deadline_s:g} seconds: the server is too busy. Try again with fewer "
                    "cells."
                )
            yield cells, step.index, model.decode(step.x_t).cpu().numpy()
        done += len(cells)


def messages(runner: Runner, grid: Grid) -> Iterator[dict[str, Any]]:
    """Yield the messages of a grid: `pictures` holds [cells, index, greys of each in base64], and
    the last message is `done`."""
    for cells, index, pictures in draw_grid(runner, grid):
        yield {"pictures": [[cells, index, list(map(picture_text, pictures))]]}
    yield {"done": True}


def _batches(
    model: LatentDiffusion, cells: Sequence[Request]
) -> list[tuple[list[int], dict[str, Any]]]:
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
    samplers = ", ".join(values_of(model)["sampler"].kind.titles(model))
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
            *("sampler", samplers, "label", join_values(texts[:4])),
        ),
        (
            "Ten digits, one noise",
            "Each row begins with one noise: look for what the digits have in common.",
            *("label", join_values(texts[:10]), "seed", "1, 2, 3, 4, 5"),
        ),
    ]
    if model.vocabulary and model.vocabulary.styles:
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
