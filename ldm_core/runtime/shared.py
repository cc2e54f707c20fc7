"""One backend for many runs at once: what they ask for at the same moment becomes one pass.

Serving engines for language models call it continuous batching (Yu et al. 2022, "Orca", section
3.1): a run joins at the next pass and leaves when it is done. Every image has its own time, context
and guidance, so runs with other steps, samplers, guidance and prompts ride together. They share the
network below their samplers, and know nothing of each other.
"""

import math
import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..checks import UserError
from ..diffusion.guidance import Predict

ENDING = "The server is being stopped. Try again in a moment."
MAX_KNOWN = 50  # predictions that are kept: those of a run or two
PATIENCE = 8  # passes that may go by without a request; then it comes first

T = TypeVar("T")

_thread = threading.local()
_turn = threading.Lock()


def give_way() -> None:
    """From now on, what this thread asks for rides after what other threads ask for."""
    _thread.gives_way = True


def in_turn(made: Iterator[T]) -> Iterator[T]:
    """Yield the same steps. One thread at a time makes one; while it waits for a pass, others do.

    Python runs one thread at a time anyway. But PyTorch lets go of Python at every operation, and
    threads that compete for it cost processor time.
    """
    while True:
        with _turn:
            _thread.has_turn = True
            try:
                one = next(made, None)
            finally:
                _thread.has_turn = False
        if one is None:
            return
        yield one


class SharedBackend:
    """Runs the networks of another backend for all threads that ask.

    A request is a number of rows, each an image under one condition. Rows of the same network ride
    together, as many as `backend.rows_at_once`; `backend.passes_at_once` passes go on at a time.
    Small requests ride first, and a large one takes the places that are left, over several passes.
    So 64 cells of a grid hold up a single picture by the time of one pass.

    Who asks while nobody else does runs a pass in its own thread, and waits for no other.
    """

    def __init__(self, backend: Any):
        self.backend = backend
        self._lock = threading.Lock()
        self._waiting: list[_Request] = []  # with rows that are in no pass yet
        self._free = backend.passes_at_once  # passes that may begin; none while somebody waits
        self._pool = ThreadPoolExecutor(backend.passes_at_once, "pass")
        self._is_closed = False
        self._decoder = backend.decoder()  # as the last run found it
        self._known: dict[tuple, Tensor] = {}  # of single images; what was used last comes last

    def predictor(
        self, context: Tensor, on: Tensor | None = None, student: bool = False
    ) -> Predict:
        network = self.backend.unet(inside=on is not None, student=student)
        self._decoder = self.backend.decoder()
        if network is None:
            return self.backend.predictor(context, on, student)
        conditions, images = context.shape[:2]
        fixed = network.prepare(context.flatten(0, 1))
        if on is not None:
            fixed["on"] = on.repeat(conditions, 1)

        def ask(x_t: Tensor, t: Tensor) -> Tensor:
            rows = {"x_t": _joined([x_t] * conditions), "t": _joined([t.to(x_t)] * conditions)}
            return self._ask(network, rows | fixed).unflatten(0, (conditions, -1))

        is_kept = images == 1 and self.backend.copies_weights  # others may change in place
        return self._kept((network, context, on), ask) if is_kept else ask

    def _kept(self, run: tuple[Any, Tensor, Tensor | None], ask: Predict) -> Predict:
        """The same as `ask`, which asks for nothing that was just asked for.

        While a slider moves, one run follows the other. They are the same up to the first step that
        the slider changes: that of guidance changes nothing before the guidance interval. And the
        whole run after a preview makes its steps again.
        """
        network, *given = run
        of_run = network, *(None if one is None else one.numpy().tobytes() for one in given)

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
            for request in self._waiting:
                request.take(request.left).put(UserError(ENDING))
            self._waiting = []

    def _ask(self, network: Any, rows: Mapping[str, Tensor]) -> Tensor:
        """What the network makes of these rows, each (N, ...); raises what it raises."""
        request, passes = _Request(network, rows), []
        with self._lock:
            if self._is_closed:
                raise UserError(ENDING)
            self._waiting.append(request)
            while self._free and request.left:
                passes.append(self._take())
        has_turn = getattr(_thread, "has_turn", False)
        if has_turn:
            _turn.release()
        try:
            for parts in passes[1:]:
                self._begin(parts)
            if passes and (following := self._pass(passes[0])):
                self._begin(following)
            return request.result()
        finally:
            if has_turn:
                _turn.acquire()

    def _begin(self, parts: "list[_Part]") -> None:
        """Run a pass in another thread, and all that follow while somebody waits."""
        try:
            self._pool.submit(self._run, parts)
        except RuntimeError:  # Python is ending, and starts no thread
            self._run(parts)

    def _run(self, parts: "list[_Part]") -> None:
        while parts:
            parts = self._pass(parts)

    def _pass(self, parts: "list[_Part]") -> "list[_Part]":
        """Run a pass; returns the parts of the next, none if nobody waits."""
        found = _found(parts)
        with self._lock:
            for part, one in zip(parts, found):
                part.put(one)
            self._free += 1
            return self._take() if self._waiting else []

    def _take(self) -> "list[_Part]":
        """Parts for a pass that is free."""
        self._waiting.sort(key=_Request.rank)
        kind = self._waiting[0].kind
        riding = [request for request in self._waiting if request.kind == kind]
        wanted = math.ceil(sum(request.left for request in riding) / self._free)
        room, parts = min(wanted, self.backend.rows_at_once), []
        for request in riding:
            if room:
                parts.append(request.take(room))
                room -= parts[-1].size
        taken = {id(part.request) for part in parts}
        for request in self._waiting:
            request.skipped = 0 if id(request) in taken else request.skipped + 1
        self._waiting = [request for request in self._waiting if request.left]
        self._free -= 1
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
        self._done = threading.Lock()
        self._done.acquire()

    def rank(self) -> tuple[bool, bool, int]:
        """Requests ride in this order, those of the same rank as they came."""
        return self.skipped < PATIENCE, self.gives_way, self.left

    def take(self, room: int) -> "_Part":
        first, size = self.size - self.left, min(room, self.left)
        self.left -= size
        return _Part(self, first, size)

    def put(self, first: int, found: Tensor | BaseException, size: int) -> None:
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
def _found(parts: list[_Part]) -> list[Tensor | BaseException]:
    """What the network makes of each part; an error is that of all."""
    network, rows = parts[0].request.network, parts[0].request.rows
    try:
        given = {name: _joined([part.rows(name) for part in parts]) for name in rows}
        return network.run(given).split([part.size for part in parts])
    except BaseException as error:  # or those who ride along would wait for ever
        return [error] * len(parts)


def _joined(arrays: list[Tensor]) -> Tensor:
    return arrays[0] if len(arrays) == 1 else torch.cat(arrays)
