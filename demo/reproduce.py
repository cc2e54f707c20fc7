"""Files of a request, which know what made them, and the way back from a file to its request."""

import base64
import importlib.util
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ldm_core import InputError, LatentDiffusion
from ldm_core.checks import check_choice, check_whole
from ldm_core.files.animation import FRAME_MS
from ldm_core.files.metadata import settings_in
from ldm_core.model.class_names import label_text
from ldm_core.output.file_settings import FileSettings, Morph
from ldm_core.output.sample_files import write_samples

from .grid import Grid
from .grid_picture import drawn, write_grid
from .request import NAMES, MorphRequest, Request, values_of
from .run import Runner, in_time

ENDINGS = {f: f".{f}" for f in ("gif", "png", "mp4", "webp", "apng")} | {"strip": ".png"}
MEDIA_TYPES = {"mp4": "video/mp4", "strip": "image/png"}
KINDS = ("denoise", "morph", "grid", "draw")
OF_KIND = {  # the formats of what is drawn
    "denoise": tuple(ENDINGS),
    "morph": ("gif", "png", "mp4", "webp", "apng"),
    "grid": ("gif", "png", "mp4"),
}
LARGE = 16  # scale of a picture for people, and the largest: a WebP holds all its frames, enlarged
MAX_FILE = 4_000_000  # bytes of a file whose settings are wanted


def formats() -> dict[str, list[str]]:
    """The formats that this machine can write, by the kind of what is drawn."""
    has_ffmpeg = importlib.util.find_spec("imageio_ffmpeg")
    return {kind: [f for f in all_ if f != "mp4" or has_ffmpeg] for kind, all_ in OF_KIND.items()}


def checked(model: LatentDiffusion, kind: str, given: Any) -> Request | Grid:
    """Check a request of any kind; raises InputError.

    kind: "denoise" for one image, from a picture if there is a `start_from`, "draw" where there
    must be one, "morph" or "grid".
    """
    if check_choice("kind", kind, KINDS) == "grid":
        return Grid.check(model, given)
    if kind == "morph":
        return MorphRequest.check(model, given, kind)
    from_picture = isinstance(given, Mapping) and "start_from" in given
    return Request.check(model, given, "draw" if from_picture else kind)


def kind_of(given: Any) -> str:
    """Tell the kind of a request by its names."""
    given = given if isinstance(given, Mapping) else {}
    return "grid" if "across" in given else "morph" if "morph" in given else "denoise"


