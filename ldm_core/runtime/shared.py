"""One backend for many runs at once: what they ask for at the same moment becomes one pass.

Serving engines for language models call it continuous batching (Yu et al. 2022, "Orca", section
3.1): a run joins at the next pass and leaves when it is done. Every image has its own time, context
and guidance, so runs with other steps, samplers, guidance and prompts ride together. They share the
network below their samplers, and know nothing of each other.
"""

import math
import threading
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor

from ..checks import UserError
from ..diffusion.guidance import Predict

ENDING = "The server is being stopped. Try again in a moment."
MAX_KNOWN = 50  # predictions that are kept: those of a run or two
PATIENCE = 8  # passes that may go by without a request; then it comes first

_thread = threading.local()


def give_way() -> None:
    """From now on, what this thread asks for rides after what other threads ask for."""
    _thread.gives_way = True


class SharedBackend:
    """Runs the networks of another backend for all threads that ask.

    A request is a number of rows, each an image under one condition. Rows of the same network ride
    together, as many as `backend.rows_at_once`; `backend.passes_at_once` passes go on at a time.
    Small requests ride first, and a large one takes the places that are left, over several passes.
    So 64 cells of a grid hold up a single picture by the time of one pass.

    Passes run in the threads that ask while there are enough of them, so that a run which is alone
    waits for no other thread.
    """

    def __init__(self, backend: Any):
        self.backend = backend
        self._lock = threading.Lock()
        self._waiting: list[_Request] = []
        self._free = backend.passes_at_once  # passes that may begin
        self._idle = backend.passes_at_once  # those, and the ones that are about to begin
        self._pool = ThreadPoolExecutor(backend.passes_at_once, "pass")
        self._is_closed = False
        self._decoder = backend.decoder()  # as the last run found it
        self._known: dict[tuple, Tensor] = {}  # of single images; what was used last comes last

    def predictor(self, context: Tensor, on: Tensor | None = None) -> Predict:
        network = self.backend.unet(inside=on is not None)
        self._decoder = self.backend.decoder()
        if network is None:
            return self.backend.predictor(context, on)
        conditions, images = context.shape[:2]
        fixed = network.prepare(context.flatten(0, 1))
        if on is not None:
            fixed["on"] = on.repeat(conditions, 1)

        def ask(x_t: Tensor, t: Tensor) -> Tensor:
            rows = {"x_t": _joined([x_t] * conditions), "t": _joined([t.to(x_t)] * conditions)}
            return self._ask(network, rows | fixed).unflatten(0, (conditions, -1))

        is_kept = images == 1 and self.backend.copies_weights  # others may change in place
        return self._kept(network, fixed, ask) if is_kept else ask

    def _kept(self, network: Any, fixed: Mapping[str, Tensor], ask: Predict) -> Predict:
        """The same as `ask`, which asks for nothing that was just asked for.

        While a slider moves, one run follows the other. They are the same up to the first step that
        the slider changes: that of guidance changes nothing before the guidance interval. And the
        whole run after a preview makes its steps again.
        """
        of_run = network, *(tensor.numpy().tobytes() for tensor in fixed.values())

        def predict(x_t: Tensor, t: Tensor) -> Tensor:
            key = *of_run, x_t.numpy().tobytes(), t.numpy().tobytes()
            with self._lock:
                found = self._known.pop(key, None)
            found = ask(x_t, t) if found is None else found
            with self._lock:
                self._known[key] = found
                if len(self._known) > MAX_KNOWN:
                    del self._known[next(iter(self._known))]
            return found

        return predict

    def reader(self, context: Tensor, on: Tensor | None = None, names: Collection[str] = ()) -> Any:
        return self.backend.reader(context, on, names)

    def decode(self, z: Tensor) -> Tensor:
        if self._decoder is None:
            return self.backend.decode(z)
        return self._ask(self._decoder, {"z": z})

    def close(self) -> None:
        """End every run that waits for a pass, or asks for one later, by a UserError."""
        with self._lock:
            self._is_closed = True
            waiting, self._waiting = self._waiting, []
        for request in waiting:
            request.take(request.left).put(UserError(ENDING))

    def _ask(self, network: Any, rows: Mapping[str, Tensor]) -> Tensor:
        """What the network makes of these rows, each (N, ...); raises what it raises."""
        request = _Request(network, rows)
        with self._lock:
            if self._is_closed:
                raise UserError(ENDING)
            self._waiting.append(request)
            begin = min(self._free, request.size)
            self._free -= begin
        for _ in range(begin - 1):
            if not self._begin():
                with self._lock:
                    self._free += 1
        if begin:
            self._run_passes(until=request)
        return request.result()

    def _begin(self) -> bool:
        """Run passes in another thread; False if Python is ending, and starts none."""
        try:
            self._pool.submit(self._run_passes)
            return True
        except RuntimeError:
            return False

    def _run_passes(self, until: "_Request | None" = None) -> None:
        """Run passes while somebody waits; a thread that asked itself, until its rows are taken."""
        while parts := self._next(until):
            _run(parts)
            with self._lock:
                self._idle += 1

    def _next(self, until: "_Request | None") -> "list[_Part]":
        """The parts of the next pass; none if it is not this thread's to run."""
        with self._lock:
            if not self._waiting:
                self._free += 1
                return []
            if until and not until.left and self._begin():
                return []
            return self._take()

    def _take(self) -> "list[_Part]":
        self._waiting.sort(key=_Request.rank)
        kind = self._waiting[0].kind
        riding = [request for request in self._waiting if request.kind == kind]
        wanted = math.ceil(sum(request.left for request in riding) / self._idle)
        room, parts = min(wanted, self.backend.rows_at_once), []
        for request in riding:
            if room:
                parts.append(request.take(room))
                room -= parts[-1].size
        taken = {id(part.request) for part in parts}
        for request in self._waiting:
            request.skipped = 0 if id(request) in taken else request.skipped + 1
        self._waiting = [request for request in self._waiting if request.left]
        self._idle -= 1
        return parts


