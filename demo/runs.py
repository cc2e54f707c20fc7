"""From a checked request to what people get: messages for the player, and files.

`Runner.steps` is the one way to a run. The page and the HTTP endpoint both use it.
"""

import base64
import io
import logging
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ldm_core import DenoisingStep, LatentDiffusion, UserError, write_png
from ldm_core.files.animation import write_animation
from ldm_core.files.weights import weights_of
from ldm_core.output.file_settings import SCALE, stored_settings
from ldm_core.output.steps import steps_of
from ldm_core.output.views import latent_greys

from .folder import tidy
from .requests import Request, class_label

EXAMPLE_LABEL = 3  # not the label that the page starts with: the first run draws something new
LARGE = 16  # scale of the PNG for people; scripts get each pixel once
RECENT = 3  # steps in a message: the newest, and those before it in case one message was missed
NO_FILES = "The files could not be written. The server's log says why."
DEADLINE_S = 60.0  # several times what the slowest allowed run takes on two busy cores

log = logging.getLogger(__name__)


class FilesNotWritten(UserError):
    """The picture is finished, and cannot be put into files: the disk is full, for example."""


@dataclass(frozen=True)
class StepPictures:
    """What is seen of one step; index 0 is the start, and `steps` the last.

    latent: the noisy latent itself, as `latent_picture` shows it. x_t: the same, decoded. x_0: the
    estimate of the finished image that the step made, None at index 0. Both uint8 (28, 28).
    noise_level: sqrt(1 - alpha_bar), from nearly 1 down to 0.
    """

    index: int
    steps: int
    latent: np.ndarray
    x_t: np.ndarray
    x_0: np.ndarray | None
    noise_level: float

    @classmethod
    def of(cls, model: LatentDiffusion, step: DenoisingStep) -> "StepPictures":
        """Of the first image of a step: what the networks made is decoded here."""
        x_t = model.decode(step.x_t)[0].cpu().numpy()
        x_0 = None if step.x_0 is None else model.decode(step.x_0)[0].cpu().numpy()
        latent = latent_picture(step.x_t[0].float().cpu().numpy())
        noise_level = float(model.schedule.levels(step.t)[1])
        return cls(step.index, step.steps, latent, x_t, x_0, noise_level)

    def to_dict(self, before: "StepPictures | None" = None) -> dict[str, Any]:
        """For JSON: the pictures as data URIs, and how far the estimate has moved since the step
        before, in grey levels (root mean square); None where one of them has no estimate."""
        moved = None
        if before and before.x_0 is not None and self.x_0 is not None:
            moved = float(np.sqrt(np.square(self.x_0.astype(float) - before.x_0).mean()))
        return {
            "index": self.index,
            "latent": data_uri(self.latent),
            "x_t": data_uri(self.x_t),
            "x_0": None if self.x_0 is None else data_uri(self.x_0),
            "noise_level": round(self.noise_level, 4),
            "moved": moved and round(moved, 2),
        }


Draw = Callable[[Request], Iterator[StepPictures]]


def denoise(model: LatentDiffusion, request: Request, deadline_s: float) -> Iterator[DenoisingStep]:
    """Yield the start and every step of a request, each as soon as the model has made it.

    Raises UserError when that takes too long.
    """
    settings = request.file_settings(model)
    steps = steps_of(model, settings, [request.asked(model)], [request.seed])
    yield from in_time(steps, deadline_s)


def in_time(steps: Iterable[DenoisingStep], deadline_s: float) -> Iterator[DenoisingStep]:
    """The same steps. Raises UserError when they take too long."""
    ends_at = time.monotonic() + deadline_s
    for step in steps:
        if step.index and time.monotonic() > ends_at:
            raise UserError(
                f"This was ended at step {step.index} of {step.steps}, after {deadline_s:g} "
                "seconds: the server is too busy. Try again with fewer steps."
            )
        yield step


def draw(model: LatentDiffusion, request: Request, deadline_s: float) -> Iterator[StepPictures]:
    """What is seen of each step of `denoise`."""
    for step in denoise(model, request, deadline_s):
        yield StepPictures.of(model, step)


