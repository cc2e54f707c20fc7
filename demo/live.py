"""Live pictures: what the controls say is drawn while somebody moves them.

A page asks for one picture at a time, and asks again, for the newest values, when it has the answer
(demo/web/live.js). So nothing waits in line that nobody wants any more.
"""

import asyncio
import os
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ldm_core import InputError, UserError

from .parts import cores
from .requests import Request
from .runs import Runner, StepPictures, denoise, header_of

MAX_WAITING = 20  # pages at once; each has one picture in the making
NICENESS = 10
BUSY = "The server is busy, so the picture does not follow at once. Generate draws it."

Glance = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


def glancer(runner: Runner, asks: type[Request]) -> Glance:
    """What draws one picture, for `server_functions` of a gr.HTML.

    It takes {values, at}: the values of the controls, in order, and the step to be shown, None for
    the last. It answers a message for the player (see `Runner.messages`) with one picture, or
    {refused}, a sentence. It has threads of its own, so that it takes none from other runs.
    """
    threads = max(1, cores() - 1)
    pool = ThreadPoolExecutor(threads, "glances", initializer=_give_way)
    waiting = 0

    async def glance(given: dict) -> dict:
        nonlocal waiting
        if waiting >= MAX_WAITING:
            return {"refused": BUSY}
        waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(pool, _seen, runner, asks, given)
        finally:
            waiting -= 1

    return glance


def _seen(runner: Runner, asks: type[Request], given: Any) -> dict[str, Any]:
    try:
        values, at = _checked(given)
        request = asks.from_page(runner.model, values)
        for step in denoise(runner.model, request, runner.deadline_s):
            if step.index in (at, step.steps):
                break
    except UserError as refusal:
        return {"refused": str(refusal)}
    header = header_of(uuid.uuid4().hex, request) | {"steps": step.steps, "live": True}
    return header | {"pictures": [StepPictures.of(runner.model, step).to_dict()]}


def _checked(given: Any) -> tuple[list, int | None]:
    if not isinstance(given, dict) or not isinstance(given.get("values"), list):
        raise InputError("A live picture needs the values of the controls, as a list.")
    at = given.get("at")
    return given["values"], at if isinstance(at, int) else None


def _give_way() -> None:
    """Where a core is short, the runs of others go before live pictures."""
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
