"""Visitors and scripts at once, and a short soak: as the benchmarks do it by the thousand."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.load import measure
from benchmarks.server import PAGE, serving
from benchmarks.soak import Soak, pictures, requests


@pytest.fixture(scope="module")
def server(weights):
    with serving(PAGE, "--weights", Path(weights).resolve()) as server:
        yield server
    assert not server.left


@pytest.fixture
def own_loop():
    """A thread without an event loop: a browser of other tests leaves one in the first thread."""
    with ThreadPoolExecutor(1) as pool:
        yield lambda *work: pool.submit(*work).result()


def test_everybody_at_once_is_served(server, own_loop):
    found = own_loop(measure, {"page": server}, [1, 20], 4, 1)
    counts = {name: (of["page"].served, of["page"].refused) for name, of in found.items()}
    assert counts == {"1 visitor": (10, 0), "20 visitors": (20, 0), "4 scripts": (4, 0)}
    many = found["20 visitors"]["page"]
    assert 0 < many.slowest() <= many.took_s[0] and many.server_s > 0


def test_visitors_come_and_go_and_get_their_own_pictures(server, small_model, own_loop):
    asked = requests(8)
    soak = Soak(server, asked, pictures(small_model, asked), runs=60)
    own_loop(asyncio.run, soak.go(visitors=10, seed=0))
    assert soak.ended["finished"] >= 30 and soak.ended["left"] >= 10
    assert soak.ended.keys() == {"finished", "left"}
    assert set(soak.apart) <= {0, 1}
