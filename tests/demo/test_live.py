"""Live pictures: one step of what the controls say, for one page at a time."""

import asyncio
import base64
import io
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from demo.parts import cores
from demo.requests import Request
from PIL import Image

from demo import app, live
from demo.tabs import watch

from .values import GOOD


def awaited(coroutine):
    """In a thread of its own: in this one, a browser that is driven may have its loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


@pytest.fixture
def glance(runner):
    take = live.glancer(runner, Request)
    return lambda values, at=None: awaited(take({"values": values, "at": at}))


def pixels(data_uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data_uri.split(",")[1]))))


@pytest.mark.parametrize(("at", "shown"), [(None, 3), (1, 1), (0, 0), (99, 3), (True, 1)])
def test_a_picture_is_that_of_the_run(glance, runner, at, shown):
    message = glance(list(GOOD.values()), at)
    step = list(runner.steps(Request.check(runner.model, GOOD)))[shown]
    assert (message["steps"], message["settings"], message["live"]) == (3, GOOD, True)
    [picture] = message["pictures"]
    assert picture["index"] == shown
    assert (pixels(picture["x_t"]) == step.x_t).all()
    assert (pixels(picture["latent"]) == step.latent).all()


def test_steps_that_are_not_needed_are_not_done(glance, runner, monkeypatch):
    done = []
    denoise = live.denoise

    def counted(*given):
        for step in denoise(*given):
            done.append(step.index)
            yield step

    monkeypatch.setattr(live, "denoise", counted)
    glance(list(GOOD.values()), 1)
    assert done == [0, 1]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (["7", 1.5, 1000], "Steps must be a whole number from 1 to 100, not 1000."),
        (["ten"], "Label must be one of"),
        (["7", math.nan], "Guidance scale must be a number from 0 to 10, not nan."),
        ("7", "A live picture needs the values of the controls, as a list."),
    ],
)
def test_what_may_not_be_asked_is_refused_in_a_sentence(glance, values, sentence):
    assert glance(values)["refused"].startswith(sentence)


def test_too_many_pages_at_once_are_told_so(runner, monkeypatch):
    monkeypatch.setattr(live, "MAX_WAITING", 2)
    take = live.glancer(runner, Request)
    given = {"values": list(GOOD.values()), "at": None}

    async def three():
        return await asyncio.gather(*(take(given) for _ in range(3)))

    answers = awaited(three())
    assert ["pictures" in answer for answer in answers] == [True, True, False]
    assert answers[2]["refused"] == live.BUSY
    assert "pictures" in awaited(take(given))


def test_live_runs_are_counted_apart_from_other_runs(label_model):
    page = app.build(label_model, (watch,))
    limits = {fn.concurrency_id: fn.concurrency_limit for fn in page.fns.values() if fn.fn}
    assert limits["runs"] == cores() and limits["live"] == 1
