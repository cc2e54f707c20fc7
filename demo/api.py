"""The calls of the page, which scripts may use, too.

A call is one POST to `engine/NAME` whose body is a request. Three of them answer with a stream of
steps, which ends when the caller closes it. They are plain routes beside Gradio's, whose queue
needs two round trips, copies all components for each session, and remembers sessions and calls.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr
from gradio.context import LocalContext
from starlette.exceptions import HTTPException
from starlette.requests import Request as Call
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from ldm_core import InputError, UserError
from ldm_core.checks import check_whole

from . import grid, inside
from .about import Examples, about
from .draw import look
from .grid import Grid
from .lines import Line, Lines, Stream
from .models import Models
from .reproduce import Wanted, checked
from .request import Request
from .run import Runner
from .web_files import WEB

MAX_AT = 1000  # of the step to be glanced at: controls may have other steps by now
AT_FAULT = "Something went wrong on the server. Its log says what."
NOT_KEPT = {"Cache-Control": "no-cache"}
STATUS = {InputError: 422, UserError: 503}  # of refusals; faults are 500
Message = dict[str, Any]

log = logging.getLogger(__name__)


def denoise(runner: Runner, request: Request) -> Iterator[Message]:
    for step in runner.steps(request):
        yield {"steps": step.steps, "pictures": [step.to_list()]}
    yield {"done": True, "remark": runner.remark(request)}


def glance(runner: Runner, body: Message) -> Message:
    request, at = checked(runner.model, "denoise", body.get("request")), body.get("at")
    step = runner.preview(request, None if at is None else check_whole("at", at, 0, MAX_AT))
    said = {"steps": step.steps, "pictures": [step.to_list()]}
    return runner.named(request.header() | said)


def _check(runner: Runner, body: Message) -> Message:
    return runner.named(checked(runner.model, body.get("kind"), body.get("request")).header())


def _file(runner: Runner, body: Message) -> Response:
    how = {name: body[name] for name in ("show", "scale", "frame_ms") if name in body}
    wanted = Wanted.check(runner.model, body.get("request"), body.get("format"), **how)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(wanted.name())}"}
    return Response(wanted.content(runner), media_type=wanted.media_type(), headers=headers)


def _json(value: Any) -> bytes:
    """In ASCII: the name of a class, and what a refusal repeats, may be no text in UTF-8."""
    return json.dumps(value, separators=(",", ":")).encode()


class Json(JSONResponse):
    """An answer in `_json`."""

    def render(self, content: Any) -> bytes:
        return _json(content)


def _refusable(handler: Callable) -> Callable:
    """Answer errors with a status and {"error": {"name", "message"}}."""

    async def answer(call: Call) -> Response:
        try:
            return await handler(call)
        except HTTPException as error:  # of BodyLimit
            said = {"name": InputError.__name__, "message": error.detail}
            return Json({"error": said}, error.status_code)
        except Exception as error:
            status = next((s for type_, s in STATUS.items() if isinstance(error, type_)), 500)
            return Json({"error": _said_of(error)}, status)

    return answer


def _said_of(error: Exception) -> dict[str, str]:
    """The error as people read it; the traceback of a fault goes into the server's log."""
    if isinstance(error, UserError):
        return {"name": type(error).__name__, "message": str(error)}
    log.error("a call has failed", exc_info=error)
    return {"name": "ServerError", "message": AT_FAULT}


class _Events(StreamingResponse):
    """Sends what a stream yields as server-sent events, and stops it when the reader leaves."""

    media_type = "text/event-stream"

    def __init__(self, first: Message, stream: Stream):
        self.stream = stream
        # Proxies hold back what they do not know to be a stream.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(self._events(first), headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.stream.stop()

    async def _events(self, first: Message) -> AsyncIterator[bytes]:
        yield _event(first)
        try:
            async for messages in self.stream.batches():
                yield b"".join(map(_event, _merged(messages))) or b": \n\n"
        except Exception as error:
            yield _event({"error": _said_of(error)})


def _event(message: Message) -> bytes:
    return b"data: %b\n\n" % _json(message)


