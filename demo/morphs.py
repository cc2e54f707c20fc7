"""What may be asked of the tab Morph, and the messages and files of a morph."""

import dataclasses
import logging
import re
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ldm_core import InputError, LatentDiffusion, UserError, write_png
from ldm_core.files.animation import FRAME_MS, write_animation
from ldm_core.files.pictures import lay_out
from ldm_core.output.file_settings import SCALE, stored_settings
from ldm_core.output.steps import steps_of_morph

from .folder import tidy
from .prompts import Words
from .requests import MAX_NAME_BYTES, Label, Request, Value, Values, Whole, described, labels
from .runs import NO_FILES, FilesNotWritten, Runner, data_uri, file_data, latent_picture

MAX_POINTS = 6
MAX_FRAMES = 24  # from a point to the next: at most 144 pictures, which are drawn at once
STRIP_SIDE = 1120  # pixels of the filmstrip, if it is not enlarged at all: as the command line has
CAPTIONS = {"x_t": "Picture on the way", "x_0": "The noise it began with"}
FIRST_POINTS = ((3, 1), (8, 2))  # class and seed

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Points:
    """What to draw and its seed, as "a bold seven:11", from two to MAX_POINTS times."""

    def read(self, text: str) -> list[str]:
        return text.split(",")

    def nearest(self, value: Sequence[str]) -> Sequence[str]:
        return value

    def check(self, title: str, value: Any, model: LatentDiffusion) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or not 2 <= len(value) <= MAX_POINTS:
            found = len(value) if isinstance(value, (list, tuple)) else type(value).__name__
            raise InputError(f"{title} must be a list of 2 to {MAX_POINTS} points, not {found}.")
        return tuple(self._point(i, point, model) for i, point in enumerate(value, start=1))

    def _point(self, i: int, point: Any, model: LatentDiffusion) -> str:
        what, colon, seed = point.rpartition(":") if isinstance(point, str) else ("", "", "")
        if not (colon and seed.isascii() and seed.isdigit()):
            raise InputError(f"Point {i} must be what to draw, a colon and a seed, as 3:7.")
        check = Words().check if model.vocabulary else Label(labels).check
        what = check(f"Point {i}", what.strip(), model)
        return f"{what}:{Request.values()['seed'].kind.check(f'Seed {i}', int(seed), model)}"


@dataclass(frozen=True)
class Whether:
    """Yes or no."""

    def read(self, text: str) -> bool | str:
        return {"true": True, "false": False}.get(text.lower(), text)

    def nearest(self, value: bool) -> bool:
        return value

    def check(self, title: str, value: Any, model: LatentDiffusion) -> bool:
        if not isinstance(value, bool):
            raise InputError(f"{title} must be true or false, not {type(value).__name__}.")
        return value


def _as_in_request(name: str) -> Any:
    return dataclasses.field(metadata={Value: Request.values()[name]})


@dataclass(frozen=True)
class MorphRequest(Values):
    """A request for the images on a way through points, checked for one model."""

    morph: list[str] = described(
        title="Points",
        info="What to draw and its seed.",
        kind=Points(),
        start=lambda model: [
            f"{list(labels(model))[index % len(model.class_names)]}:{seed}"
            for index, seed in FIRST_POINTS
        ],
        in_line="{}",
        says_what=True,
    )
    frames: int = described(
        title="In-between frames",
        info="Pictures from each point to the next.",
        kind=Whole(2, MAX_FRAMES),
        start=lambda model: 12,
        in_line="{} frames",
    )
    loop: bool = described(
        title="Loop",
        info="Go back to the first point at the end.",
        kind=Whether(),
        start=lambda model: True,
        in_line="loop {}",
    )
    guidance_scale: float = _as_in_request("guidance_scale")
    steps: int = _as_in_request("steps")
    sampler: str = _as_in_request("sampler")

    def check_together(self, model: LatentDiffusion) -> None:
        steps_of_morph(model, self.file_settings(model))  # the call does no step

    @property
    def count(self) -> int:
        """How many images lie on the way."""
        return self.frames * (len(self.morph) - (not self.loop)) + (not self.loop)

    def line(self) -> str:
        closed = (self.morph[0],) if self.loop else ()
        way = " → ".join((*self.morph, *closed))
        values = self.values()
        rest = ("frames", "guidance_scale", "steps", "sampler")
        return " · ".join([way, *(values[name].words(getattr(self, name)) for name in rest)])

    def file_name(self) -> str:
        what = re.sub(r"\W+", "-", "-".join(self.morph)).encode()[:MAX_NAME_BYTES]
        return f"morph-{what.decode(errors='ignore')}"


