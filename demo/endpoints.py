"""Gradio's endpoints for scripts, which answer with files."""

import asyncio
import inspect
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import gradio as gr
from fastapi import Depends, HTTPException
from fastapi import Request as HTTPRequest
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from gradio_client.client import Job
from gradio_client.utils import is_file_obj, traverse
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ldm_core import InputError, UserError, write_animation, write_png
from ldm_core.output.file_settings import SCALE, stored_settings

from .api import AT_FAULT, Api, done
from .grid import NOTHING, Grid
from .grid_picture import drawn, write_grid
from .reproduce import Wanted
from .request import LEFT_OUT, MorphRequest, Request, values_of
from .run import Runner
from .values import refuse_unknown

MAX_BODY = 3_000_000  # bytes of a call: a picture and a mask have at most 1.4 MB each
RETURNS = (
    "Returns it as a PNG of 28x28 pixels, the animation of all its steps as a GIF, and the "
    "settings, which draw the same image again."
)
OF_REQUESTS = {  # the kind of what is asked, and what scripts read of it
    "generate": ("denoise", f"Draw one image of a label or a prompt. {RETURNS}"),
    "draw": (
        "draw",
        "Draw one image from a picture of a digit, start_from: re-imagine it (strength), complete "
        f"it (mask) or edit it (invert: what it shows). {RETURNS}",
    ),
    "morph": (
        "morph",
        "Morph from point to point. Returns a filmstrip as a PNG, the animation as a GIF, and the "
        "settings, which draw the same again.",
    ),
}


@contextmanager
def shown_to_people() -> Iterator[None]:
    """Turn errors into those of Gradio, which shows people the text of a gr.Error, and no other."""
    try:
        yield
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from error
    except Exception as fault:
        raise gr.Error(AT_FAULT) from fault


class Page(gr.Blocks):
    """Gradio's page, with calls that leave out the last values, and tools with several results."""

    def launch(self, *args: Any, **options: Any) -> tuple:
        """Raises UserError where Gradio would only print why assistants find no tools.

        Without `_results`, Gradio 6.31 gives an assistant that wants no news of the progress one
        text: that of the list of all results.
        """
        launched = super().launch(*args, **options)
        if self.mcp_error:
            raise UserError(self.mcp_error)
        if self.mcp_server_obj:
            self.mcp_server_obj._execute_tool_without_progress = _results
        return launched

    def validate_inputs(self, block_fn, inputs: list) -> None:
        """Gradio calls it first of all. It answers too few values, and what looks like a file on
        the server, with an error that has no message, and ignores what is too many."""
        try:
            traverse(inputs, _refuse_file, is_file_obj)
        except RecursionError as error:
            raise gr.Error("This is nested too deeply.", print_exception=False) from error
        takes = len(block_fn.inputs)
        parameters = inspect.signature(block_fn.fn).parameters.values()
        inputs += [p.default for p in list(parameters)[len(inputs) :] if p.default is not p.empty]
        if len(inputs) != takes:
            raise gr.Error(
                f"/{block_fn.api_name} takes {takes} values, not {len(inputs)}.",
                print_exception=False,
            )


def _refuse_file(_: dict) -> NoReturn:
    raise gr.Error("A path names no picture here: send a data URI.", print_exception=False)


async def _results(job: Job) -> list:
    found = await asyncio.to_thread(job.result)
    return list(found) if isinstance(found, tuple) else [found]


def add_endpoints(api: Api) -> None:
    """Add the endpoints to the page that is being built. They wait in the same lines as the page's
    own calls."""

    async def compare(
        across: str,
        across_values: str | list,
        down: str = NOTHING,
        down_values: str | list = "",
        fixed: dict | None = None,
    ) -> tuple[gr.FileData, gr.FileData, list]:
        """Draw a labelled grid of images that differ in one or two values. Returns the grid as a
        PNG, the animation of its steps as a GIF, and the settings of each cell, row by row.

        Args:
            across: The value that differs from left to right: one of /generate, or eta.
            across_values: What it is in each column: a list, or a text with commas.
            down: The value that differs from top to bottom; “nothing” for a single row.
            down_values: What it is in each row.
            fixed: Values of all cells, by name, as /generate takes them.
        """
        with shown_to_people():
            given = {"across": across, "across_values": across_values, "down": down}
            given |= {
                "down_values": down_values,
                "fixed": dict(fixed) if isinstance(fixed, dict) else fixed,
            }
            runner, grid = await api.asked("grid", given)
            files = await done(api.lines.grids, lambda: _files(api, runner, grid))
            return *files, [cell.settings() for cell in grid.cells]

    for name, (kind, about) in OF_REQUESTS.items():
        endpoint = _of_request(api, kind, about)
        endpoint.__name__ = name  # of the tool of an assistant
        gr.api(endpoint, api_name=name, concurrency_limit=None)
    gr.api(compare, api_name="compare", concurrency_limit=None)


