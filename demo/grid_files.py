"""From a checked comparison to what people get: messages for the page, and labelled pictures."""

import base64
import importlib.util
import json
import logging
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ldm_core import LatentDiffusion, write_animation, write_png
from ldm_core.files.pictures import enlarge

from .compare import Grid, Piece, draw_grid
from .folder import tidy
from .requests import Request
from .runs import NO_FILES, FilesNotWritten, Runner, data_uri, file_data

MESSAGE_S = 0.08  # between two messages: a grid may have a thousand steps
SIDE, GAP = 28, 2  # pixels
WIDTH = 800  # about what a large grid is wide; a small one is enlarged four times at most
FONT, LINE, LINES = 13, 17, 3  # height of text, of a line, and lines of a title, at most
MARGIN = 8
SIDE_WIDTH = 120  # of the titles beside the rows, at most

Pictures = list[list[np.ndarray]]  # for each cell its steps, uint8 (28, 28)

log = logging.getLogger(__name__)


def all_pictures(runner: Runner, grid: Grid) -> Pictures:
    """The steps of all cells. Raises UserError when that takes too long."""
    pictures: Pictures = [[] for _ in grid.cells]
    for piece in draw_grid(runner.model, grid, runner.deadline_s):
        _keep(pictures, piece)
    return pictures


def messages(runner: Runner, grid: Grid) -> Iterator[dict[str, Any]]:
    """Yield the messages of a grid to the page, JSON objects.

    Each holds all that is known by then; of what grows, Gradio sends what is new. `chunks` are
    pictures of several steps of several cells: steps side by side, beginning with `first`, a row
    for each of `cells`. In the end there are the files `gif` and `png`, or `no_files` says why
    there are none. The first message comes before any work, so that Stop works at once.
    """
    header, chunks, pending = _header(runner.model, grid), [], []
    pictures: Pictures = [[] for _ in grid.cells]
    yield header | {"chunks": []}
    said_at = time.monotonic()
    for piece in draw_grid(runner.model, grid, runner.deadline_s):
        if pending and pending[0].cells != piece.cells:
            chunks, pending = [*chunks, _chunk(pending)], []
        _keep(pictures, piece)
        pending.append(piece)
        if time.monotonic() - said_at > MESSAGE_S:
            chunks, pending = [*chunks, _chunk(pending)], []
            yield header | {"chunks": chunks}
            said_at = time.monotonic()
    if pending:
        chunks = [*chunks, _chunk(pending)]
    known = header | {"chunks": chunks}
    yield known  # the pictures need not wait for the files
    try:
        frames = grid_frames(grid, pictures)
        png, gif = save(runner, grid, frames, ".png"), save(runner, grid, frames, ".gif")
        known |= {"png": file_data(png), "gif": file_data(gif)}
        yield known
    except FilesNotWritten as error:
        yield known | {"no_files": str(error)}


def _keep(pictures: Pictures, piece: Piece) -> None:
    for cell, picture in zip(piece.cells, piece.pictures, strict=True):
        pictures[cell].append(picture)


def _chunk(pieces: Sequence[Piece]) -> dict[str, Any]:
    sprite = np.concatenate([p.pictures.reshape(-1, SIDE) for p in pieces], axis=1)
    first, cells = pieces[0].index, list(pieces[0].cells)
    return {"cells": cells, "first": first, "count": len(pieces), "src": data_uri(sprite)}


def _header(model: LatentDiffusion, grid: Grid) -> dict[str, Any]:
    """What is known before any work. link: the query of a link to the grid; links: for each cell
    that of a link to its image, empty where there is none. has_mp4: whether `as_mp4` works here."""
    axis = lambda a: a and {"title": a.title, "titles": list(a.titles)}
    return {
        "run": uuid.uuid4().hex,
        "across": axis(grid.across),
        "down": axis(grid.down),
        "title": _title(grid),
        "steps": [cell.steps for cell in grid.cells],
        "lines": [cell.line() for cell in grid.cells],
        "name": grid_name(grid),
        "link": grid.link(),
        "links": [_link(model, cell) for cell in grid.cells],
        "has_mp4": importlib.util.find_spec("imageio_ffmpeg") is not None,
    }


