"""Requests for a morph, and its pictures."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ldm_core import DenoisingStep, InputError, LatentDiffusion
from ldm_core.checks import check_whole
from ldm_core.inputs import MAX_SEED
from ldm_core.output.file_settings import picture_text
from ldm_core.output.steps import steps_of_morph
from ldm_core.output.views import latent_greys

from .request import Label, Request, labels, name_part
from .run import Runner, header_of, in_time
from .values import Boolean, Kind, Value, Values, Whole, Words, described

MAX_POINTS = 6
MAX_FRAMES = 24  # from a point to the next: at most 144 pictures, which are drawn at once
FIRST_POINTS = ((3, 1), (8, 2))  # class and seed


@dataclass(frozen=True)
class Points(Kind):
    """What to draw and its seed, as "a bold seven:11", from two to MAX_POINTS times."""

    word = "points"

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
        check_whole(f"Seed {i}", int(seed), 0, MAX_SEED)
        return f"{what}:{int(seed)}"


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
        kind=Boolean(),
        start=lambda model: True,
    )
    guidance_scale: float = _as_in_request("guidance_scale")
    steps: int = _as_in_request("steps")
    sampler: str = _as_in_request("sampler")

    def check_together(self, model: LatentDiffusion) -> None:
        self.begin(model)

    def begin(self, model: LatentDiffusion) -> Iterator[DenoisingStep]:
        return steps_of_morph(model, self.file)

    @property
    def count(self) -> int:
        """How many images lie on the way."""
        return self.file.images.count

    def line(self) -> str:
        closed = (self.morph[0],) if self.loop else ()
        return f"{' → '.join((*self.morph, *closed))} · {super().line()}"

    def file_name(self) -> str:
        return f"morph-{name_part('-'.join(self.morph))}"


def messages(runner: Runner, request: MorphRequest) -> Iterator[dict[str, Any]]:
    """Yield how far the morph is after each step, last all images, and the noise that each began
    with: its latent, since noise that is decoded does not look like noise. They come together,
    because they are drawn at once. Raises UserError when that takes too long.
    """
    model = runner.model
    noise = None
    for step in in_time(request.begin(model), runner.deadline_s):
        if step.index == 0:
            noise = latent_greys(step.x_t.float().cpu().numpy())
        yield {"index": step.index, "steps": step.steps}
    images = model.decode(step.x_t).cpu().numpy()
    images, noises = (list(map(picture_text, pictures)) for pictures in (images, noise))
    yield {"images": images, "noises": noises, "done": True}


def header_of_morph(request: MorphRequest) -> dict[str, Any]:
    """`header_of` a morph, whose steps are its images, with the caption of each: where it lies on
    the way."""
    captions = [_caption(request, i) for i in range(request.count)]
    return header_of(request, request.count - 1) | {"captions": captions}


def _caption(request: MorphRequest, i: int) -> str:
    """ "3:1", or between two points "3:1 → 8:2, 25%"."""
    before, rest = divmod(i, request.frames)
    points = request.morph
    if rest == 0:
        return points[before]
    after = points[(before + 1) % len(points)]
    return f"{points[before]} → {after}, {100 * rest / request.frames:.0f}%"
