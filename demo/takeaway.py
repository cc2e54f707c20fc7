"""What people take away of a run: files of it, and texts that make it again; and the way back, from
a file to the values that made it."""

import importlib.util
import io
import logging
import re
import shlex
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ldm_core import InputError, LatentDiffusion, UserError
from ldm_core.checks import check_choice, check_whole
from ldm_core.files.animation import FRAME_MS
from ldm_core.files.metadata import settings_in
from ldm_core.model.class_names import label_text
from ldm_core.model.vocabulary import STYLES
from ldm_core.output.file_settings import FileSettings, Look
from ldm_core.output.sample_files import write_samples

from .folder import tidy
from .prompts import asks_of
from .requests import OF_WORDS, Request, refused_words
from .runs import NO_FILES, FilesNotWritten, Runner, in_time

KINDS = {"gif": ".gif", "mp4": ".mp4", "webp": ".webp", "apng": ".apng", "strip": ".png"}
MAX_SCALE = 16  # a WebP holds all its frames, enlarged
MAX_FILE = 4_000_000  # bytes of a file whose settings are wanted

log = logging.getLogger(__name__)


def kinds() -> list[str]:
    """The kinds of files that this machine can write."""
    has_ffmpeg = importlib.util.find_spec("imageio_ffmpeg")
    return [kind for kind in KINDS if kind != "mp4" or has_ffmpeg]


def request_of(model: LatentDiffusion, given: Any, asks: type[Request] | None = None) -> Request:
    """The request for values by name, of any type whatever; raises InputError. asks: what may be
    asked, if it is not `asks_of(model)`."""
    asks = asks or asks_of(model)
    if not isinstance(given, Mapping):
        raise InputError("The settings must be values by their names, as /generate returns them.")
    if refusal := refused_words(given, asks.values()):
        raise InputError(refusal)
    if unknown := [str(name) for name in given if name not in asks.values()]:
        names = f"{', '.join(unknown):.80}; they are {', '.join(asks.values())}"
        raise InputError(f"The settings of one image have no {names}.")
    return asks.check(model, given)


@dataclass(frozen=True)
class Take:
    """A file that is wanted of a request. settings: all that makes it. kind: a name of KINDS."""

    request: Request
    kind: str
    settings: FileSettings

    @classmethod
    def check(
        cls,
        model: LatentDiffusion,
        given: Any,
        kind: Any = "gif",
        show: Any = "noisy",
        scale: Any = None,
        frame_ms: Any = FRAME_MS,
        asks: type[Request] | None = None,
    ) -> "Take":
        """given, asks: as of `request_of`. Others: see `FileSettings`; of any type whatever. Raises
        InputError."""
        request = request_of(model, given, asks)
        check_choice("format", kind, KINDS)
        if scale is not None:
            check_whole("scale", scale, 1, MAX_SCALE)
        about = {"show": show, "scale": scale, "frame_ms": frame_ms, "strip": kind == "strip"}
        return cls(request, kind, request.file_settings(model, **about))

    def file_name(self) -> str:
        return self.request.file_name() + KINDS[self.kind]


def save(runner: Runner, take: Take) -> Path:
    """Draw the request again into a new file: the very one that the command line makes.

    Raises UserError where that takes too long or the picture would be too large; FilesNotWritten
    for whatever else goes wrong, and the log says what.
    """
    name = f"{take.request.file_name()}-{uuid.uuid4().hex[:8]}{KINDS[take.kind]}"
    try:
        tidy(runner.folder)
        path = runner.folder / name
        follow = partial(in_time, deadline_s=runner.deadline_s)
        write_samples(path, runner.model, take.settings, follow)
        return path
    except UserError:
        raise
    except Exception as fault:
        log.exception("a file could not be written")
        raise FilesNotWritten(NO_FILES) from fault


# Texts that make it again


def as_python(model: LatentDiffusion, request: Request) -> str:
    """A program that draws the image of a request and saves it."""
    said = request.settings()
    asked, seed = request.asked(model), said.pop("seed")
    style = {name: said.pop(name) for name in STYLES if name in said}
    negative = said.pop("negative_prompt", None)
    given = [f"[{_code(asked)}]", f"seeds=[{seed}]"]
    given += [f"negative={_code(negative)}"] if negative else []
    given += [f"style={_code(style)}"] if style else []
    given += [f"{n}={_code(value)}" for n, value in said.items() if n not in ("label", "prompt")]
    given = "".join(f"    {one},\n" for one in given)
    return (
        "from PIL import Image\n\n"
        "from ldm_core import LatentDiffusion\n\n"
        'model = LatentDiffusion.load("weights")\n'
        f"images = model.generate(\n{given})\n"
        f"Image.fromarray(images[0].numpy()).save({_code(request.file_name() + '.png')})\n"
    )