class Runner:
    """Runs requests on one model, and writes their files into one folder."""

    def __init__(
        self,
        model: LatentDiffusion,
        folder: Path,
        deadline_s: float = DEADLINE_S,
        elsewhere: Draw | None = None,
        weights_folder: Path | None = None,
    ):
        """elsewhere: what draws first, and may fail at any step (see `zero_gpu.py`).
        weights_folder: where the model was loaded from."""
        self.model = model
        self.folder = folder
        self.deadline_s = deadline_s
        self.elsewhere = elsewhere
        self.weights_folder = weights_folder
        self.weights = weights_of(model)  # files say which weights made them

    def steps(self, request: Request, here: bool = False) -> Iterator[StepPictures]:
        """Yield the start and every step, each as soon as it exists. here: never elsewhere.

        Raises UserError when the run takes too long.
        """
        done, steps = -1, 0  # of nothing, the last step is missing too
        if self.elsewhere and not here:
            try:
                for step in self.elsewhere(request):
                    yield step
                    done, steps = step.index, step.steps
            except Exception as fault:  # whatever it is, the model here can still draw
                log.warning("a run goes on here after step %d, because of: %r", done, fault)
        if done < steps:
            for step in draw(self.model, request, self.deadline_s):
                if step.index > done:
                    yield step

    def messages(
        self, request: Request, live: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the messages of a run to the page's player.

        They are JSON objects: what `header_of` says; `pictures`, a list of `StepPictures.to_dict`;
        and in the last message the new files `gif` and `png`, or `no_files`, which says why there
        are none, and `remark`, what there is to say of the run. The first message comes before any
        work, so that Stop works at once. Each step then makes a message, and says how many there
        will be. The last message has the pictures of all steps, so that none can be missing.

        live: what the messages of a run that follows the controls say besides (see `live.py`).
        """
        header = header_of(uuid.uuid4().hex, request) | (live or {})
        yield header | {"pictures": []}
        frames, pictures, before = [], [], None
        for step in self.steps(request, here=live is not None):
            frames.append(step.x_t)
            pictures.append(step.to_dict(before))
            before = step
            header["steps"] = step.steps
            yield header | {"pictures": pictures[-RECENT:]}
        try:
            gif, png = self.save(frames, request, LARGE)
            outcome = {"gif": file_data(gif), "png": file_data(png)}
        except FilesNotWritten as error:
            outcome = {"no_files": str(error)}
        remark = request.remark(self.model)
        yield header | {"pictures": pictures, "remark": remark} | outcome

    def example(self, request: Request | None = None) -> dict[str, Any]:
        """The message of a whole run, without files: what a tab shows when it opens."""
        if request is None:
            label = class_label(self.model, EXAMPLE_LABEL)
            request = Request.check(self.model, {"label": label})
        steps = list(draw(self.model, request, self.deadline_s))
        message = header_of("example", request) | {"steps": steps[-1].steps}
        pairs = zip(steps, [None, *steps])
        return message | {"pictures": [step.to_dict(before) for step, before in pairs]}

    def save(self, frames: list[np.ndarray], request: Request, scale: int = 1) -> tuple[Path, Path]:
        """Write the animation of a finished run, and its picture, enlarged, to new files.

        Raises FilesNotWritten for whatever goes wrong; the log says what.
        """
        try:
            tidy(self.folder)
            return self.save_gif(frames, request), self.save_png(frames[-1], request, scale)
        except Exception as fault:
            log.exception("the files of a run could not be written")
            raise FilesNotWritten(NO_FILES) from fault

    def save_gif(self, frames: list[np.ndarray], request: Request) -> Path:
        """Write the animation, with its settings, to a new file.

        It is the same, to the byte, as the one that `python -m ldm_core.sample` makes.
        """
        path = self._new_file(request, ".gif")
        write_animation(path, frames, settings=self._stored(request, SCALE), scale=SCALE)
        return path

    def save_png(self, picture: np.ndarray, request: Request, scale: int = 1) -> Path:
        """Write one picture, enlarged, with its settings, to a new file; as `save_gif`."""
        path = self._new_file(request, ".png")
        write_png(path, picture, settings=self._stored(request, scale), scale=scale)
        return path

    def _stored(self, request: Request, scale: int) -> dict[str, Any]:
        return stored_settings(request.file_settings(self.model, scale=scale), self.weights)

    def _new_file(self, request: Request, ending: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{request.file_name()}-{uuid.uuid4().hex[:8]}{ending}"


def file_data(path: Path) -> dict[str, Any]:
    """A file as Gradio and its clients pass it on."""
    return {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}


def header_of(run: str, request: Request) -> dict[str, Any]:
    """What every message of a run says. The player knows the name of no setting: it puts
    `settings` into the link, shows `line`, and calls files `name`."""
    return {
        "run": run,
        "steps": request.steps,
        "settings": request.settings(),
        "line": request.line(),
        "name": request.file_name(),
    }


def latent_picture(latent: np.ndarray) -> np.ndarray:
    """float (4, 8, 8) -> uint8 (16, 16): four channels, in two rows of two."""
    greys = latent_greys(latent[:4])
    side = greys.shape[-1]
    return greys.reshape(2, 2, side, side).transpose(0, 2, 1, 3).reshape(2 * side, 2 * side)


def data_uri(picture: np.ndarray) -> str:
    """uint8 (H, W) as a PNG that stands in the place of an address."""
    png = io.BytesIO()
    Image.fromarray(picture).save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
