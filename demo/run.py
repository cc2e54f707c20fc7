"""From a checked request to the pictures of its steps."""

import copy
import dataclasses
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from ldm_core import DenoisingStep, LatentDiffusion, UserError
from ldm_core.files.weights import weights_of
from ldm_core.output.file_settings import picture_text
from ldm_core.output.steps import round_trip_error
from ldm_core.output.views import latent_greys
from ldm_core.runtime.shared import SharedBackend, in_turn

from .request import STUDENT, MorphRequest, Request

DEADLINE_S = 60.0  # several times what the slowest allowed run takes on two busy cores

T = TypeVar("T")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StepPictures:
    """What is seen of one step; index 0 is the start, and `steps` the last.

    t: the time reached, from 1 down to 0. noise_level: sqrt(1 - alpha_bar), from nearly 1 down to
    0. x_t: the noisy latent, decoded, uint8 (28, 28). x_0: the estimate of the finished image that
    the step made, None at index 0. latent: the noisy latent itself in greys, uint8 (4, 8, 8).
    """

    index: int
    steps: int
    t: float
    noise_level: float
    x_t: np.ndarray
    x_0: np.ndarray | None
    latent: np.ndarray

    @classmethod
    def of(cls, model: LatentDiffusion, step: DenoisingStep) -> "StepPictures":
        """Decode the first image of a step."""
        x_t, x_0 = step.x_t[:1], None if step.x_0 is None else step.x_0[:1]
        if x_0 is None or torch.equal(x_0, x_t):  # at the end most are the same
            (x_t,) = model.decode(x_t).cpu().numpy()
            x_0 = None if x_0 is None else x_t
        else:
            x_t, x_0 = model.decode(torch.cat([x_t, x_0])).cpu().numpy()
        latent = latent_greys(step.x_t[0].float().cpu().numpy())
        noise_level = float(model.schedule.levels(step.t)[1])
        return cls(step.index, step.steps, step.t, noise_level, x_t, x_0, latent)

    def to_list(self) -> list:
        """For JSON: [index, t, noise_level, x_t, x_0, latent], pictures as greys in base64.

        Measured, for each of 13 steps: greys are 2.4 KB, and cost the server 0.02 ms and the page
        0.47 ms until they are shown; PNGs are 1.5 KB, and cost 0.38 ms and 0.14 ms. Greys win as
        the server has many visitors, and as the engine in the browser makes greys, too.
        """
        x_0 = None if self.x_0 is None else picture_text(self.x_0)
        numbers = round(self.t, 4), round(self.noise_level, 4)
        return [self.index, *numbers, picture_text(self.x_t), x_0, picture_text(self.latent)]


Draw = Callable[[Request], Iterator[StepPictures]]


def in_time(steps: Iterable[T], deadline_s: float) -> Iterator[T]:
    """Yield the same steps. Raises UserError when they take too long."""
    ends_at = time.monotonic() + deadline_s
    for i, step in enumerate(steps):
        if i and time.monotonic() > ends_at:
            raise UserError(
                f"This was ended after {deadline_s:g} seconds: the server is too busy. Try again "
                "with fewer steps or pictures."
            )
        yield step


def draw(model: LatentDiffusion, request: Request, deadline_s: float) -> Iterator[StepPictures]:
    """Yield what is seen of the start and of every step of a request, each as soon as the model has
    made it. Raises UserError when that takes too long."""
    for step in in_time(request.begin(model), deadline_s):
        yield StepPictures.of(model, step)


@dataclass
class Runner:
    """Runs requests on one model. Those that run at once share the passes of its networks.

    name: of the model among several. folder: where it was loaded from. elsewhere: draws first, and
    may fail at any step (see `zero_gpu.py`). weights, student_weights: fingerprints
    (see `weights_of`).
    """

    model: LatentDiffusion
    name: str = ""
    folder: Path | None = None
    deadline_s: float = DEADLINE_S
    elsewhere: Draw | None = None
    weights: str = dataclasses.field(init=False)
    student_weights: str | None = dataclasses.field(init=False)

    def __post_init__(self):
        self.weights = weights_of(self.model)
        self.student_weights = weights_of(self.model, STUDENT) if self.model.student else None
        self.model = copy.copy(self.model)
        self.model.backend = SharedBackend(self.model.backend)

    def weights_by(self, sampler: str) -> str:
        """The fingerprint that a file stores whose image this sampler has made."""
        return self.student_weights if sampler == STUDENT else self.weights

    def close(self) -> None:
        """End what runs at its next step, and begin nothing more."""
        self.model.backend.close()

    def steps(self, request: Request) -> Iterator[StepPictures]:
        """Yield the start and every step, each as soon as it exists.

        Raises UserError when the run takes too long.
        """
        done, steps = -1, 0  # of nothing, the last step is missing too
        if self.elsewhere:
            try:
                for step in self.elsewhere(request):
                    yield step
                    done, steps = step.index, step.steps
            except Exception as fault:  # the model here can still draw
                log.warning("a run goes on here after step %d, because of: %r", done, fault)
        if done < steps:
            for step in in_turn(draw(self.model, request, self.deadline_s)):
                if step.index > done:
                    yield step

    def frames(self, request: Request) -> np.ndarray:
        """What `StepPictures.x_t` is for every step, uint8 (steps + 1, 28, 28); errors as of
        `steps`. They are decoded together, and nothing else is."""
        if self.elsewhere:
            return np.stack([step.x_t for step in self.steps(request)])
        steps = self._made(request.begin(self.model))
        return self.model.decode(torch.cat([step.x_t[:1] for step in steps])).cpu().numpy()

    def preview(self, request: Request, at: int | None) -> StepPictures:
        """Draw the step with index `at`, or the last; no step after it is made."""
        for step in self._made(request.begin(self.model)):
            if step.index in (at, step.steps):
                break
        return StepPictures.of(self.model, step)

    def images(self, request: Request, seeds: list[int]) -> np.ndarray:
        """Draw the finished images with these seeds in one batch, uint8 (N, 28, 28)."""
        asked = [request.prompted(self.model)] * len(seeds)
        steps = self.model.denoise(asked, seeds=seeds, **request.file.options)
        return self.model.decode(deque(self._made(steps), maxlen=1).pop().x_t).cpu().numpy()

    def morph(self, request: MorphRequest) -> Iterator[dict[str, Any]]:
        """Yield how far the morph is after each step, last all images, and the noise that each
        began with: its latent, since noise that is decoded does not look like noise. They come
        together, because they are drawn at once. Raises UserError when that takes too long.
        """
        noise = None
        for step in self._made(request.begin(self.model)):
            noise = latent_greys(step.x_t.float().cpu().numpy()) if step.index == 0 else noise
            yield {"index": step.index, "steps": step.steps}
        images = self.model.decode(step.x_t).cpu().numpy()
        texts = lambda pictures: list(map(picture_text, pictures))
        yield {"images": texts(images), "noises": texts(noise), "done": True}

    def _made(self, steps: Iterator[DenoisingStep]) -> Iterator[DenoisingStep]:
        return in_turn(in_time(steps, self.deadline_s))

    def remark(self, request: Request) -> str:
        """What there is to say when the run is over."""
        if request.values.get("invert") is None:
            return ""
        error = round_trip_error(self.model, request.file)
        return f"The round trip is off by {error:.1f} grey levels on average."

    def named(self, said: dict[str, Any]) -> dict[str, Any]:
        """The same with the name of the model among the settings, where there are several."""
        if self.name:
            said["settings"] |= {"model": self.name}
        return said