def _code(value: Any) -> str:
    """A value as Python code; a text in the quotes that this code base has, where it can."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_code(key)}: {_code(one)}" for key, one in value.items()) + "}"
    is_plain = isinstance(value, str) and re.fullmatch(r"[\w ,.*-]*", value)
    return f'"{value}"' if is_plain else repr(value)


def as_command(take: Take) -> str:
    """The command line that makes a file, to the byte."""
    usual, look, options = Look(), take.settings.look, dict(take.request.settings())
    for name in ("show", "scale") if take.kind == "strip" else ("show", "scale", "frame_ms"):
        if getattr(look, name) != getattr(usual, name):
            options[name] = getattr(look, name)
    words = [_option(name, value) for name, value in options.items()]
    words += ["--strip"] * (take.kind == "strip")
    return " ".join(["python -m ldm_core.sample", *words, _option("out", take.file_name())])


def _option(name: str, value: Any) -> str:
    """What begins with a dash would be taken for an option of its own."""
    between = "=" if str(value).startswith("-") else " "
    return f"--{name.replace('_', '-')}{between}{_quoted(str(value))}"


def _quoted(text: str) -> str:
    """Of a plain text, as all shells read it; of others, as those of POSIX do."""
    return f'"{text}"' if re.fullmatch(r"[\w,.]+( [\w,.]+)+", text) else shlex.quote(text)


# From a file


@dataclass(frozen=True)
class Opened:
    """What a file says: its request, how it shows it, and what there is to say of it."""

    request: Request
    show: dict[str, Any]
    said: str


def opened(runner: Runner, content: bytes, name: str, asks: type[Request] | None = None) -> Opened:
    """What a file that this system made says of itself. name: what errors call it. asks: as of
    `request_of`.

    Raises InputError for a file without settings, or whose image this page cannot draw.
    """
    if len(content) > MAX_FILE:
        raise InputError(f"{name} is too large: a file may have {MAX_FILE // 10**6} MB at most.")
    asks = asks or asks_of(runner.model)
    stored = settings_in(io.BytesIO(content), name)
    weights = stored.pop("weights", None)
    for key, tab in (("compare", "Compare"), ("morph", "Morph"), ("start_from", "Draw")):
        if stored.get(key) is not None:
            raise InputError(f"{name} was made by the tab {tab}, and can be made again only there.")
    try:
        settings = FileSettings.from_dict(runner.model.defaults.to_dict() | stored)
        request = _first_image(runner.model, settings, asks)
    except InputError as error:
        raise InputError(f"{name} cannot be opened here. {error}") from error
    said = [f"{name} is opened."]
    if settings.images.count is None or settings.images.count > 1:
        said.append("Of its images, this is the first.")
    if other := _without_control(runner.model, settings, asks):
        said.append(f"The page has no control for {other}, so the picture is not the same.")
    if weights not in (None, runner.weights):
        said.append("It was made with other weights, so the picture is not the same.")
    kind = next((kind for kind in kinds() if KINDS[kind] == Path(name).suffix.lower()), None)
    look = settings.look
    show = {"show": look.show, "scale": look.scale, "frame_ms": look.frame_ms}
    if look.strip or kind != "strip":  # another PNG is the finished image
        show["format"] = "strip" if look.strip else kind
    return Opened(request, show, " ".join(said))


def _first_image(model: LatentDiffusion, settings: FileSettings, asks: type[Request]) -> Request:
    """The request for the first of the images of a file; raises InputError."""
    values, given = asks.values(), settings.to_dict()
    if refusal := refused_words([name for name in OF_WORDS if given[name]], values):
        raise InputError(refusal)
    first = settings.images.prompts(model.class_names)[0]
    if isinstance(first, str) and not model.vocabulary.read(first).rows:  # it says nothing
        given["prompt"] = first = None
    if not isinstance(first, str):
        given["label"] = label_text(first, model.class_names)
    return asks.check(model, {name: given[name] for name in values})


def _without_control(model: LatentDiffusion, settings: FileSettings, asks: type[Request]) -> str:
    """Options of a file that make its picture, but that the page has no control for, in words."""
    usual = model.defaults.to_dict()
    names = [name for name in usual if name not in asks.values()]
    return " and ".join(
        f"{name.replace('_', ' ')} {_shown(getattr(settings.sampling, name))}"
        for name in names
        if getattr(settings.sampling, name) != getattr(model.defaults, name)
    )


def _shown(value: Any) -> str:
    return " to ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else str(value)
