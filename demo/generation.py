"""From a request that anybody may have sent to a stream of frames.

A request is checked once, by `check_request`; `denoise_frames` is the one way to a run, and the
page and the HTTP endpoint are two consumers of it.
"""

import base64
import io
import re
import reprlib
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ldm_core import (
    MAX_SEED,
    SAMPLERS,
    DenoisingStep,
    FileSettings,
    LatentDiffusion,
    SamplingSettings,
    stored_settings,
    write_gif,
    write_png,
)

SCALE = 8

ANY = "any"  # the label of unconditional samples
MAX_GUIDANCE_SCALE = 10
MAX_STEPS = 100
FIRST_LABEL, FIRST_SEED = 7, 6  # what the page starts with; labels by their index
RESENT = 3  # frames in one piece of news: each is sent so often
EXAMPLE_LABEL = 3  # another one, so that the first press of Generate draws something new
PNG_SCALE = 16  # of the file for people; scripts get pixel for pixel
DEADLINE_S = 60.0  # several times what the slowest allowed run takes on two busy cores

Run = dict[str, Any]  # see `progress`


class RequestError(ValueError):
    """A request that cannot be run; its text tells a person what was wrong and what is allowed."""


@dataclass(frozen=True)
class Request:
    """A checked request. label_index is None for unconditional; seed is 0 to 2**32 - 1."""

    label: str
    label_index: int | None
    seed: int
    settings: SamplingSettings

    def to_dict(self) -> dict[str, Any]:
        """The five values by the names under which the page, its links and HTTP take them."""
        return {
            "label": self.label,
            "guidance_scale": self.settings.guidance_scale,
            "steps": self.settings.steps,
            "sampler": self.settings.sampler,
            "seed": self.seed,
        }


@dataclass(frozen=True)
class Frame:
    """What is seen after one step; index 0 is the starting noise.

    x_t: the noisy latent, decoded; x_0: the estimate of the finished image that the step made, None
    at index 0. Both uint8 (28, 28). noise_level: sqrt(1 - alpha_bar), from nearly 1 down to 0.
    """

    index: int
    x_t: np.ndarray
    x_0: np.ndarray | None
    noise_level: float


def check_request(
    class_names: tuple[str, ...],
    label: Any,
    guidance_scale: Any,
    steps: Any,
    sampler: Any,
    seed: Any,
) -> Request:
    """Check five values of any type whatever; raises RequestError."""
    if isinstance(label, int) and not isinstance(label, bool):
        label = str(label)
    _check_choice("Label", label, (*class_names, ANY))
    _check_choice("Sampler", sampler, SAMPLERS)
    return Request(
        label=label,
        label_index=None if label == ANY else class_names.index(label),
        seed=_whole("Seed", seed, 0, MAX_SEED),
        settings=SamplingSettings(
            guidance_scale=_number("Guidance scale", guidance_scale, 0, MAX_GUIDANCE_SCALE),
            steps=_whole("Steps", steps, 1, MAX_STEPS),
            sampler=sampler,
        ),
    )


def default_values(class_names: tuple[str, ...]) -> dict[str, Any]:
    """What the page starts with, by the names of `Request.to_dict`."""
    defaults = SamplingSettings()
    return {
        "label": class_names[FIRST_LABEL % len(class_names)],
        "guidance_scale": defaults.guidance_scale,
        "steps": defaults.steps,
        "sampler": defaults.sampler,
        "seed": FIRST_SEED,
    }


def check_link(class_names: tuple[str, ...], query: Mapping[str, str]) -> Request | None:
    """The request in a link's query string, None if it holds none of the five values.

    What it leaves out is as the page starts. Raises RequestError.
    """
    values = default_values(class_names)
    given = {name: text for name, text in query.items() if name in values}
    if not given:
        return None
    values |= given
    for name in ("guidance_scale", "steps", "seed"):
        with suppress(ValueError):  # left a string, it is refused by name below
            values[name] = float(values[name])
    return check_request(class_names, **values)


def denoise_frames(
    model: LatentDiffusion, request: Request, *, deadline_s: float = DEADLINE_S
) -> Iterator[Frame]:
    """Yield steps + 1 frames, as they come into being.

    Raises RequestError when the run takes longer than deadline_s seconds.
    """
    options = request.settings.to_dict()
    steps = model.denoise([request.label_index], seeds=[request.seed], **options)
    for step in _in_time(steps, deadline_s):
        x_t = model.decode(step.x_t)[0].cpu().numpy()
        x_0 = None if step.x_0 is None else model.decode(step.x_0)[0].cpu().numpy()
        yield Frame(step.index, x_t, x_0, float(model.schedule.levels(step.t)[1]))