def _of_request(api: Api, kind: str, about: str) -> Callable:
    """An endpoint that takes the values of a request, and `model` where there are several."""
    model = api.models.first.model

    async def endpoint(*given):
        with shown_to_people():
            runner, request = await api.asked(kind, dict(zip(parameters, given)))
            files = await done(api.lines.runs, lambda: _files(api, runner, request))
            return *files, runner.named(request.header())["settings"]

    # Gradio reads names, types and defaults of an endpoint from the signature of its function.
    hints, defaults = {}, LEFT_OUT | ({"model": ""} if api.models.several else {})
    lines = [about, "", "Args:"]
    for name, value in values_of(model, kind).items():
        hints[name] = value.kind.type | None if value.is_optional else value.kind.type
        defaults = {name: value.start} | defaults
        info = f"{value.info} ".lstrip()
        lines.append(f"    {name}: {value.title}. {info}Allowed: {value.kind.allowed}.")
    if api.models.several:
        hints["model"] = str
        lines.append("    model: The name of a model; left out, the first.")
    of_name = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = {
        name: inspect.Parameter(name, of_name, default=defaults[name], annotation=hint)
        for name, hint in hints.items()
    }
    result = tuple[gr.FileData, gr.FileData, dict]
    endpoint.__doc__ = "\n".join(lines)
    endpoint.__signature__ = inspect.Signature(parameters.values(), return_annotation=result)
    endpoint.__annotations__ = hints | {"return": result}
    return endpoint


def _files(api: Api, runner: Runner, request: Request | Grid) -> tuple[dict, dict]:
    """Draw a request into a PNG and a GIF."""
    png, gif = (_new_file(api, request, ending) for ending in (".png", ".gif"))
    if isinstance(request, Grid):
        frames = drawn(runner, request)
        for path in (png, gif):
            write_grid(path, runner, request, frames)
    elif isinstance(request, MorphRequest):
        for path in (png, gif):
            Wanted(request, path.suffix, request.file).write(runner, path)
    else:
        frames = runner.frames(request)

        def stored(scale: int) -> dict[str, Any]:
            shown = request.shown(scale=scale)
            return stored_settings(shown, runner.weights_by(shown.sampling.sampler))

        write_animation(gif, frames, settings=stored(SCALE), scale=SCALE)
        write_png(png, frames[-1], settings=stored(1), scale=1)
    return _file_data(png), _file_data(gif)


def _new_file(api: Api, request: Request | Grid, ending: str) -> Path:
    api.files.mkdir(parents=True, exist_ok=True)
    return api.files / f"{request.file_name()}-{uuid.uuid4().hex[:8]}{ending}"


def _file_data(path: Path) -> dict[str, Any]:
    """A file as Gradio and its clients pass it on."""
    return {"path": str(path), "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}


class PackedPages(GZipMiddleware):
    """Sends pages, modules and data packed, which Gradio does with its own files only."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_packed = path.endswith(("/", ".js", ".css", ".json")) and "/assets/" not in path
        await (super().__call__ if is_packed else self.app)(scope, receive, send)


class BodyLimit:
    """Refuses calls with too large a body. It reads them to their end, and keeps nothing: who is
    still sending hears no answer."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        size = 0

        async def received() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > MAX_BODY:
                while message.get("more_body"):
                    message = await receive()
                raise HTTPException(413, f"A call has at most {MAX_BODY:,} bytes.")
            return message

        await self.app(scope, received, send)


def server_options(api: Api) -> dict[str, Any]:
    """Options of the page's server: more routes, and messages where Gradio would have none."""

    async def check_call(request: HTTPRequest) -> None:
        """Refuse calls of what is no endpoint, and values by names that it does not know."""
        call = re.search(r"/call(/v2)?/([^/]+)/?$", request.url.path)
        if not call or request.method != "POST":
            return
        functions = request.app.get_blocks().fns.values()
        endpoints = {fn.api_name: fn.fn for fn in functions if fn.api_visibility == "public"}
        if call[2] not in endpoints:
            names = ", ".join(f"/{name}" for name in endpoints)
            raise HTTPException(404, f"There is no endpoint /{call[2]}, only {names}.")
        try:
            given = await request.json()
            if call[1] and isinstance(given, dict):
                takes = inspect.signature(endpoints[call[2]]).parameters
                refuse_unknown(given, takes)
                needs = [n for n, p in takes.items() if p.default is p.empty and n not in given]
                if needs:
                    raise InputError(f"/{call[2]} needs {', '.join(needs)}.")
        except InputError as error:  # it repeats names, which may be no text in UTF-8
            said = str(error).encode(errors="backslashreplace").decode()
            raise HTTPException(422, said) from error
        except (ValueError, RecursionError) as error:
            raise HTTPException(422, f"A call must be JSON: {error}") from error

    async def misshapen(request: HTTPRequest, error: RequestValidationError) -> JSONResponse:
        """FastAPI would repeat what was sent, and fail where that cannot be JSON, such as NaN."""
        said = {f"{fault['msg']}." for fault in error.errors()}
        return JSONResponse({"detail": f"This is no call: {' '.join(sorted(said))}"}, 422)

    async def at_fault(request: HTTPRequest, fault: Exception) -> JSONResponse:
        """The server writes the traceback into its log itself."""
        return JSONResponse({"detail": AT_FAULT}, 500)

    return {
        "routes": api.routes(),
        "dependencies": [Depends(check_call)],
        "exception_handlers": {RequestValidationError: misshapen, Exception: at_fault},
        "middleware": [Middleware(PackedPages, compresslevel=6), Middleware(BodyLimit)],
    }
