"""What the panels of the tab Inside ask: the same from the worker as from Python."""

import numpy as np
import pytest

from demo.inside import answer
from demo.run import Runner
from ldm_core import LatentDiffusion
from ldm_core.output.file_settings import picture_text

from ...demo.values import numbers
from ..hosting import hosting
from .conftest import engine_page

ASK = """async ([what, given]) => {
  const plain = (value) => (ArrayBuffer.isView(value) ? [...value] : value);
  try {
    const found = Object.entries(await engine.inside(what, given));
    return Object.fromEntries(found.map(([name, value]) =>
      [name, Array.isArray(value) ? value : { shape: value.shape, data: plain(value.data) }]));
  } catch ({ name, message }) {
    return `${name}: ${message}`;
  }
}"""
RUN = {"prompt": "a bold seven", "lean": 0.5, "steps": 4, "guidance_scale": 3, "seed": 20_001}
SEVEN = np.zeros((28, 28), np.uint8)
SEVEN[6, 8:20] = SEVEN[6:22, 16] = 255
CASES = [
    ("noise", {"request": RUN | {"off": ["skip.1"]}, "picture": picture_text(SEVEN)}),
    (
        "score",
        {
            "request": RUN | {"negative_prompt": "thin", "sampler": "unipc"},
            "pass": 2,
            "guidance": 5.0,
        },
    ),
    ("path", {"request": RUN | {"off": ["skip.0", "time"]}}),
    ("features", {"request": RUN | {"off": ["time"]}}),
    ("attention", {"request": RUN | {"sampler": "heun"}}),
    ("encode", {"picture": picture_text(SEVEN)}),
    ("decode", {"latent": [round(0.01 * i - 1, 2) for i in range(256)]}),
]


@pytest.fixture(scope="module")
def page(browser, small_site):
    with hosting(small_site) as base, engine_page(browser, base) as page:
        assert page.error is None
        yield page


@pytest.fixture(scope="module")
def runner(weights):
    return Runner(LatentDiffusion.load(weights))


@pytest.mark.parametrize(("what", "given"), CASES, ids=[what for what, _ in CASES])
def test_answers_are_those_of_python(page, runner, what, given):
    found, wanted = page.evaluate(ASK, [what, given]), answer(runner, {"what": what, **given})
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        if isinstance(value, list):
            assert found[name] == value
            continue
        array = numbers(value)
        assert found[name]["shape"] == list(array.shape)
        got = np.array(found[name]["data"], float).reshape(array.shape)
        assert np.abs(got - array).max() <= (2 if value["kind"] == "uint8" else 1e-2), name


def test_a_bad_request_is_refused(page):
    refused = page.evaluate(ASK, ["path", {"request": {"steps": 101}}])
    assert refused == "InputError: Steps must be a whole number from 1 to 100, not 101."