def _link(model: LatentDiffusion, cell: Request) -> str:
    """A link cannot say eta."""
    settings = cell.settings()
    return urlencode(settings) if settings.pop("eta") == model.defaults.eta else ""


def _title(grid: Grid) -> str:
    return grid.across.title + (f" across, {grid.down.title.lower()} down" if grid.down else "")


def as_mp4(runner: Runner, grid: Grid) -> str:
    """The animation, drawn again, as a data URI: it takes longer than the grid itself, so it is
    made where somebody asks for it only. Raises UserError."""
    path = save(runner, grid, grid_frames(grid, all_pictures(runner, grid)), ".mp4")
    try:
        return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()
    finally:
        path.unlink()


def grid_name(grid: Grid) -> str:
    """A name for files, without an ending."""
    return "-by-".join(axis.name for axis in (grid.across, grid.down) if axis)


def save(runner: Runner, grid: Grid, frames: Sequence[np.ndarray], ending: str) -> Path:
    """Write the animation, or the last of its frames as .png, to a new file, with its settings.

    Raises FilesNotWritten for whatever goes wrong; the log says what.
    """
    settings = {"compare": json.loads(json.dumps(grid.to_dict())), "weights": runner.weights}
    path = runner.folder / f"{grid_name(grid)}-{uuid.uuid4().hex[:8]}{ending}"
    try:
        runner.folder.mkdir(parents=True, exist_ok=True)
        tidy(runner.folder)
        if ending == ".png":
            write_png(path, frames[-1], settings=settings, scale=1)
        else:
            write_animation(path, frames, settings=settings, scale=1)
    except Exception as fault:
        log.exception("the files of a comparison could not be written")
        raise FilesNotWritten(NO_FILES) from fault
    return path


# The labelled picture


def grid_frames(grid: Grid, pictures: Pictures) -> list[np.ndarray]:
    """A labelled picture for each step of the whole grid, uint8 (H, W), light on black."""
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
    over = [_wrapped(font, title, pitch - 4) for title in grid.across.titles]
    beside = [_wrapped(font, title, SIDE_WIDTH) for title in grid.down.titles] if grid.down else []
    wide = [font.getlength(line) for lines in beside for line in lines]
    title = _title(grid)
    left = MARGIN + (round(max(wide)) + MARGIN if wide else 0)
    top = MARGIN + LINE * (1 + max(map(len, over))) + MARGIN
    width = max(left + grid.columns * pitch, round(font.getlength(title)) + MARGIN) + MARGIN
    canvas = Image.new("L", (width, top + rows * pitch + MARGIN))
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, MARGIN), title, fill=170, font=font)
    side = pitch * SIDE // (SIDE + GAP)
    for column, lines in enumerate(over):
        middle = left + column * pitch + side // 2
        for i, line in enumerate(reversed(lines)):
            draw.text((middle, top - 8 - i * LINE), line, fill=255, font=font, anchor="ms")
    for row, lines in enumerate(beside):
        middle = top + row * pitch + side // 2 - (len(lines) - 1) * LINE // 2
        for i, line in enumerate(lines):
            at = (left - MARGIN, middle + i * LINE)
            draw.text(at, line, fill=255, font=font, anchor="rm")
    return left, top, np.array(canvas)


def _wrapped(font: ImageFont.FreeTypeFont, text: str, width: float) -> list[str]:
    """Lines of a title; what does not fit is cut off."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    if len(lines) > LINES:
        lines = [*lines[: LINES - 1], " ".join(lines[LINES - 1 :])]
    return [_cut(font, line, width) for line in lines]


def _cut(font: ImageFont.FreeTypeFont, line: str, width: float) -> str:
    while len(line) > 1 and font.getlength(line) > width:
        line = line[:-2] + "…" if line.endswith("…") else line[:-1] + "…"
    return line
