"""Runs on a lent GPU: what is asked of the package `spaces`, and what happens when it fails.

A stand-in takes the place of the package: as it does, it sends copies of a request and of pictures
through a pipe, but the GPU is this CPU.
"""

import inspect
import logging
import os
import subprocess
import sys

import numpy as np
import pytest
from demo.requests import Request
from demo.runs import Runner

from demo import app
from demo.environment import zero_gpu_package
from demo.zero_gpu import DURATION_S, drawn_on_lent_gpu
from ldm_core import LatentDiffusion

from ..conftest import ROOT
from .values import GOOD

STAND_IN = """
import pickle
import sys

imported_before_torch = "torch" not in sys.modules
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
def loaded(label_model, monkeypatch):
    """How models were loaded; each is the small one."""
    calls = []

    def load(folder, device="cpu", backend="auto"):
        calls.append((folder, device, backend))
        return label_model

    monkeypatch.setattr(LatentDiffusion, "load", load)
    return calls


@pytest.fixture
def lent(spaces, loaded):
    return drawn_on_lent_gpu(spaces, "weights")


@pytest.fixture
def on_gpu(label_model, tmp_path, lent):
    return Runner(label_model, tmp_path, elsewhere=lent)


@pytest.fixture
def request_(label_model):
    return Request.check(label_model, GOOD)


def test_the_generator_asks_for_a_gpu_that_a_visitor_can_have(spaces, lent, loaded):
    ((function, options),) = spaces.asked_for
    assert inspect.isgeneratorfunction(function)  # else the package would send all at once
    assert options == {"duration": DURATION_S}
    # A visitor without an account has 120 seconds a day, and the hardware counts them 1.5 times.
    assert isinstance(DURATION_S, int) and 1.5 * DURATION_S <= 120 / 4
    assert loaded == [("weights", "cuda", "torch")]


def test_messages_come_one_by_one_through_the_package(on_gpu, request_, spaces):
    messages = on_gpu.messages(request_)
    assert next(messages)["pictures"] == [] and spaces.made == []
    for index in range(4):
        assert next(messages)["pictures"][-1]["index"] == index
        assert spaces.made == [*range(index + 1)]
    assert len(next(messages)["pictures"]) == 4
    assert spaces.made == [0, 1, 2, 3]


def test_pictures_are_those_of_the_lent_gpu(label_model, tmp_path, request_, lent, monkeypatch):
    runner = Runner(label_model, tmp_path, elsewhere=lent)
    monkeypatch.setattr(runner, "model", None)
    own = [step.x_t for step in Runner(label_model, tmp_path).steps(request_)]
    assert all(map(np.array_equal, own, [step.x_t for step in runner.steps(request_)]))


@pytest.mark.parametrize("good", [0, 1, 3, 4])
def test_what_the_gpu_does_not_draw_is_drawn_here(
    label_model, tmp_path, request_, lent, good, caplog
):
    def elsewhere(request):
        for step in lent(request):
            if step.index == good:
                raise RuntimeError("You have exceeded your free ZeroGPU quota")
            yield step
        raise RuntimeError("You have exceeded your free ZeroGPU quota")

    own = list(Runner(label_model, tmp_path).steps(request_))
    with caplog.at_level(logging.WARNING):
        steps = list(Runner(label_model, tmp_path, elsewhere=elsewhere).steps(request_))
    assert [step.index for step in steps] == [step.index for step in own]
    assert all((a.x_t == b.x_t).all() for a, b in zip(steps, own))
    assert "quota" in caplog.text


def test_a_stopped_run_ends_on_the_gpu_and_is_not_drawn_here(on_gpu, request_, spaces, monkeypatch):
    steps = on_gpu.steps(request_)
    next(steps)
    monkeypatch.setattr("demo.runs.draw", lambda *_: pytest.fail("it went on"))
    steps.close()
    assert spaces.made == [0]


def test_the_example_takes_nothing_from_anybody_s_quota(on_gpu, spaces):
    on_gpu.example()
    assert spaces.made == []


@pytest.mark.parametrize("promise", [None, "", "0", "false"])
def test_without_a_promise_the_package_is_left_alone(installed, monkeypatch, promise):
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    if promise is not None:
        monkeypatch.setenv("SPACES_ZERO_GPU", promise)
    assert zero_gpu_package() is None
    assert "spaces" not in sys.modules


def test_a_promise_without_the_package_changes_nothing(monkeypatch):
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", None)
    assert zero_gpu_package() is None


@pytest.fixture
def served(loaded, monkeypatch, tmp_path):
    """The page that `python -m demo` serves, which is not served."""
    pages = []
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(app, "check_address", lambda *_: None)
    monkeypatch.setattr(app, "serve", lambda page, *_, **__: pages.append(page))

    def served():
        app.main(["--weights", "mine"])
        return pages[-1]

    return served


def test_the_page_streams_from_the_lent_gpu(spaces, served, loaded, monkeypatch):
    monkeypatch.setattr(app, "SPACES", spaces)
    page = served()
    assert loaded == [("mine", "cpu", "auto"), ("mine", "cuda", "torch")]
    stream = next(fn.fn for fn in page.fns.values() if inspect.isgeneratorfunction(fn.fn))
    messages = stream(*GOOD.values())
    for made in range(4):
        next(messages)
        assert len(spaces.made) == made
    generate = next(fn.fn for fn in page.fns.values() if fn.api_name == "generate")
    spaces.made.clear()
    generate(*GOOD.values())
    assert spaces.made == [0, 1, 2, 3]


def test_elsewhere_the_page_has_one_model(served, loaded, monkeypatch):
    monkeypatch.setattr(app, "SPACES", None)
    served()
    assert loaded == [("mine", "cpu", "auto")]


def test_the_package_comes_before_pytorch(installed):
    code = "from demo import app; print(app.SPACES.imported_before_torch)"
    environment = os.environ | {"SPACES_ZERO_GPU": "true", "PYTHONPATH": str(installed)}
    said = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert said.stdout.strip() == "True"
