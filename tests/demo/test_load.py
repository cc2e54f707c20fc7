"""Visitors and scripts at once, and a short soak: as the benchmarks do it by the thousand."""

import asyncio
from pathlib import Path

import pytest

from benchmarks.load import ROOT, SHARED, measure, serving, visit
from benchmarks.soak import Soak, pictures, requests


@pytest.fixture(scope="module")
def server(weights):
    with serving("page", ROOT, SHARED, Path(weights), visit) as server:
        yield server
    assert not server.left


def test_everybody_at_once_is_served(server):
    found = measure([server], [1, 20], scripts=4, rounds=1)
    counts = {name: (of["page"].served, of["page"].refused) for name, of in found.items()}
    assert counts == {"1 visitor": (10, 0), "20 visitors": (20, 0), "4 scripts": (4, 0)}
    many = found["20 visitors"]["page"]
    assert 0 < many.slowest() <= many.took_s[0] and many.server_s > 0


def test_visitors_come_and_go_and_get_their_own_pictures(server, small_model):
    asked = requests(8)
    soak = Soak(server, asked, pictures(small_model, asked), runs=60)
    asyncio.run(soak.go(visitors=10, seed=0))
    assert soak.ended["finished"] >= 30 and soak.ended["left"] >= 10
    assert soak.ended.keys() == {"finished", "left"}
    assert set(soak.apart) <= {0, 1}
