"""Waiting lines: each kind of work has its own, and who goes away leaves it."""

import asyncio
import threading
import time

import pytest

from demo import lines
from demo.lines import BusyError, Line, Lines, Stream
from ldm_core.runtime import shared


@pytest.fixture
def gate():
    """Work that waits until it is let through."""
    gate = threading.Event()
    yield gate
    gate.set()


def test_a_full_line_refuses_at_once_and_others_do_not(gate):
    full, other = Line(1, 2, "grids"), Line(1, 0, "runs")
    inside = [full.enter(gate.wait) for _ in range(3)]
    assert (full.waiting, full.inside) == (2, 3)
    said = "The server is busy with 3 grids. Try again in 1 second."
    with pytest.raises(BusyError, match=f"^{said}$"):
        full.enter(gate.wait)
    assert other.enter(lambda: 7).result(5) == 7
    inside[-1].cancel()  # who goes away leaves a place
    assert full.waiting == 1
    gate.set()
    assert full.enter(lambda: 8).result(5) == 8


def test_when_to_try_again_is_how_long_work_takes_of_late(monkeypatch):
    clock = iter(range(0, 10_000, 4))
    monkeypatch.setattr(lines.time, "monotonic", lambda: next(clock))
    line = Line(1, -1, "runs")
    for _ in range(50):
        line._timed(lambda: None)
    with pytest.raises(BusyError, match="Try again in 4 seconds."):
        line.enter(lambda: None)


def test_an_error_leaves_the_line():
    line = Line(1, 0, "runs")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            line.enter(lambda: 1 / 0).result(5)
        while line.inside:
            time.sleep(0.001)


def test_previews_give_way_to_runs():
    gives_way = lambda: getattr(shared._thread, "gives_way", False)
    found = Lines()
    assert found.previews.enter(gives_way).result(5)
    assert not found.runs.enter(gives_way).result(5)


def awaited(coroutine):
    """In a thread: in this one, a browser that is driven may have its loop."""
    return Line(1, 20, "runs").enter(lambda: asyncio.run(coroutine)).result(20)


def test_streams_that_run_are_known_and_those_that_were_refused_are_not(gate):
    async def read():
        before, line = {*Stream.running}, Line(1, 0, "runs")
        stream = Stream(line, lambda: (gate.wait() for _ in [0]))
        with pytest.raises(BusyError):
            Stream(line, lambda: iter([]))
        assert Stream.running - before == {stream}
        gate.set()
        assert [item async for batch in stream.batches() for item in batch] == [True]
        assert stream not in Stream.running

    awaited(read())


def test_who_reads_slowly_gets_more_at_once_in_order():
    async def read():
        batches = []
        async for batch in Stream(Line(1, 20, "runs"), lambda: (i for i in range(100))).batches():
            batches.append(batch)
            await asyncio.sleep(0.05)
        return batches

    batches = awaited(read())
    assert sum(batches, []) == list(range(100)) and len(batches) < 10


def test_what_the_generator_raises_comes_after_what_it_has_made():
    def work():
        yield 1
        raise ValueError("no more")

    async def read():
        found = []
        with pytest.raises(ValueError, match="no more"):
            async for batch in Stream(Line(1, 20, "runs"), work).batches():
                found += batch
        return found

    assert awaited(read()) == [1]


def test_a_stream_that_waits_says_that_it_is_there(gate, monkeypatch):
    monkeypatch.setattr(lines, "HEARTBEAT_S", 0.01)

    async def read():
        line = Line(1, 20, "runs")
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
        line = Line(1, 20, "runs")
        stream = Stream(line, work)
        await anext(stream.batches())
        stream.stop()
        assert line.inside == 1  # its thread is not free before the step is over
        gate.set()
        while line.inside:
            await asyncio.sleep(0.001)

    awaited(read())
    assert len(made) <= 2 and closed.is_set()


def test_who_waits_and_goes_away_never_begins(gate):
    async def read():
        line = Line(1, 20, "runs")
        line.enter(gate.wait)
        stream = Stream(line, lambda: pytest.fail("it began"))
        stream.stop()
        assert line.inside == 1
        gate.set()
        assert line.enter(lambda: 7).result(5) == 7

    awaited(read())


def test_where_many_read_the_end_waits_for_nothing(gate, monkeypatch):
    monkeypatch.setattr(lines, "MESSAGES_PER_S", 0.1)

    def work():
        yield 1
        gate.wait()
        yield 2

    async def read():
        line = Line(2, 0, "runs")
        stream = Stream(line, work)
        line.enter(gate.wait)
        batches = stream.batches()
        first = await anext(batches)
        asyncio.get_running_loop().call_later(0.05, gate.set)
        return first, await asyncio.wait_for(anext(batches), 5)

    assert awaited(read()) == ([1], [2])


def test_steps_ride_together_where_many_read_and_come_one_by_one_where_one_does(monkeypatch):
    monkeypatch.setattr(lines, "MESSAGES_PER_S", 20)

    def slowly():
        for i in range(10):
            yield i
            time.sleep(0.01)

    async def read(line):
        return [batch async for batch in Stream(line, slowly).batches()]

    line, gate = Line(5, 0, "runs"), threading.Event()
    assert awaited(read(line)) == [[i] for i in range(10)]
    waiting = [line.enter(gate.wait) for _ in range(4)]
    batches = awaited(read(line))
    gate.set()
    assert sum(batches, []) == list(range(10)) and len(batches) <= 3
    assert all(one.result(5) for one in waiting)
