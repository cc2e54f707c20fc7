"""Runs on a lent GPU: what is asked of the package `spaces`, and what happens when it fails.

A stand-in takes the place of the package: as it does, it sends copies of a request and of pictures
through a pipe, but the GPU is this CPU.
"""

import inspect
import json
import logging
import os
import subprocess
import sys

import httpx
import pytest
from gradio.context import LocalContext

from demo import app
from demo.about import DATA, about
from demo.api import Api
from demo.environment import zero_gpu_package
from demo.request import Request
from demo.run import Runner
from demo.zero_gpu import DURATION_S, drawn_on_lent_gpu
from ldm_core import LatentDiffusion

from ..conftest import ROOT
from .conftest import models_of
from .values import GOOD

STAND_IN = """
import pickle

asked_for, made = [], []  # functions with their options; indices of steps, as they are made

def GPU(**options):
    def decorate(function):
        def on_gpu(*args):
            for result in function(*pickle.loads(pickle.dumps(args))):
                made.append(result.index)
                yield pickle.loads(pickle.dumps(result))
        asked_for.append((function, options))
        return on_gpu
    return decorate
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The folder of a package `spaces`, which is forgotten afterwards."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "spaces.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "spaces", raising=False)
    yield folder
    sys.modules.pop("spaces", None)


@pytest.fixture
def spaces(installed, monkeypatch):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    return zero_gpu_package()


@pytest.fixture
def loaded(small_model, monkeypatch):
    """How models were loaded; each is the small one."""
    calls = []

    def load(folder, device="cpu", backend="auto"):
        calls.append((str(folder), device, backend))
        return small_model

    monkeypatch.setattr(LatentDiffusion, "load", load)
    return calls


@pytest.fixture
def lent(spaces, loaded):
    return drawn_on_lent_gpu(spaces, "weights")


@pytest.fixture
def on_gpu(small_model, lent):
    return Runner(small_model, elsewhere=lent)


@pytest.fixture
def request_(small_model):
    return Request.check(small_model, GOOD)


def test_the_generator_asks_for_a_gpu_that_a_visitor_can_have(spaces, lent, loaded):
    ((function, options),) = spaces.asked_for
    assert inspect.isgeneratorfunction(function)  # else the package would send all at once
    assert options == {"duration": DURATION_S}
    # A visitor without an account has 120 seconds a day, and the hardware counts them 1.5 times.
    assert isinstance(DURATION_S, int) and 1.5 * DURATION_S <= 120 / 4
    assert loaded == [("weights", "cuda", "torch")]


def test_steps_come_one_by_one_through_the_package(on_gpu, request_, spaces):
    steps = on_gpu.steps(request_)
    for index in range(4):
        assert next(steps).index == index
        assert spaces.made == [*range(index + 1)]


@pytest.mark.parametrize("good", [0, 3, 4])
def test_what_the_gpu_does_not_draw_is_drawn_here(small_model, request_, lent, good, caplog):
    def elsewhere(request):
        for step in lent(request):
            if step.index == good:
                raise RuntimeError("You have exceeded your free ZeroGPU quota")
            yield step
        raise RuntimeError("You have exceeded your free ZeroGPU quota")

    own = list(Runner(small_model).steps(request_))
    with caplog.at_level(logging.WARNING):
        steps = list(Runner(small_model, elsewhere=elsewhere).steps(request_))
    assert [step.index for step in steps] == [step.index for step in own]
    assert all((a.x_t == b.x_t).all() for a, b in zip(steps, own))
    assert "quota" in caplog.text


def test_a_stopped_run_ends_on_the_gpu_and_is_not_drawn_here(on_gpu, request_, spaces, monkeypatch):
    steps = on_gpu.steps(request_)
    next(steps)
    monkeypatch.setattr("demo.run.draw", lambda *_: pytest.fail("it went on"))
    steps.close()
    assert spaces.made == [0]


def test_previews_and_examples_take_nothing_from_anybody_s_quota(on_gpu, request_, spaces):
    on_gpu.preview(request_, None)
    about(on_gpu)
    for draw in DATA.values():
        draw(on_gpu)
    assert spaces.made == []


def test_the_page_streams_from_the_lent_gpu_in_the_visitor_s_name(
    small_model, lent, spaces, serve, tmp_path
):
    """The package looks for the visitor among the headers of Gradio's request."""
    visitors = []

    def elsewhere(request):
        visitors.append(LocalContext.request.get().headers.get("x-ip-token"))
        yield from lent(request)

    models = models_of(small_model)
    models.first.elsewhere = elsewhere
    address = serve(Api(models, tmp_path))
    visitor = {"X-IP-Token": "of the visitor"}
    answer = httpx.post(f"{address}engine/denoise", json=GOOD, headers=visitor, timeout=60)
    assert json.loads(answer.text.strip().split("\n\n")[-1][6:])["done"]
    assert visitors == ["of the visitor"] and spaces.made == [0, 1, 2, 3]


@pytest.mark.parametrize("promise", ["", "false"])
def test_without_a_promise_the_package_is_left_alone(installed, monkeypatch, promise):
    monkeypatch.setenv("SPACES_ZERO_GPU", promise)
    assert zero_gpu_package() is None
    assert "spaces" not in sys.modules


@pytest.fixture
def served(loaded, monkeypatch, tmp_path):
    """The page that `python -m demo` serves, which is not served."""
    pages = []
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(app, "check_address", lambda *_: None)
    monkeypatch.setattr(app, "serve", lambda page, *_, **__: pages.append(page))

    def served():
        with pytest.raises(SystemExit) as end:
            app.main(["--weights", "mine"])
        assert end.value.code == 0
        return pages[-1]

    return served


def test_a_lent_gpu_draws_for_the_page(spaces, served, loaded, monkeypatch):
    monkeypatch.setattr(app, "SPACES", spaces)
    served()
    assert loaded == [("mine", "cpu", "auto"), ("mine", "cuda", "torch")]


def test_the_package_comes_before_pytorch(installed):
    (installed / "spaces.py").write_text("import sys; sys.exit(7 + ('torch' in sys.modules))")
    environment = os.environ | {"SPACES_ZERO_GPU": "true", "PYTHONPATH": str(installed)}
    command = [sys.executable, "-c", "from demo import app"]
    assert subprocess.run(command, cwd=ROOT, env=environment).returncode == 7