def _merged(messages: list[Message]) -> list[Message]:
    """Join messages that follow each other and hold pictures into one."""
    merged: list[Message] = []
    for message in messages:
        if merged and merged[-1].keys() == message.keys() and "pictures" in message:
            merged[-1]["pictures"] += message["pictures"]
        else:
            merged.append(message)
    return merged


class WebFiles(StaticFiles):
    """Serves a folder. Browsers keep the files, and ask whether they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


class Api:
    """The calls of a page. files: the folder for those that scripts have made."""

    def __init__(self, models: Models, files: Path):
        self.models, self.files = models, files
        self.lines = lines = Lines()
        self.examples = Examples(lines.previews)
        self.streams = {
            "denoise": (lines.runs, denoise),
            "grid": (lines.grids, grid.messages),
            "morph": (lines.runs, Runner.morph),
        }
        self.answers = {
            "glance": (lines.previews, glance),
            "inside": (lines.previews, inside.answer),
            "look": (lines.previews, lambda runner, body: look(runner.model, body.get("picture"))),
            "check": (lines.previews, _check),
            "file": (lines.files, _file),
        }

    def routes(self) -> list[BaseRoute]:
        """The routes beside Gradio's."""
        return [
            Mount("/web", WebFiles(directory=WEB)),
            Route("/about.json", _refusable(self._about)),
            Route("/data/{name}.json", _refusable(self._data)),
            Route("/engine/models", _refusable(self._menu), methods=["POST"]),
            Route("/engine/{name}", _refusable(self._call), methods=["POST"]),
        ]

    async def asked(self, kind: str, given: Message) -> tuple[Runner, Request | Grid]:
        """The model that a call is about, and its request. Raises InputError."""
        runner = await self.runner(take_model(given))
        return runner, await asyncio.to_thread(checked, runner.model, kind, given)

    async def runner(self, name: Any) -> Runner:
        if not name or name == self.models.first.name:
            return self.models.first
        return await asyncio.to_thread(self.models.runner, str(name))

    async def _call(self, call: Call) -> Response:
        name, body = call.path_params["name"], await _body(call)
        # `spaces` looks here for the visitor, whose quota it uses, and for the server, whose
        # connections the process that it forks must close.
        LocalContext.request.set(gr.Request(call))
        LocalContext.blocks.set(getattr(call.app, "blocks", None))
        if name in self.streams:
            line, messages = self.streams[name]
            runner, request = await self.asked(name, body)
            first = runner.named(request.header()) | {"waiting": line.waiting}
            return _Events(first, Stream(line, partial(messages, runner, request)))
        if name not in self.answers:
            names = ", ".join((*self.streams, *self.answers, "models"))
            raise InputError(f"There is no engine/{name:.80}, only {names}.")
        line, answer = self.answers[name]
        found = await done(line, partial(answer, await self.runner(take_model(body)), body))
        return found if isinstance(found, Response) else Json(found)

    async def _menu(self, call: Call) -> Response:
        return Json(await asyncio.to_thread(self.models.menu))

    async def _about(self, call: Call) -> Response:
        runner = await self.runner(call.query_params.get("model"))
        known = await done(self.lines.previews, partial(about, runner, self.models.several))
        return Json(known, headers=NOT_KEPT)

    async def _data(self, call: Call) -> Response:
        runner = await self.runner(call.query_params.get("model"))
        drawn = self.examples.get(call.path_params["name"], runner)
        return Json(await asyncio.wrap_future(drawn), headers=NOT_KEPT)


async def _body(call: Call) -> Message:
    """The JSON object of a call; raises InputError."""
    try:
        body = json.loads(await call.body())
    except (ValueError, RecursionError) as error:
        raise InputError(f"A call must be JSON: {error}") from error
    if not isinstance(body, dict):
        raise InputError("A call must be a JSON object.")
    return body


async def done(line: Line, work: Callable[[], Any]) -> Any:
    return await asyncio.wrap_future(line.enter(work))


def take_model(body: Message) -> Any:
    """Take the name of a model out of a call. Settings hold it, too, so it may stand in a part."""
    parts = [body, body.get("request"), body.get("fixed")]
    parts += [part.get("fixed") for part in parts[1:2] if isinstance(part, dict)]
    found = [part.pop("model", None) for part in parts if isinstance(part, dict)]
    return next(filter(None, reversed(found)), None)
