"""Comparisons: grids of images that differ in one or two values of a request, all else the same.

Each cell is a request like any other, checked as such. Cells whose settings agree in all but what
is asked and the seed are drawn together, in one batch.
"""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ldm_core import InputError, LatentDiffusion, UserError
from ldm_core.model.class_names import find_label

from .prompts import Amount, asks_of
from .requests import OF_WORDS, Choice, Number, Request, Value, described

MAX_CELLS = 100
MAX_IMAGE_STEPS = 2000  # cells x steps: single runs of that many take about 10 s on a quiet core
MAX_TEXT = 5000  # characters of all the values of an axis
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
        for name, value in compares_of(asks_of(model)).values().items()
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
        """given: a list of values, or a text with commas between them. Raises InputError."""
        values = values_of(model)
        if not isinstance(name, str) or name not in values:
            raise InputError(f"What differs must be one of {', '.join(values)}, not {name!r:.80}.")
        value = values[name]
        checked = [value.kind.check(value.title, v, model) for v in _listed(value, given)]
        return cls(name, value.title, tuple(checked), tuple(_titles(value, checked, model)))


def _listed(value: Value, given: Any) -> list:
    if isinstance(given, str):
        if len(given) > MAX_TEXT:
            raise InputError(f"{value.title}: at most {MAX_TEXT} characters, not {len(given)}.")
        texts = filter(None, (text.strip() for text in given.split(",")))
        given = [value.kind.read(text) for text in texts]
    if not isinstance(given, list | tuple) or not given:
        raise InputError(f"{value.title} needs a list of values, with commas between them.")
    if len(given) > MAX_CELLS:
        raise InputError(f"A grid has at most {MAX_CELLS} cells, not {len(given)} and more.")
    return list(given)


def _titles(value: Value, checked: Sequence[Any], model: LatentDiffusion) -> Iterator[str]:
    known = value.kind.titles(model) if isinstance(value.kind, Choice) else {}
    for one in checked:
        yield known.get(one, _text(one)) or "nothing said"


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
    def check(
        cls,
        model: LatentDiffusion,
        across: Any,
        across_values: Any,
        down: Any = NOTHING,
        down_values: Any = "",
        fixed: Mapping[str, Any] | None = None,
    ) -> "Grid":
        """The grid for values of any type whatever; raises InputError.

        fixed: by name; what is left out is as the page starts. The value of an axis takes the
        place of the one here. Of a label and a prompt that names no class, a cell asks for both.
        """
        known, fixed = values_of(model), {} if fixed is None else fixed
        if not isinstance(fixed, Mapping):
            raise InputError("What stays the same must be values by their names.")
        if unknown := [name for name in fixed if name not in known]:
            raise InputError(
                f"A comparison knows no {', '.join(unknown):.80}; it knows {', '.join(known)}."
            )
        fixed = {k: known[k].kind.check(known[k].title, v, model) for k, v in fixed.items()}
        axes = [Axis.check(model, across, across_values)]
        if down not in (NOTHING, None, ""):
            axes.append(Axis.check(model, down, down_values))
        if len(axes) == 2 and across == down:
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

    @classmethod
    def from_link(cls, model: LatentDiffusion, query: Mapping[str, Any]) -> "Grid | None":
        """The grid of `link`, None if this is no link to one. Raises InputError."""
        if ACROSS[0] not in query:
            return None
        known, query = values_of(model), {name: str(text) for name, text in query.items()}
        fixed = {name[len(FIXED) :]: query[name] for name in query if name.startswith(FIXED)}
        fixed = {n: known[n].kind.read(text) if n in known else text for n, text in fixed.items()}
        axes = [query.get(name, "") for name in (*ACROSS, *DOWN)]
        return cls.check(model, *axes, fixed)

    def link(self) -> dict[str, str]:
        """The query string of a link to this grid, where no value has a comma in it."""
        query = {}
        for names, axis in ((ACROSS, self.across), (DOWN, self.down)):
            if axis:
                query |= dict(zip(names, (axis.name, ", ".join(map(_text, axis.values)))))
        said = {n: v for n, v in self.fixed.items() if v is not None and (v or n not in OF_WORDS)}
        return query | {FIXED + name: _text(value) for name, value in said.items()}

    def _requests(self, model: LatentDiffusion) -> Iterator[Request]:
        asks = compares_of(asks_of(model))
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
        """Steps of the whole grid, as it is scrubbed: those of the cell that has the most."""
        return max(cell.steps for cell in self.cells)

    def step_of(self, cell: int, step: int) -> int:
        """The step of a cell when the grid is at `step`: all begin and end together."""
        return step * self.cells[cell].steps // self.steps

    def cost(self) -> str:
        """What the grid costs, in words."""
        cells = len(self.cells)
        counts = {cell.steps for cell in self.cells}
        each = f" × {counts.pop()} steps" if len(counts) == 1 else ""
        return f"{cells} cell{'s' * (cells != 1)}{each}: {self.image_steps} steps in all"

    def to_dict(self) -> dict[str, Any]:
        """The arguments of `check` that make this grid again, for JSON."""
        down = {"down": self.down.name, "down_values": list(self.down.values)} if self.down else {}
        across = {"across": self.across.name, "across_values": list(self.across.values)}
        return across | down | {"fixed": self.fixed}


