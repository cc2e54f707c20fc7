"""latent_diffusion.js and what it is made of: each step is that of Python, with networks that are
closed formulas, the same in both languages."""

import itertools

import numpy as np
import pytest

from ldm_core import SAMPLERS
from ldm_core.diffusion.noise_schedule import SPACINGS
from ldm_core.diffusion.samplers import STUDENT

from .conftest import MADE_UP
from .made_up import about, made_up

WORDS = ["a bold seven leaning left", None, 3]
SAMPLING = [
    {"sampler": sampler, "spacing": spacing, "steps": steps}
    for sampler, spacing, steps in itertools.product(SAMPLERS, SPACINGS, (1, 2, 6))
    if sampler != STUDENT
] + [
    {"sampler": sampler, "eta": eta, "steps": 5}
    for sampler in ("ddim", "dpmpp_2m")
    for eta in (0.3, 1)
]
SAMPLING += [
    {"sampler": STUDENT, "guidance_scale": w, "steps": n} for n, w in ((1, 3.3), (2, 7), (4, 1))
]
ALWAYS = {"guidance_interval": [0, 1]}
GUIDANCE = [
    {"guidance_scale": 0},
    {"guidance_scale": 0, "negative": "thin"},
    {"guidance_scale": 0.5, **ALWAYS},
    {"guidance_scale": 1, **ALWAYS},
    {"guidance_scale": 7, **ALWAYS},
    {"guidance_scale": 7, "guidance_interval": [0.4, 0.6], "steps": 5},  # both ends are times
    {"guidance_scale": 7, "guidance_interval": [0.7, 0.7], "steps": 10},
    {"guidance_scale": 7, "guidance_interval": [0.41, 0.59], "steps": 5},
    {"guidance_scale": 7, "guidance_rescale": 0.3, **ALWAYS},
    {"guidance_scale": 7, "guidance_rescale": 1, "guidance_interval": [0.2, 0.8]},
    {"negative": "thin", "guidance_rescale": 0.7},
    {"negative": ["thin", 4, 3], "sampler": "heun"},
    {"style": {"width": 0.25, "stroke": 0.7}, "asked": ["seven leaning left", None, 3]},
    {"asked": [None, ""], "guidance_scale": 7},
    {"asked": ["three"], "negative": 3, "guidance_scale": 7},
    {"asked": [None], "negative": "leaning left", "style": {"lean": -0.5}, "guidance_scale": 7},
    {"asked": ["Narrow, upright 9", "", 0], "negative": ["thin", "wide", None]},
]
DENOISE = """async ({ made_up }, { about, cases }) => {
  const results = [];
  for (const { asked, ...options } of cases) {
    const model = made_up(about);
    const steps = [];
    for await (const step of model.denoise(asked, options)) steps.push(step);
    const picture = await model.decode(steps.at(-1).x_t);
    results.push({ steps, picture, asked: model.network.asked });
  }
  return results;
}"""


@pytest.mark.parametrize("table", [SAMPLING, GUIDANCE], ids=["sampling", "guidance"])
def test_each_step_is_that_of_python(node, table):
    cases = [{"asked": WORDS, "steps": 4} | case for case in table]
    cases = [case | {"seeds": [2**32 - 1, 11, 12][: len(case["asked"])]} for case in cases]
    model = made_up()
    found = node(MADE_UP, DENOISE, {"about": about(model), "cases": cases})
    for case, one in zip(cases, found, strict=True):
        model.backend.asked.clear()
        options = case | {"guidance_interval": tuple(case.get("guidance_interval", (0.4, 0.7)))}
        steps = list(model.denoise(options.pop("asked"), **options))
        for step, got in zip(steps, one["steps"], strict=True):
            assert (got["index"], got["steps"]) == (step.index, step.steps)
            assert got["t"] == pytest.approx(step.t, abs=1e-12)
            same(got["x_t"], step.x_t, case)
            assert got["x_0"] is None if step.x_0 is None else same(got["x_0"], step.x_0, case)
        assert one["asked"] == model.backend.asked, case
        pixels = model.decode(steps[-1].x_t).flatten().int()
        assert np.abs(np.array(one["picture"]) - pixels.numpy()).max() <= 1, case


def same(found, wanted, case=""):
    """Up to 1e-5 of the largest value: with two steps, Heun's method goes far beyond 1."""
    atol = 1e-5 * max(1, wanted.abs().max().item())
    np.testing.assert_allclose(found, wanted.flatten(), rtol=0, atol=atol, err_msg=str(case))
    return True


# Heun's method asks for two predictions in a step, but the last; all prompts are read once, before.
STOP = """async ({ made_up }, { about, how }) => {
  const model = made_up(about), { network } = model, controller = new AbortController();
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => controller.abort();
  const predict = network.predict;
  network.predict = (...given) => {
    if (how === "fourth" && network.asked.length === 4) controller.abort();
    if (how === "message") port2.postMessage(null);
    return predict.apply(network, given);
  };
  if (how === "before") controller.abort();
  const { signal } = controller;
  const options = { sampler: "heun", steps: 20, guidance_scale: 1, seeds: [1], signal };
  let last = -1, name = null;
  try {
    for await (const { index } of model.denoise([7], options)) last = index;
  } catch (error) {
    name = error.name;
  }
  port1.close();
  return { name, last, calls: network.asked.length };
}"""


@pytest.mark.parametrize(
    ("how", "name", "last", "calls"),
    [
        ("never", None, 20, 1 + 39),
        ("before", "AbortError", 0, 0),
        ("fourth", "AbortError", 1, 1 + 4),
        ("message", "AbortError", 0, 1 + 1),  # it is heard although the network never waits
    ],
)
def test_a_signal_stops_within_a_step(node, how, name, last, calls):
    found = node(MADE_UP, STOP, {"about": about(made_up()), "how": how})
    assert found == {"name": name, "last": last, "calls": calls}


def test_what_is_no_number_is_no_picture(node):
    decode = """async ({ made_up }, about) => made_up(about)
      .decode(new Float32Array(256).fill(NaN)).catch(({ message }) => message)"""
    message = node(MADE_UP, decode, about(made_up()))
    assert message.startswith("The latents hold NaN or infinity, which are no picture.")
