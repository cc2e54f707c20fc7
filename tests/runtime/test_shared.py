"""Runs that share passes draw what they draw alone, and do not wait for each other's size."""

import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ldm_core import UserError
from ldm_core.runtime import onnx_backend, shared
from ldm_core.runtime.onnx_backend import OnnxRuntimeBackend
from ldm_core.runtime.shared import PATIENCE, SharedBackend, in_turn
from ldm_core.runtime.torch_backend import TorchBackend

from ..conftest import SMALL
from .test_backends import PATHS, assert_same, final, perturbed, with_backend


class Gated:
    """A backend whose network waits at each pass until it is let through, and tells who rode: row
    i of a request has the value that its run gave to x_t."""

    passes_at_once, rows_at_once = 1, 4

    def __init__(self):
        self.passes: list[list[float]] = []
        self._began, self._may_go = threading.Semaphore(0), threading.Semaphore(0)

    def decoder(self):
        return self

    def run(self, rows):
        self._began.release()
        assert self._may_go.acquire(timeout=20)
        self.passes.append(rows["z"].flatten().tolist())
        if (rows["z"] < 0).any():
            raise ZeroDivisionError
        return rows["z"] * 10

    def wait(self):
        assert self._began.acquire(timeout=20)

    def let_go(self, passes=1):
        for _ in range(passes):
            self._may_go.release()


@pytest.fixture
def gated():
    return Gated()


@pytest.fixture
def pool():
    with ThreadPoolExecutor(16) as pool:
        yield pool


def ask(backend, pool, *values, gives_way=False, waiting=None):
    """Ask for rows in a thread; returns when the request waits with so many others."""

    def work():
        shared._thread.gives_way = gives_way
        return backend.decode(torch.tensor(values)[:, None]).flatten().tolist()

    future = pool.submit(work)
    while waiting is not None and len(backend._waiting) < waiting:
        pass
    return future


def test_what_waits_at_the_same_moment_rides_in_one_pass(gated, pool):
    backend = SharedBackend(gated)
    first = ask(backend, pool, 1.0)
    gated.wait()
    others = [ask(backend, pool, value, waiting=n) for n, value in enumerate((2.0, 3.0), start=1)]
    gated.let_go(2)
    assert [one.result(20) for one in (first, *others)] == [[10], [20], [30]]
    assert gated.passes == [[1], [2, 3]]


def test_small_requests_ride_first_and_a_large_one_takes_the_places_that_are_left(gated, pool):
    backend = SharedBackend(gated)
    first = ask(backend, pool, 1.0)
    gated.wait()
    large = ask(backend, pool, *[7.0] * 6, waiting=1)
    small = [ask(backend, pool, value, waiting=n) for n, value in enumerate((2.0, 3.0), start=2)]
    gated.let_go(3)
    assert large.result(20) == [70] * 6 and [one.result(20) for one in small] == [[20], [30]]
    assert gated.passes == [[1], [2, 3, 7, 7], [7, 7, 7, 7]] and first.result(20) == [10]


def test_who_gives_way_rides_last_but_is_not_forgotten(gated, pool):
    backend = SharedBackend(gated)
    results = [ask(backend, pool, 1.0)]
    gated.wait()
    results.append(ask(backend, pool, 2.0, gives_way=True, waiting=1))
    for n in range(PATIENCE + 2):  # as many as ride in a pass, at each pass
        left = len(backend._waiting)
        results += [ask(backend, pool, 10.0 + n, waiting=left + i) for i in range(1, 5)]
        gated.let_go()
        gated.wait()
    gated.let_go(10)
    assert all(one.result(20) for one in results)
    (when,) = [n for n, values in enumerate(gated.passes) if 2.0 in values]
    assert when == PATIENCE + 1


def test_an_error_is_told_to_those_who_rode_and_others_go_on(gated, pool):
    backend = SharedBackend(gated)
    bad = ask(backend, pool, -1.0)
    gated.wait()
    good = ask(backend, pool, 2.0, waiting=1)
    gated.let_go(2)
    assert good.result(20) == [20]
    with pytest.raises(ZeroDivisionError):
        bad.result(20)
    gated.let_go()
    assert ask(backend, pool, 3.0).result(20) == [30]


class Noting:
    """A backend whose network notes the threads of its passes."""

    passes_at_once, rows_at_once = 2, 4

    def __init__(self):
        self.threads = []

    def decoder(self):
        return self

    def run(self, rows):
        self.threads.append(threading.get_ident())
        return rows["z"]


def test_who_is_alone_runs_the_pass_and_finds_every_pass_free_for_the_next():
    noting = Noting()
    backend, own = SharedBackend(noting), threading.get_ident()
    backend.decode(torch.zeros(1, 1))
    assert noting.threads == [own]
    for n in range(1, 101):
        backend.decode(torch.zeros(2, 1))  # one row here, the other one in a second thread
        assert len(noting.threads) == 1 + 2 * n and noting.threads.count(own) == 1 + n
        with backend._lock:
            assert backend._free == 2


def test_one_thread_at_a_time_makes_a_step_and_others_while_it_waits_for_a_pass(gated, pool):
    backend, at_work = SharedBackend(gated), threading.Lock()

    def steps(value):
        for _ in range(3):
            assert at_work.acquire(blocking=False)
            time.sleep(0.002)
            at_work.release()
            yield backend.decode(torch.tensor([[value]])).item()

    runs = [pool.submit(lambda value=value: list(in_turn(steps(value)))) for value in (1.0, 2.0)]
    gated.wait()  # one of them waits for its pass, and the other one asks
    while not backend._waiting:
        pass
    gated.let_go(6)
    assert [run.result(20) for run in runs] == [[10] * 3, [20] * 3]


