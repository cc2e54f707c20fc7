"""Files of a request, which know what made them."""

import importlib.util
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ldm_core import LatentDiffusion
from ldm_core.checks import check_choice, check_whole
from ldm_core.files.animation import FRAME_MS
from ldm_core.output.file_settings import FileSettings
from ldm_core.output.sample_files import write_samples

from .grid import Grid
from .grid_picture import drawn, write_grid
from .request import MorphRequest, Request
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