def progress(
    frames: Iterator[Frame], request: Request, folder: Path, weights: str
) -> Iterator[Run]:
    """Yield what the page's player is told: JSON objects that hold

    run: its id; settings: as `Request.to_dict`; frames: objects of index, noise_level and the data
    URIs x_t and x_0; and at the end gif and png: new files in folder.

    One comes before any work, so that Stop works at once; one for each frame, with the few before
    it in case the browser missed them; and the last has all frames, so that none can be missing.
    """
    run = {"run": uuid.uuid4().hex, "settings": request.to_dict(), "frames": []}
    yield run
    pixels, shown = [], []
    for frame in frames:
        pixels.append(frame.x_t)
        shown.append(_pictures(frame))
        yield run | {"frames": shown[-RESENT:]}
    gif = save_gif(pixels, request, folder, weights)
    png = save_png(pixels[-1], request, folder, weights, PNG_SCALE)
    yield run | {"frames": shown, "gif": file_data(gif), "png": file_data(png)}


def example(model: LatentDiffusion) -> Run:
    """A whole run, without its files, for the page to start with."""
    label = model.class_names[EXAMPLE_LABEL % len(model.class_names)]
    request = check_request(
        model.class_names, **default_values(model.class_names) | {"label": label}
    )
    frames = [_pictures(frame) for frame in denoise_frames(model, request)]
    return {"run": "example", "settings": request.to_dict(), "frames": frames}


def save_gif(frames: list[np.ndarray], request: Request, folder: Path, weights: str) -> Path:
    """Write the animation, its settings inside, to a new file in folder: the very file that
    `python -m ldm_core.sample` makes of them. weights: from `weights_of`."""
    path = _new_file(folder, request, "gif")
    write_gif(path, frames, settings=_stored(request, weights, SCALE), scale=SCALE)
    return path


def save_png(
    frame: np.ndarray, request: Request, folder: Path, weights: str, scale: int = 1
) -> Path:
    """Write one frame, enlarged, its settings inside, to a new file in folder; as `save_gif`."""
    path = _new_file(folder, request, "png")
    write_png(path, frame, settings=_stored(request, weights, scale), scale=scale)
    return path


def file_data(path: Path) -> dict[str, Any]:
    """A file as Gradio and its clients pass it on."""
    return {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}


def _in_time(steps: Iterator[DenoisingStep], deadline_s: float) -> Iterator[DenoisingStep]:
    ends_at = time.monotonic() + deadline_s
    for step in steps:
        if step.index and time.monotonic() > ends_at:
            raise RequestError(
                f"The run was ended at step {step.index} of {step.steps}, after {deadline_s:g} "
                "seconds: the server is too busy. Try again with fewer steps."
            )
        yield step


def _stored(request: Request, weights: str, scale: int) -> dict[str, Any]:
    one = {"label": request.label, "count": 1, "seed": request.seed, "scale": scale}
    return stored_settings(FileSettings(**request.settings.to_dict(), **one), weights)


def _new_file(folder: Path, request: Request, suffix: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    label = re.sub(r"\W+", "-", request.label)  # T-shirt/top is a class
    return folder / f"{label}-seed-{request.seed}-{uuid.uuid4().hex[:8]}.{suffix}"


def _pictures(frame: Frame) -> dict[str, Any]:
    return {
        "index": frame.index,
        "x_t": _data_uri(frame.x_t),
        "x_0": None if frame.x_0 is None else _data_uri(frame.x_0),
        "noise_level": round(frame.noise_level, 4),
    }


def _data_uri(frame: np.ndarray) -> str:
    png = io.BytesIO()
    Image.fromarray(frame).save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def _check_choice(name: str, value: Any, choices) -> None:
    if not isinstance(value, str) or value not in choices:
        raise RequestError(f"{name} must be one of {', '.join(choices)}, not {_short(value)}.")


def _number(name: str, value: Any, low: float, high: float, kind: str = "a number") -> float:
    # JSON brings NaN, infinities and true here; the first two fail the comparison.
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise RequestError(f"{name} must be {kind} from {low} to {high}, not {_short(value)}.")
    return value


def _whole(name: str, value: Any, low: int, high: int) -> int:
    kind = "a whole number"
    if isinstance(value, float) and not value.is_integer():
        raise RequestError(f"{name} must be {kind} from {low} to {high}, not {_short(value)}.")
    return int(_number(name, value, low, high, kind))


def _short(value: Any) -> str:
    return "empty" if value is None else reprlib.repr(value)