class _Request:
    """Rows that one thread waits for. left: how many are in no pass yet."""

    def __init__(self, network: Any, rows: Mapping[str, Tensor]):
        self.network, self.rows = network, rows
        images = next(iter(rows.values()))
        self.size = self.left = self._missing = len(images)
        # What does not fit together is not put together: a wrong shape is the error of its own run.
        # Of networks that are named tuples, the types count too: those of one model would be equal.
        self.kind = type(network), network, images.shape[1:]
        self.skipped = 0
        self.gives_way = getattr(_thread, "gives_way", False)
        self._found: list[tuple[int, Tensor]] = []
        self._error: BaseException | None = None
        self._lock, self._done = threading.Lock(), threading.Lock()
        self._done.acquire()

    def rank(self) -> tuple[bool, bool, int]:
        """Requests ride in this order, those of the same rank as they came."""
        return self.skipped < PATIENCE, self.gives_way, self.left

    def take(self, room: int) -> "_Part":
        first, size = self.size - self.left, min(room, self.left)
        self.left -= size
        return _Part(self, first, size)

    def put(self, first: int, found: Tensor | BaseException, size: int) -> None:
        with self._lock:
            if isinstance(found, BaseException):
                self._error = found
            else:
                self._found.append((first, found))
            self._missing -= size
            if not self._missing:
                self._done.release()

    def result(self) -> Tensor:
        self._done.acquire()
        if self._error:
            raise self._error
        if len(self._found) == 1:
            return self._found[0][1]
        return torch.cat([found for _, found in sorted(self._found, key=lambda one: one[0])])


class _Part:
    """The rows of a request that ride in one pass."""

    def __init__(self, request: _Request, first: int, size: int):
        self.request, self.first, self.size = request, first, size

    def rows(self, name: str) -> Tensor:
        return self.request.rows[name][self.first : self.first + self.size]

    def put(self, found: Tensor | BaseException) -> None:
        self.request.put(self.first, found, self.size)


@torch.inference_mode()
def _run(parts: list[_Part]) -> None:
    network, rows = parts[0].request.network, parts[0].request.rows
    try:
        given = {name: _joined([part.rows(name) for part in parts]) for name in rows}
        found = network.run(given).split([part.size for part in parts])
    except BaseException as error:  # or those who ride along would wait for ever
        found = [error] * len(parts)
    for part, one in zip(parts, found):
        part.put(one)


def _joined(arrays: list[Tensor]) -> Tensor:
    return arrays[0] if len(arrays) == 1 else torch.cat(arrays)