@dataclass(frozen=True)
class Wanted:
    """A file that somebody wants. request: what is drawn; settings: how, None for a grid."""

    request: Request | Grid
    format: str
    settings: FileSettings | None

    @classmethod
    def check(
        cls,
        model: LatentDiffusion,
        given: Any,
        format: Any = "gif",
        show: Any = "noisy",
        scale: Any = None,
        frame_ms: Any = FRAME_MS,
    ) -> "Wanted":
        """Check values of any type. Others than `given`: see `FileSettings`. Raises InputError."""
        kind = kind_of(given)
        request = checked(model, kind, given)
        check_choice("format", format, formats()[kind])
        if kind == "grid":
            return cls(request, format, None)
        if scale is not None:
            check_whole("scale", scale, 1, LARGE)
        elif format == "png" and kind == "denoise":
            scale = LARGE
        about = {"show": show, "scale": scale, "frame_ms": frame_ms, "strip": format == "strip"}
        return cls(request, format, request.shown(**about))

    def name(self) -> str:
        return self.request.file_name() + ENDINGS[self.format]

    def media_type(self) -> str:
        return MEDIA_TYPES.get(self.format, f"image/{self.format}")

    def write(self, runner: Runner, path: Path) -> None:
        """Draw the request again into a file: but for grids, the very file that
        `python -m ldm_core.sample` makes.

        Raises UserError where that takes too long, or the picture would be too large.
        """
        if isinstance(self.request, Grid):
            write_grid(path, runner, self.request, drawn(runner, self.request))
        else:
            follow = partial(in_time, deadline_s=runner.deadline_s)
            write_samples(path, runner.model, self.settings, follow)

    def content(self, runner: Runner) -> bytes:
        """The bytes of the file, which is not kept; errors as of `write`."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"file{ENDINGS[self.format]}"
            self.write(runner, path)
            return path.read_bytes()


def opened(runner: Runner, data: Any, name: Any) -> dict[str, Any]:
    """Read what a file that this system made says of itself, for JSON.

    data: the file as a data URI, or in base64. name: what errors call it. Gives the `tab` that
    draws it, its `settings`, `show`: how it shows them, and `said`: what there is to say of it.
    Raises InputError for a file without settings, or whose image this page cannot draw.
    """
    name = name[-80:] if isinstance(name, str) else "The file"
    if not isinstance(data, str) or len(data) > MAX_FILE * 4 // 3 + 1000:
        raise InputError(f"{name} is too large: a file may have {MAX_FILE // 10**6} MB at most.")
    try:
        content = base64.b64decode(data.rpartition(",")[2], validate=True)
    except ValueError as error:  # of text that is no ASCII, too
        raise InputError(f"{name} must be sent in base64.") from error
    stored = settings_in(io.BytesIO(content), name)
    weights = stored.pop("weights", None)
    said, show = [f"{name} is opened."], {}
    try:
        if "compare" in stored:
            tab, settings = "compare", Grid.check(runner.model, stored["compare"]).to_dict()
        else:
            made = FileSettings.from_dict(runner.model.defaults.to_dict() | stored)
            tab, request = _request_of(runner.model, made)
            settings = request.settings()
            show = _shown_by(made, Path(name).suffix)
            if tab != "morph" and made.images.count != 1:
                said.append("Of its images, this is the first.")
            if other := _without_control(runner.model, made, request):
                said.append(f"The page has no control for {other}, so the picture is not the same.")
    except InputError as error:
        raise InputError(f"{name} cannot be opened here. {error}") from error
    if weights not in (None, runner.weights):
        said.append("It was made with other weights, so the picture is not the same.")
    found = {"tab": tab, "settings": settings, "show": show, "said": " ".join(said)}
    return runner.named(found)


def _request_of(model: LatentDiffusion, made: FileSettings) -> tuple[str, Request]:
    """The tab and the request for a file: of its images, for the first; raises InputError."""
    given = made.to_dict()
    if isinstance(made.images, Morph):
        return "morph", checked(model, "morph", {name: given[name] for name in NAMES["morph"]})
    kind = "denoise" if made.images.start is None else "draw"
    known = values_of(model, kind)
    first = made.images.prompts(model.class_names)[0]
    if isinstance(first, str) and not model.vocabulary.read(first).rows:  # it says nothing
        given["prompt"] = first = None
    if not isinstance(first, str):
        given["label"] = label_text(first, model.class_names)
    request = checked(model, kind, {name: given[name] for name in known})
    return "watch" if kind == "denoise" else kind, request


def _shown_by(made: FileSettings, ending: str) -> dict[str, Any]:
    look = made.look
    show = {"show": look.show, "scale": look.scale, "frame_ms": look.frame_ms}
    format = "strip" if look.strip else ending.lower().removeprefix(".")
    return show | ({"format": format} if format in formats()["denoise"] else {})


def _without_control(model: LatentDiffusion, made: FileSettings, request: Request) -> str:
    """Options of a file that make its picture, but that the page has no control for, in words."""
    changed = [
        name
        for name, usual in model.defaults.to_dict().items()
        if name not in request.values and getattr(made.sampling, name) != usual
    ]
    text = lambda v: " to ".join(f"{x:g}" for x in v) if isinstance(v, tuple) else str(v)
    values = [(name.replace("_", " "), getattr(made.sampling, name)) for name in changed]
    return " and ".join(f"{name} {text(value)}" for name, value in values)