def draw(runner: Runner, request: MorphRequest) -> Iterator[tuple[np.ndarray, np.ndarray] | None]:
    """Yield after each step but the last None, after that all images uint8 (N, 28, 28), and the
    noise that each began with (N, 4, 8, 8). Raises UserError when that takes too long."""
    model, ends_at = runner.model, time.monotonic() + runner.deadline_s
    noise = None
    for step in steps_of_morph(model, request.file_settings(model)):
        if time.monotonic() > ends_at:
            raise UserError(
                f"The run was ended at step {step.index} of {step.steps}, after "
                f"{runner.deadline_s:g} seconds: the server is too busy. Try fewer frames or steps."
            )
        if step.index == 0:
            noise = step.x_t.float().cpu().numpy()
        if step.index < step.steps:
            yield None
        else:
            yield model.decode(step.x_t).cpu().numpy(), noise


def drawn(runner: Runner, request: MorphRequest) -> tuple[Path, Path]:
    """The animation and the filmstrip of a morph, in new files."""
    *_, (images, _) = draw(runner, request)
    return save(runner, images, request)


def messages(runner: Runner, request: MorphRequest) -> Iterator[dict[str, Any]]:
    """Yield the messages of a morph to the page's player, as `Runner.messages` does for a run.

    The player's steps are the images on the way; x_0 is the noise that each began with: its latent,
    since noise that is decoded does not look like noise. All images are drawn at once, so that they
    come together; the messages before let the run be stopped.
    """
    header = _header(uuid.uuid4().hex, request)
    yield header | {"pictures": []}
    for done in draw(runner, request):
        if done is None:
            yield header | {"pictures": []}
        else:
            images, noise = done
    pictures = _pictures(request, images, noise)
    try:
        gif, png = save(runner, images, request)
        outcome = {"gif": file_data(gif), "png": file_data(png)}
    except FilesNotWritten as error:
        outcome = {"no_files": str(error)}
    remark = f"{request.count} pictures, and the GIF goes on for ever."
    yield header | {"pictures": pictures, "remark": remark} | outcome


def example(runner: Runner) -> dict[str, Any]:
    """The message of a whole morph, without files: what the tab shows when it opens."""
    request = MorphRequest.check(runner.model, {})
    *_, (images, noise) = draw(runner, request)
    return _header("example", request) | {"pictures": _pictures(request, images, noise)}


def save(runner: Runner, images: np.ndarray, request: MorphRequest) -> tuple[Path, Path]:
    """Write the animation, and a filmstrip with a line for each point, to new files.

    The settings are in them. Raises FilesNotWritten for whatever goes wrong; the log says what.
    """
    across = request.frames if request.loop or len(request.morph) > 2 else request.count
    strip = lay_out(images, across)
    scale = min(max(STRIP_SIDE // max(strip.shape), 1), SCALE)
    stored = lambda scale: stored_settings(
        request.file_settings(runner.model, scale=scale), runner.weights
    )
    hold = {"hold_ms": FRAME_MS} if request.loop else {}
    try:
        tidy(runner.folder)
        runner.folder.mkdir(parents=True, exist_ok=True)
        name = runner.folder / f"{request.file_name()}-{uuid.uuid4().hex[:8]}"
        gif, png = Path(f"{name}.gif"), Path(f"{name}.png")
        write_animation(gif, images, settings=stored(SCALE), scale=SCALE, **hold)
        write_png(png, strip, settings=stored(scale), scale=scale)
        return gif, png
    except Exception as fault:
        log.exception("the files of a morph could not be written")
        raise FilesNotWritten(NO_FILES) from fault


def _header(run: str, request: MorphRequest) -> dict[str, Any]:
    return {
        "run": run,
        "unit": "Picture",
        "captions": CAPTIONS,
        "steps": request.count - 1,
        "settings": request.settings(),
        "line": request.line(),
        "name": request.file_name(),
    }


def _pictures(request: MorphRequest, images: np.ndarray, noise: np.ndarray) -> list[dict[str, Any]]:
    return [
        {
            "index": i,
            "x_t": data_uri(images[i]),
            "x_0": data_uri(latent_picture(noise[i])),
            "caption": _place(request, i),
        }
        for i in range(len(images))
    ]


def _place(request: MorphRequest, i: int) -> str:
    """Where an image lies on the way: "3:1", or between two points "3:1 → 8:2, 25%"."""
    before, rest = divmod(i, request.frames)
    points = request.morph
    if rest == 0:
        return points[before]
    after = points[(before + 1) % len(points)]
    return f"{points[before]} → {after}, {100 * rest / request.frames:.0f}%"


def given_by_page(model: LatentDiffusion, values: Sequence[Any]) -> MorphRequest:
    """The request for what stands on the tab: frames, loop, guidance scale and steps, then what to
    draw and the seed for each point. Where nothing is to be drawn, the point is left out; raises
    InputError."""
    frames, loop, guidance_scale, steps, *points = values
    given = {"frames": frames, "loop": loop, "guidance_scale": guidance_scale, "steps": steps}
    said = []
    for i, (what, seed) in enumerate(zip(points[::2], points[1::2], strict=True), start=1):
        if what is None or (isinstance(what, str) and not what.strip()):
            continue
        kind = Request.values()["seed"].kind
        said.append(f"{what}:{kind.check(f'Seed {i}', seed, model)}")
    return MorphRequest.check(model, given | {"morph": said})