def _said(model: LatentDiffusion, given: dict[str, Any], varied: Mapping) -> dict[str, Any]:
    """Values with a label and a prompt that agree: a prompt that names no class is about the label,
    and one that does takes the place of a label that is the same in all cells."""
    prompt, label = given.get("prompt"), given.get("label")
    if not prompt:
        return given
    if model.vocabulary.read(prompt).label is not None:
        return given if "label" in varied else given | {"label": None}
    index = None if label is None else find_label(label, model.class_names)
    if index is not None:
        prompt += " " + model.vocabulary.write((model.vocabulary.class_row(index),))
    return given | {"label": None, "prompt": prompt}


@dataclass(frozen=True)
class Piece:
    """One step of some cells. pictures: what `StepPictures.x_t` is, uint8 (cells, 28, 28)."""

    cells: tuple[int, ...]
    index: int
    pictures: np.ndarray


def draw_grid(model: LatentDiffusion, grid: Grid, deadline_s: float) -> Iterator[Piece]:
    """Yield every step of every cell, each as soon as it exists; cell after cell, or many at once.

    Cells of other steps share nothing: n steps are not the first of more, nor is an estimate on
    the way what fewer steps draw. Raises UserError when that takes too long.
    """
    ends_at, done = time.monotonic() + deadline_s, 0
    for cells, options in _batches(model, grid.cells):
        requests = [grid.cells[cell] for cell in cells]
        asked = [request.asked(model) for request in requests]
        negative = [request.file_settings(model).words.negative_prompt for request in requests]
        seeds = [request.seed for request in requests]
        for step in model.denoise(asked, seeds=seeds, negative=negative, **options):
            if time.monotonic() > ends_at:
                raise UserError(
                    f"The grid was ended after {done} of {len(grid.cells)} cells and "
                    f"{deadline_s:g} seconds: the server is too busy. Try again with fewer cells."
                )
            yield Piece(cells, step.index, model.decode(step.x_t).cpu().numpy())
        done += len(cells)


def _batches(
    model: LatentDiffusion, cells: Sequence[Request]
) -> list[tuple[tuple[int, ...], dict[str, Any]]]:
    """The cells that can be drawn together, and the options that they share."""
    batches: dict[str, tuple[list[int], dict[str, Any]]] = {}
    for cell, request in enumerate(cells):
        options = request.file_settings(model).options
        del options["negative"]  # each image has its own, as it has its seed
        batches.setdefault(repr(options), ([], options))[0].append(cell)
    return [(tuple(together), options) for together, options in batches.values()]
