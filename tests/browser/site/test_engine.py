"""The engine as a page uses it: steps, how they end, and what is refused."""

import json

import numpy as np
import pytest

from .conftest import engine_page
from .hosting import hosting

STEPS = """async (request) => {
  const steps = [];
  for await (const step of engine.denoise(request)) steps.push(step);
  return steps.map(({ x_t, x_0, latent, ...rest }) => ({
    ...rest, x_t: [...x_t], x_0: x_0 && [...x_0], latent: [...latent],
    kinds: [x_t, x_0 ?? x_t, latent].map((array) => array.constructor.name),
  }));
}"""
# Ends a run of 1000 steps when it has made three; then there must be a worker for the next one.
END = """async (how) => {
  const request = { asked: 1, seed: 1, settings: { steps: 1000 } };
  const controller = new AbortController();
  let seen = 0, error = null;
  try {
    for await (const { index } of engine.denoise(request, controller.signal)) {
      seen = index;
      if (index === 3 && how === "break") break;
      if (index === 3 && how === "abort") controller.abort(new Error("enough"));
    }
  } catch ({ message }) {
    error = message;
  }
  let after = 0;
  for await (const step of engine.denoise({ asked: 1, settings: { steps: 2 } })) after += 1;
  return { seen, error, after };
}"""
LATEST = """async () => {
  const shown = [[], [], [], []];
  const ask = (i) => engine.latest(
    { asked: i, seed: i, settings: { steps: 4 } }, ({ index }) => shown[i].push(index));
  const first = ask(0);
  while (shown[0].length < 2) await new Promise((resolve) => setTimeout(resolve));
  const ends = await Promise.all([first, ask(1), ask(2)]);
  const wrong = await engine.latest({ asked: 10 }, () => {}).catch(({ name }) => name);
  return { ends, shown, wrong, again: await ask(3) };
}"""
REFUSED = """(requests) => Promise.all(requests.map(async (request) => {
  try {
    await engine.denoise(request).next();
  } catch ({ name, message }) {
    return `${name}: ${message}`;
  }
}))"""


@pytest.fixture(scope="module", params=[1, 2], ids=["one worker", "two workers"])
def page(request, browser, small_site):
    with hosting(small_site) as base, engine_page(browser, base, request.param) as page:
        assert page.error is None
        yield page


def test_steps_are_those_of_python(page, small_model):
    request = {"asked": "a bold seven", "seed": 2**32 - 1, "settings": {"steps": 3}}
    steps = page.evaluate(STEPS, request)
    wanted = small_model.denoise(["a bold seven"], seeds=[2**32 - 1], steps=3)
    for step, one in zip(steps, wanted, strict=True):
        assert (step["index"], step["steps"]) == (one.index, one.steps)
        assert step["t"] == pytest.approx(one.t)
        level = small_model.schedule.alpha_bar(one.t)
        assert step["noise_level"] == pytest.approx((1 - level) ** 0.5)
        assert step["kinds"] == ["Uint8ClampedArray", "Uint8ClampedArray", "Float32Array"]
        np.testing.assert_allclose(step["latent"], one.x_t.flatten(), atol=2e-2)
        for name, latent in (("x_t", one.x_t), ("x_0", one.x_0)):
            if latent is None:
                assert step[name] is None
            else:
                apart = np.array(step[name]) - small_model.decode(latent).flatten().int().numpy()
                assert np.abs(apart).max() <= 1


def test_the_model_is_told(page, small_model):
    told = page.evaluate("engine.model")
    assert tuple(told["class_names"]) == small_model.class_names
    assert told["vocabulary"] == json.loads(json.dumps(small_model.vocabulary.to_dict()))
    assert told["defaults"]["steps"] == small_model.defaults.steps
    assert "files" not in told


def test_progress_rises_to_the_total(page):
    progress = page.evaluate("progress")
    loaded = [at["loaded"] for at in progress]
    assert loaded == sorted(loaded) and loaded[0] == 0 and len(loaded) > 3
    assert {at["total"] for at in progress} == {loaded[-1]}


@pytest.mark.parametrize(("how", "error"), [("abort", "enough"), ("break", None)])
def test_a_run_ends_early(page, how, error):
    assert page.evaluate(END, how) == {"seen": 3, "error": error, "after": 3}


def test_the_newest_run_ends_the_one_before(page):
    found = page.evaluate(LATEST)
    assert found["ends"] == [{"done": False}, {"done": False}, {"done": True}]
    first, second, third, _ = found["shown"]
    assert 2 <= len(first) < 5 and second == [] and third == [0, 1, 2, 3, 4]
    assert found["wrong"] == "InputError" and found["again"] == {"done": True}


def test_what_may_not_be_asked_is_said(page):
    found = page.evaluate(
        REFUSED,
        [
            {"asked": "a purple seven"},
            {"asked": 7, "settings": {"steps": 0}},
            {"asked": 7, "settings": {"speed": 1}},
            {"asked": 7, "seed": 1.5},
            {"asked": 7, "style": {"stroke": 2}},
        ],
    )
    parts = ["purple", "steps", "speed", "seed", "style stroke"]
    for message, part in zip(found, parts, strict=True):
        assert message.startswith("InputError: ") and part in message
