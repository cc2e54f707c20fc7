"""Waiting lines: each kind of work has its own, and who goes away leaves it."""

import asyncio
import contextvars
import os
import sys
import threading
import time

import pytest

from demo import lines
from demo.lines import BusyError, Line, Lines, Stream, cores


@pytest.mark.parametrize(
    ("allowed", "quota", "wanted"),
    [(4, "max 100000", 4), (4, "150000 100000", 2), (1, "400000 100000", 1), (4, "5 100000", 1)],
)
def test_as_many_runs_at_once_as_cores_may_be_used(allowed, quota, wanted, monkeypatch, tmp_path):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(lines, "CPU_MAX", tmp_path / "cpu.max")
    assert cores() == allowed
    (tmp_path / "cpu.max").write_text(quota)
    assert cores() == wanted


@pytest.fixture
def gate():
    """Work that waits until it is let through."""
    gate = threading.Event()
    yield gate
    gate.set()


def test_a_full_line_refuses_and_others_do_not(gate, monkeypatch):
    monkeypatch.setattr(lines, "MAX_WAITING", 2)
    all_lines = Lines()
    inside = [all_lines.grids.enter(gate.wait) for _ in range(3)]
    assert all_lines.grids.waiting == 2
    with pytest.raises(BusyError, match="The server is busy"):
        all_lines.grids.enter(gate.wait)
    for other in (all_lines.runs, all_lines.files, all_lines.previews):
        assert other.enter(lambda: 7).result(5) == 7
    inside[-1].cancel()  # who goes away leaves a place
    assert all_lines.grids.waiting == 1
    gate.set()
    assert all_lines.grids.enter(lambda: 8).result(5) == 8


def test_an_error_leaves_the_line(monkeypatch):
    monkeypatch.setattr(lines, "MAX_WAITING", 0)
    line = Line(1, "busy")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            line.enter(lambda: 1 / 0).result(5)
        while line._inside:
            time.sleep(0.001)


def test_work_knows_the_visitor_who_asked_for_it():
    visitor = contextvars.ContextVar("visitor")
    visitor.set("somebody")
    assert Line(1, "busy").enter(visitor.get).result(5) == "somebody"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no priority")
def test_previews_give_way_to_runs():
    niceness = lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    found = Lines()
    before = found.runs.enter(niceness).result(5)
    assert found.previews.enter(niceness).result(5) == max(before, 10)
    assert found.grids.enter(niceness).result(5) == before


def awaited(coroutine):
    """In a thread: in this one, a browser that is driven may have its loop."""
    return Line(1, "busy").enter(lambda: asyncio.run(coroutine)).result(20)


def test_a_stream_brings_everything_in_order_and_ends():
    async def read():
        stream = Stream(Line(1, "busy"), lambda: (i for i in range(1000)))
        return [item async for batch in stream.batches() for item in batch]

    assert awaited(read()) == list(range(1000))


def test_who_reads_slowly_gets_more_at_once():
    async def read():
        stream = Stream(Line(1, "busy"), lambda: (i for i in range(100)))
        sizes = []
        async for batch in stream.batches():
            sizes.append(len(batch))
            await asyncio.sleep(0.05)
        return sizes

    sizes = awaited(read())
    assert sum(sizes) == 100 and len(sizes) < 10


def test_what_the_generator_raises_comes_after_what_it_has_made():
    def work():
        yield 1
        raise ValueError("no more")

    async def read():
        found = []
        with pytest.raises(ValueError, match="no more"):
            async for batch in Stream(Line(1, "busy"), work).batches():
                found += batch
        return found

    assert awaited(read()) == [1]


def test_a_stream_that_waits_says_that_it_is_there(gate, monkeypatch):
    monkeypatch.setattr(lines, "HEARTBEAT_S", 0.01)

    async def read():
        line = Line(1, "busy")
        line.enter(gate.wait)
        batches = Stream(line, lambda: (i for i in [1])).batches()
        first = await anext(batches)
        gate.set()
        return first, [item async for batch in batches for item in batch]

    assert awaited(read()) == ([], [1])


def test_a_stopped_stream_ends_after_the_step_under_way(gate):
    made, closed = [], threading.Event()

    def work():
        try:
            for i in range(100):
                made.append(i)
                yield i
                gate.wait()
        finally:
            closed.set()

    async def read():
        line = Line(1, "busy")
        stream = Stream(line, work)
        await anext(stream.batches())
        stream.stop()
        assert line._inside == 1  # its thread is not free before the step is over
        gate.set()
        while line._inside:
            await asyncio.sleep(0.001)

    awaited(read())
    assert len(made) <= 2 and closed.is_set()


def test_who_waits_and_goes_away_never_begins(gate):
    async def read():
        line = Line(1, "busy")
        line.enter(gate.wait)
        stream = Stream(line, lambda: pytest.fail("it began"))
        stream.stop()
        assert line._inside == 1
        gate.set()
        assert line.enter(lambda: 7).result(5) == 7

    awaited(read())
