"""The labelled picture of a grid, and its files."""

import json
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ldm_core import write_animation, write_png
from ldm_core.files.pictures import enlarge

from .grid import Grid, draw_grid
from .run import Runner

SIDE, GAP = 28, 2  # pixels
WIDTH = 800  # about what a large grid is wide; a small one is enlarged four times at most
FONT, LINE, LETTER = 13, 17, 7  # height of text, of a line, and width of most letters
MARGIN = 8
SIDE_WIDTH = 120  # of the titles beside the rows, at most


def drawn(runner: Runner, grid: Grid) -> list[np.ndarray]:
    """Draw a grid: a labelled picture for each of its steps. Raises UserError if it takes long."""
    pictures: list[list[np.ndarray]] = [[] for _ in grid.cells]
    for cells, _, each in draw_grid(runner, grid):
        for cell, picture in zip(cells, each, strict=True):
            pictures[cell].append(picture)
    return grid_frames(grid, pictures)


def write_grid(path: Path, runner: Runner, grid: Grid, frames: Sequence[np.ndarray]) -> None:
    """Write the animation, or as .png the last of its frames, with what makes the grid again."""
    settings = {"compare": json.loads(json.dumps(grid.to_dict())), "weights": runner.weights}
    if path.suffix == ".png":
        write_png(path, frames[-1], settings=settings, scale=1)
    else:
        write_animation(path, frames, settings=settings, scale=1)


def grid_frames(grid: Grid, pictures: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
    """Lay the steps of all cells out: a labelled picture for each step of the whole grid, uint8
    (H, W), light on black. pictures: for each cell its steps, uint8 (28, 28)."""
    rows = len(grid.cells) // grid.columns
    scale = max(1, min(4, WIDTH // (grid.columns * (SIDE + GAP))))
    pitch = (SIDE + GAP) * scale
    left, top, canvas = _labels(grid, rows, pitch)
    frames = []
    for step in range(grid.steps + 1):
        for cell, steps in enumerate(pictures):
            row, column = divmod(cell, grid.columns)
            y, x = top + row * pitch, left + column * pitch
            picture = enlarge(steps[grid.step_of(cell, step)], scale)
            canvas[y : y + SIDE * scale, x : x + SIDE * scale] = picture
        frames.append(canvas.copy())
    return frames


def _labels(grid: Grid, rows: int, pitch: int) -> tuple[int, int, np.ndarray]:
    """Where the first cell is, and a picture with all but the cells."""
    font = ImageFont.load_default(FONT)
    over = [_lines(title, pitch - 4) for title in grid.across.titles]
    beside = [_lines(title, SIDE_WIDTH) for title in grid.down.titles] if grid.down else []
    wide = [font.getlength(line) for lines in beside for line in lines]
    title, side = grid.title(), pitch * SIDE // (SIDE + GAP)
    left = MARGIN + (round(max(wide)) + MARGIN if wide else 0)
    top = MARGIN + LINE * (1 + max(map(len, over))) + MARGIN
    width = max(left + grid.columns * pitch, round(font.getlength(title)) + MARGIN) + MARGIN
    canvas = Image.new("L", (width, top + rows * pitch + MARGIN))
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, MARGIN), title, fill=170, font=font)
    for column, lines in enumerate(over):
        place = left + column * pitch + side // 2, top - 8
        draw.text(place, "\n".join(lines), 255, font, "md", LINE - FONT, "center")
    for row, lines in enumerate(beside):
        place = left - MARGIN, top + row * pitch + side // 2
        draw.text(place, "\n".join(lines), 255, font, "rm", LINE - FONT, "right")
    return left, top, np.array(canvas)


def _lines(title: str, width: int) -> list[str]:
    """The lines of a title; what does not fit is cut off."""
    return wrap(title, max(4, width // LETTER), max_lines=3, placeholder="…") or [""]
