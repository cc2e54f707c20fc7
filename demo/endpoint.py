"""The HTTP endpoint /generate, for scripts."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import gradio as gr
from fastapi import Depends, HTTPException
from fastapi import Request as HTTPRequest
from fastapi.responses import JSONResponse
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import Receive, Scope, Send

from .parts import AT_FAULT, RUNS_THE_MODEL, shown_to_people
from .prompts import asks_of
from .requests import Request, Values, refused_words
from .runs import Runner, file_data

NAME = "generate"
RETURNS = (
    "Returns it as a PNG of 28x28 pixels, the animation of all its steps as a GIF, and the "
    "settings, which draw the same image again."
)
ABOUT = f"Draw one image. {RETURNS}"


class Page(gr.Blocks):
    """Gradio's page, which also takes calls that leave out the last values, if they have defaults.

    Gradio calls `validate_inputs` first of all. Of itself it answers too few values with an error
    that has no message, and leaves out what is too many.
    """

    def validate_inputs(self, block_fn, inputs: list) -> None:
        takes = len(block_fn.inputs)
        if (missing := takes - len(inputs)) > 0:
            parameters = inspect.signature(block_fn.fn).parameters.values()
            defaults = [p.default for p in parameters if p.default is not p.empty]
            inputs += defaults[-missing:]
        if len(inputs) != takes:
            raise gr.Error(
                f"/{block_fn.api_name} takes {takes} values, not {len(inputs)}.",
                print_exception=False,
            )


def add_endpoint(
    runner: Runner,
    asks: type[Values] | None = None,
    name: str = NAME,
    about: str = ABOUT,
    draw: Callable[[Runner, Any], tuple[Path, Path]] | None = None,
) -> None:
    """Add /name to the page that is being built. It takes the values of a request.

    about: says to scripts what it draws. draw: draws a request into files, a GIF and a PNG; that of
    one image if not given.
    """
    asks = asks or asks_of(runner.model)

    def generate(*values):
        with shown_to_people():
            request = asks.check(runner.model, values)
            gif, png = (draw or _drawn)(runner, request)
            return file_data(png), file_data(gif), request.settings()

    # Gradio reads names, types and defaults of an endpoint from the signature of its function.
    hints, defaults = get_type_hints(asks), asks.left_out(runner.model)
    parameters = [
        inspect.Parameter(
            name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=defaults[name], annotation=hint
        )
        for name, hint in hints.items()
    ]
    generate.__doc__ = about
    result = tuple[gr.FileData, gr.FileData, dict]
    generate.__signature__ = inspect.Signature(parameters, return_annotation=result)
    generate.__annotations__ = hints | {"return": result}
    gr.api(generate, api_name=name, **RUNS_THE_MODEL)


def _drawn(runner: Runner, request: Request) -> tuple[Path, Path]:
    return runner.save([step.x_t for step in runner.steps(request)], request)


class PackedPages(GZipMiddleware):
    """Sends pages packed, which Gradio does with its own files only. Streams stay as they are: they
    would wait until there is enough to pack."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_page = scope["type"] == "http" and scope["path"].endswith("/")
        await (super().__call__ if is_page else self.app)(scope, receive, send)


def server_options() -> dict:
    """What the web server under Gradio answers where Gradio itself would have no message, and how
    it sends pages."""

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
        except ValueError as error:
            raise HTTPException(422, f"A call must be JSON: {error}") from error
        if call[1] and isinstance(given, dict):
            known = inspect.signature(endpoints[call[2]]).parameters
            if refusal := refused_words(given, known):
                raise HTTPException(422, refusal)
            if unknown := sorted(given.keys() - known.keys()):
                names = f"{', '.join(unknown)}; it knows {', '.join(known)}"
                raise HTTPException(422, f"/{call[2]} does not know {names}.")

    async def at_fault(request: HTTPRequest, fault: Exception) -> JSONResponse:
        """The server writes the traceback into its log itself."""
        return JSONResponse({"detail": AT_FAULT}, 500)

    return {
        "dependencies": [Depends(check_call)],
        "exception_handlers": {Exception: at_fault},
        "middleware": [Middleware(PackedPages, compresslevel=6)],
    }
