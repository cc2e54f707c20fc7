"""Work of several kinds, each with its own waiting line and its own threads."""

import asyncio
import contextvars
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from weakref import WeakSet

from ldm_core import UserError

MAX_WAITING = 20  # a run takes about a second, so nobody waits much longer than 20 seconds
HEARTBEAT_S = 10.0  # proxies close a stream in which nothing happens, most after 30 s or more
CPU_MAX = Path("/sys/fs/cgroup/cpu.max")

T = TypeVar("T")
END = object()


class BusyError(UserError):
    """Too many people wait already."""


class Line:
    """Runs work of one kind in threads, first come, first served.

    at_once: how many threads. niceness: of its threads, so that where a core is short, the work of
    other lines goes first. busy: the sentence for those who come when MAX_WAITING wait.
    """

    def __init__(self, at_once: int, busy: str, niceness: int = 0):
        self.at_once, self.busy = at_once, busy
        self._pool = ThreadPoolExecutor(at_once, initializer=partial(_give_way, niceness))
        self._inside = 0
        self._lock = threading.Lock()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return max(0, self._inside - self.at_once)

    def enter(self, work: Callable[[], T]) -> Future[T]:
        """Do the work when it is its turn; cancelling the future leaves the line before that.

        Raises BusyError if the line is full.
        """
        with self._lock:
            if self._inside >= self.at_once + MAX_WAITING:
                raise BusyError(self.busy)
            self._inside += 1
        # `spaces` finds the visitor, whose quota it uses, among the context variables.
        future = self._pool.submit(contextvars.copy_context().run, work)
        future.add_done_callback(self._left)
        return future

    def _left(self, _: Future) -> None:
        with self._lock:
            self._inside -= 1


class Lines:
    """The lines of a page. Grids, files and previews never keep anybody's Generate waiting."""

    def __init__(self):
        busy = f"The server is busy: {MAX_WAITING} people wait already. Try again in a minute."
        self.runs = Line(cores(), busy)
        self.grids = Line(1, busy.replace("people", "grids"))
        self.files = Line(2, busy.replace("people", "files"))
        live = "The server is busy, so the picture does not follow at once. Generate draws it."
        self.previews = Line(cores(), live, niceness=10)  # runs go first where cores are short


class Stream:
    """A generator that runs in a line, and what it yields.

    A slow reader gets more at once. `stop` leaves the line, or ends the generator after the step
    under way; only then is its thread free for the next one.
    """

    running: ClassVar[WeakSet["Stream"]] = WeakSet()

    def __init__(self, line: Line, work: Callable[[], Iterator[Any]]):
        """To be called in an event loop. Raises BusyError if the line is full."""
        self.running.add(self)
        self._loop, self._work = asyncio.get_running_loop(), work
        self._inbox: list[Any] = []
        self._news, self._is_stopped = asyncio.Event(), threading.Event()
        self._future = line.enter(self._run)
        self._future.add_done_callback(lambda _: self._tell(END))

    def _run(self) -> None:
        with closing(self._work()) as items:
            for item in items:
                if self._is_stopped.is_set():
                    return
                self._tell(item)

    def _tell(self, item: Any) -> None:
        with suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(self._put, item)

    def _put(self, item: Any) -> None:
        self._inbox.append(item)
        self._news.set()

    async def batches(self) -> AsyncIterator[list[Any]]:
        """Yield lists of what has come since the list before; an empty list says that nothing has
        for a while. Raises what the generator raises."""
        while True:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._news.wait(), HEARTBEAT_S)
            self._news.clear()
            items, self._inbox = self._inbox, []
            is_over = bool(items) and items[-1] is END
            if items := items[:-1] if is_over else items:
                yield items
            elif not is_over:
                yield []
            if is_over:
                if not self._future.cancelled():
                    self._future.result()
                return

    def stop(self) -> None:
        self._is_stopped.set()
        self._future.cancel()


def cores() -> int:
    """How many cores this process may use: a cpuset may give it fewer than the machine has, and a
    container only a share of their time (cpu.max of cgroup v2)."""
    has_sets = hasattr(os, "sched_getaffinity")  # not on macOS and Windows
    allowed = len(os.sched_getaffinity(0)) if has_sets else os.cpu_count() or 1
    try:
        quota, period = CPU_MAX.read_text().split()
        return max(1, min(allowed, round(int(quota) / int(period))))
    except (OSError, ValueError):  # there is no such file, or it says "max"
        return allowed


def _give_way(niceness: int) -> None:
    if niceness and sys.platform == "linux":  # elsewhere threads have no priorities
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), niceness)