def test_a_step_that_fails_ends_its_turn():
    with pytest.raises(ZeroDivisionError):
        list(in_turn(1 / 0 for _ in [0]))
    assert list(in_turn(iter([7]))) == [7]


def test_after_closing_every_run_ends(gated, pool):
    backend = SharedBackend(gated)
    first = ask(backend, pool, 1.0)
    gated.wait()
    waits = ask(backend, pool, 2.0, waiting=1)
    backend.close()
    with pytest.raises(UserError, match="is being stopped"):
        waits.result(20)
    gated.let_go()
    assert first.result(20) == [10]
    with pytest.raises(UserError, match="is being stopped"):
        backend.decode(torch.zeros(1, 1))


def test_when_python_ends_the_threads_that_are_left_run_the_passes(gated, pool):
    backend = SharedBackend(gated)
    first = ask(backend, pool, 1.0)
    gated.wait()
    others = [ask(backend, pool, *[value] * 5, waiting=n) for n, value in ((1, 2.0), (2, 3.0))]
    backend._pool.shutdown()  # as the interpreter does it
    gated.let_go(9)
    assert [len(one.result(20)) for one in (first, *others)] == [1, 5, 5]


@pytest.fixture(scope="module")
def alone():
    return with_backend(perturbed(SMALL), "onnxruntime")


def sharing(model, threads=2):
    twin = with_backend(model, "torch")
    twin.backend = SharedBackend(OnnxRuntimeBackend(model, threads))
    return twin


MANY = [{"labels": [n % 10], "seeds": [n], **options} for n, options in enumerate(PATHS * 2)]
MANY = [{k: (v[:1] if k == "labels" else v) for k, v in one.items()} for one in MANY]


@pytest.mark.parametrize("threads", [1, 2])
def test_runs_with_any_settings_are_the_same_together_as_alone(alone, pool, threads):
    model = sharing(alone, threads)
    together = list(pool.map(lambda options: final(model, **options), MANY))
    for options, x_t in zip(MANY, together):
        assert_same(x_t, final(alone, **options))
    backend = model.backend
    while backend._free < threads:
        pass
    assert not backend._waiting


def test_pytorch_s_passes_are_shared_too(alone, pool):
    model = with_backend(alone, "torch")
    model.backend = SharedBackend(TorchBackend(alone))
    together = list(pool.map(lambda options: final(model, **options), MANY))
    for options, x_t in zip(MANY, together):
        assert_same(x_t, final(alone, **options))


def test_nan_stays_in_its_own_run(alone, pool):
    backend = sharing(alone).backend
    z = torch.randn(20, 1, 4, 8, 8)
    z[::5] = torch.nan
    for one, image in zip(z, pool.map(backend.decode, z)):
        assert image.isfinite().all() == one.isfinite().all()


def test_a_run_that_is_closed_leaves_nothing(alone, monkeypatch):
    made, prepare = [], onnx_backend._UNet.prepare

    def watched(*given):
        found = prepare(*given)
        made.extend(map(weakref.ref, found.values()))
        return found

    monkeypatch.setattr(onnx_backend._UNet, "prepare", watched)
    model = sharing(alone)
    steps = model.denoise([1], seeds=[1], steps=50)
    next(steps), next(steps)
    assert made and all(tensor() is not None for tensor in made)
    steps.close()
    assert not any(tensor() is not None for tensor in made) and not model.backend._waiting
    assert_same(final(model), final(alone))


def test_what_was_just_predicted_is_not_predicted_again(alone, monkeypatch):
    """Runs draw what they draw alone; those of other guidance differ from its first step on."""
    model, run, rows = sharing(alone), onnx_backend._UNet.run, []
    watched = lambda unet, given: rows.append(len(given["x_t"])) or run(unet, given)
    monkeypatch.setattr(onnx_backend._UNet, "run", watched)
    guided = {"guidance_interval": (0.1, 0.5)}  # the second and the third of the four steps
    counts = []
    for scale, seed in ((2.0, 5), (3.0, 5), (3.0, 5), (3.0, 6)):
        options = guided | {"labels": [1], "seeds": [seed], "guidance_scale": scale, "steps": 4}
        rows.clear()
        found = final(model, **options)
        counts.append(sum(rows))
        assert_same(found, final(alone, **options))
    assert counts[0] == counts[3] > counts[1] > counts[2] == 0


def test_weights_that_change_in_place_are_noticed():
    model = perturbed(SMALL)
    model.backend = SharedBackend(TorchBackend(model))
    before = final(model, labels=[1], seeds=[1])
    model.unet.conv_out.bias.add_(1)
    assert not torch.equal(final(model, labels=[1], seeds=[1]), before)


def test_only_some_predictions_are_kept(alone):
    model = sharing(alone)
    for seed in range(3):
        final(model, labels=[1], seeds=[seed], steps=50)
    assert len(model.backend._known) == shared.MAX_KNOWN


def test_hooks_see_the_images_of_their_own_run_only(alone):
    model, seen = sharing(alone), []
    wanted = final(alone, guidance_scale=1.0)
    hook = lambda _, args, output: seen.append(len(output))
    handle = model.unet.conv_out.register_forward_hook(hook)
    try:
        assert_same(final(model, guidance_scale=1.0), wanted)
    finally:
        handle.remove()
    assert seen == [3, 3, 3]


def test_the_networks_of_one_model_never_ride_together(small_model):
    """As tuples they are equal: both hold the model, and nothing else."""
    backend, rows = TorchBackend(small_model), torch.zeros(1, 4, 8, 8)
    unet = shared._Request(backend.unet(), {"x_t": rows})
    assert unet.kind != shared._Request(backend.decoder(), {"z": rows}).kind
