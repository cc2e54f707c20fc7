"""Work of several kinds, each with its own waiting line and its own threads."""

import asyncio
import contextvars
import math
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ldm_core import UserError
from ldm_core.runtime.shared import give_way

MAX_RUNS = 100  # at once; they share the passes of the networks, and take about 4 s then
MAX_WAITING = 20  # of other work; each takes about a second
MESSAGES_PER_S = 250  # of all streams together: a message costs the server up to 1 ms
HEARTBEAT_S = 10.0  # proxies close a stream in which nothing happens, most after 30 s or more
CPU_MAX = Path("/sys/fs/cgroup/cpu.max")

T = TypeVar("T")
END = object()


class BusyError(UserError):
    """Too many people wait already."""


class Line:
    """Runs work of one kind in threads, first come, first served.

    at_once: how many threads. max_waiting: how many more may wait for one; who comes then is
    refused. what: they, in words. gives_way: to the work of other lines, at every pass.
    """

    def __init__(self, at_once: int, max_waiting: int, what: str, gives_way: bool = False):
        self.at_once, self.max_waiting, self.what = at_once, max_waiting, what
        self._pool = ThreadPoolExecutor(at_once, initializer=give_way if gives_way else None)
        self._inside = 0
        self._takes_s = 1.0  # on average, of late
        self._lock = threading.Lock()

    @property
    def inside(self) -> int:
        """How many are at work or wait for their turn."""
        return self._inside

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return max(0, self._inside - self.at_once)

    def enter(self, work: Callable[[], T]) -> Future[T]:
        """Do the work when it is its turn; cancelling the future leaves the line before that.

        Raises BusyError if the line is full.
        """
        with self._lock:
            if self._inside >= self.at_once + self.max_waiting:
                seconds = math.ceil(self._takes_s)
                raise BusyError(
                    f"The server is busy with {self._inside} {self.what}. Try again in {seconds} "
                    f"second{'s' * (seconds > 1)}."
                )
            self._inside += 1
        # `spaces` finds the visitor, whose quota it uses, among the context variables.
        future = self._pool.submit(contextvars.copy_context().run, self._timed, work)
        future.add_done_callback(self._left)
        return future

    def _timed(self, work: Callable[[], T]) -> T:
        begun = time.monotonic()
        try:
            return work()
        finally:
            self._takes_s += (time.monotonic() - begun - self._takes_s) / 8

    def _left(self, _: Future) -> None:
        with self._lock:
            self._inside -= 1


class Lines:
    """The lines of a page. Grids, files and previews never keep anybody's Generate waiting."""

    def __init__(self):
        self.runs = Line(MAX_RUNS, 0, "runs")
        self.grids = Line(4, MAX_WAITING, "grids")
        self.files = Line(4, MAX_WAITING, "files")
        self.previews = Line(16, MAX_WAITING, "previews", gives_way=True)


class Stream:
    """A generator that runs in a line, and what it yields.

    A slow reader gets more at once, and so does everybody where many read. `stop` leaves the line,
    or ends the generator after the step under way; only then is its thread free for the next one.
    """

    running: ClassVar[set["Stream"]] = set()

    def __init__(self, line: Line, work: Callable[[], Iterator[Any]]):
        """To be called in an event loop. Raises BusyError if the line is full."""
        self._loop, self._line, self._work = asyncio.get_running_loop(), line, work
        self._inbox: deque[Any] = deque()
        self._news, self._is_over = asyncio.Event(), asyncio.Event()
        self._is_stopped = threading.Event()
        self._future = line.enter(self._run)
        self.running.add(self)
        self._future.add_done_callback(lambda _: self.running.discard(self))
        self._future.add_done_callback(lambda _: self._tell(END))

    def _run(self) -> None:
        with closing(self._work()) as items:
            for item in items:
                if self._is_stopped.is_set():
                    return
                self._tell(item)

    def _tell(self, item: Any) -> None:
        self._inbox.append(item)
        with suppress(RuntimeError):  # the server has ended
            if len(self._inbox) == 1:  # of what comes after, the loop knows already
                self._loop.call_soon_threadsafe(self._news.set)
            if item is END:
                self._loop.call_soon_threadsafe(self._is_over.set)

    async def batches(self) -> AsyncIterator[list[Any]]:
        """Yield lists of what has come since the list before; an empty list says that nothing has
        for a while. Raises what the generator raises."""
        while True:
            if not self._inbox:
                try:
                    await asyncio.wait_for(self._news.wait(), HEARTBEAT_S)
                except asyncio.TimeoutError:
                    yield []
            self._news.clear()
            items = [self._inbox.popleft() for _ in range(len(self._inbox))]
            is_over = bool(items) and items[-1] is END
            if items := items[:-1] if is_over else items:
                yield items
            if is_over:
                if not self._future.cancelled():
                    self._future.result()
                return
            # Steps ride together where they would only wait for each other's messages.
            pause = (self._line.inside - 1) / MESSAGES_PER_S
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._is_over.wait(), pause)

    def stop(self) -> None:
        self._is_stopped.set()
        self._future.cancel()
