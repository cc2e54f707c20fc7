"""A page for each of several models, below the page of the first: at models/NAME/.

A page is built when it is first opened. When the files of its model have changed, it is built anew
for those who open it from then on; if they cannot be used, the old one stays.
"""

import asyncio
import html as text_as_html
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import quote

import gradio as gr
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from ldm_core import UserError

from .models import FAULT, Found, ModelFolder

MAX_OPEN = 8  # pages of models that are kept, unless more are in use
UP = "../../"  # from the page of a model to the first page

log = logging.getLogger(__name__)

Build = Callable[[Found], gr.Blocks]  # loads a model and builds its page


class _Open:
    """A page that is served. users: how many requests it is answering now."""

    def __init__(self, model: Found, page: gr.Blocks, app: FastAPI):
        self.model, self.page, self.app = model, page, app
        self.users, self.retired = 0, False
        self.lifespan = AsyncExitStack()

    async def begin(self) -> None:
        await self.lifespan.enter_async_context(self.app.router.lifespan_context(self.app))

    def stop(self) -> None:
        """End what is answered for as long as a page is open, as `Blocks.close` does."""
        self.page._queue.close()
        self.page.is_running = False
        self.app.routes[-1].app.stop_event.set()

    async def end(self) -> None:
        self.stop()
        await self.lifespan.aclose()


class ModelPages:
    """An ASGI application; `options` are what makes it part of the first page's server."""

    def __init__(self, models: ModelFolder, first: Found, build: Build, looks: Callable[[], dict]):
        """first: the model of the first page. looks: gives options of `Blocks.launch`."""
        self.models, self.first, self.build, self.looks = models, first, build, looks
        self.open: dict[str, _Open] = {}  # the one that was used last comes last
        self.alive: set[_Open] = set()  # also those that give way when nobody uses them any more
        self.files: dict[str, list[set[str]]] = {}  # those that a model's pages may serve
        self.opening = asyncio.Lock()

    def options(self) -> dict[str, Any]:
        """For the application of the first page."""
        return {"routes": [Route("/models/{path:path}", self)], "lifespan": self._lifespan}

    def pages(self) -> list[gr.Blocks]:
        return [one.page for one in list(self.alive)]

    def stop(self) -> None:
        """Before the server is closed, which waits for what is still answered."""
        for one in list(self.alive):
            one.stop()

    @asynccontextmanager
    async def _lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        yield
        for one in list(self.alive):
            await one.end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, slash, rest = scope["path_params"]["path"].partition("/")
        if not name:
            answer = JSONResponse(await self.menu(), headers={"Cache-Control": "no-store"})
            return await answer(scope, receive, send)
        if not slash:
            query = Request(scope).url.query
            answer = RedirectResponse(f"{quote(name)}/{'?' * bool(query)}{query}")
            return await answer(scope, receive, send)
        one = await self._page(name, anew=not rest)
        if isinstance(one, Response):
            return await one(scope, receive, send)
        # The page has a root_path, which says where it is; here are paths below it.
        path = f"/{rest}"
        inner = scope | {"path": path, "raw_path": quote(path).encode(), "root_path": ""}
        one.users += 1
        try:
            await one.app(inner, receive, send)
        finally:
            one.users -= 1
            if one.retired and not one.users:
                await self._end(one)

    async def menu(self) -> list[dict[str, str | None]]:
        """The models that there are now, and what is wrong with those that cannot be used. path:
        where a model is, from the first page; None if it is left out."""
        there = await asyncio.to_thread(self.models.look)
        entries = {}
        for model in there:
            path = f"models/{quote(model.name)}/"
            if model.name == self.first.name and model.stamp == self.first.stamp:
                path = ""
            entries[model.name] = {"path": None if model.problem else path}
            entries[model.name]["problem"] = model.problem
        # What is served goes on, whatever becomes of its files.
        for model, path in self._served():
            entry = entries.setdefault(model.name, {"path": None, "problem": "Its files are gone."})
            if entry["path"] is None:
                entry["path"] = path
        return [{"name": name, **entries[name]} for name in sorted(entries)]

    def _served(self) -> list[tuple[Found, str]]:
        pages = [(one.model, f"models/{quote(one.model.name)}/") for one in self.open.values()]
        return [*pages, (self.first, "")]

    async def _page(self, name: str, anew: bool) -> _Open | Response:
        """The page of a model; anew: or a newer one, if its files have changed."""
        one = self.open.get(name)
        if one is None or anew:
            async with self.opening:
                one = await self._newest(name)
        if isinstance(one, _Open):
            self.open[name] = self.open.pop(name, one)
        return one

    async def _newest(self, name: str) -> _Open | Response:
        old = self.open.get(name)
        model = await asyncio.to_thread(self.models.find, name)
        if old and (model is None or model.problem or model.stamp == old.model.stamp):
            return old
        if model is None:
            return _refusal(404, f"There is no model {name}.")
        if model.problem:
            return _refusal(503, f"{name} is left out. {model.problem}")
        try:
            new = await self._opened(model)
        except UserError:  # it has changed since it was looked at
            return old or _refusal(503, f"{name} is changing now. Try again in a moment.")
        except Exception:  # one model, whatever is wrong with it, must not end the others' pages
            log.exception("the page of %s cannot be built", name)
            return old or _refusal(500, f"{name} is left out. {FAULT}")
        if old:
            await self._retire(old)
        self.open[name] = new
        idle = [one for one in self.open.values() if not one.users and one is not new]
        for one in idle[: max(0, len(self.open) - MAX_OPEN)]:
            await self._retire(one)
        return new

    async def _opened(self, model: Found) -> _Open:
        page = await asyncio.to_thread(self.build, model)
        looks = self.looks()
        page.state_session_capacity = looks.pop("state_session_capacity")
        root_path = f"{page.root_path.rstrip('/')}/models/{quote(model.name)}"
        app = FastAPI(openapi_url=None)
        gr.mount_gradio_app(app, page, path="/", root_path=root_path, **looks)
        # What the model's page before has made can still be fetched.
        page.temp_file_sets += [files for files in self.files.get(model.name, []) if files]
        self.files[model.name] = page.temp_file_sets
        one = _Open(model, page, app)
        await one.begin()
        self.alive.add(one)
        return one

    async def _retire(self, one: _Open) -> None:
        """Let a page go as soon as nobody uses it."""
        self.open.pop(one.model.name, None)
        one.retired = True
        if not one.users:
            await self._end(one)

    async def _end(self, one: _Open) -> None:
        self.alive.discard(one)
        one.page.temp_file_sets = []  # or it would remove its files
        await one.end()


def _refusal(status: int, reason: str) -> Response:
    return HTMLResponse(
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>No such model</title>'
        f'<p>{text_as_html.escape(reason)}</p><p><a href="{UP}">The first model</a></p></html>',
        status,
    )
