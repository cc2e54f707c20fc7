"""latent_diffusion.js, samplers.js and guidance.js: each step is that of Python, with networks that
are closed formulas, the same in both languages."""

import itertools

import numpy as np
import pytest
import torch

from ldm_core import SAMPLERS
from ldm_core.diffusion.guidance import guided_denoiser
from ldm_core.diffusion.noise_schedule import SPACINGS
from ldm_core.diffusion.randomness import gaussian_noise

from ...conftest import context_of
from .conftest import MADE_UP
from .made_up import about, made_up

WORDS = ["a bold seven leaning left", None, 3]
SAMPLING = [
    {"sampler": sampler, "spacing": spacing, "steps": steps}
    for sampler, spacing, steps in itertools.product(SAMPLERS, SPACINGS, (1, 2, 6))
] + [
    {"sampler": sampler, "eta": eta, "steps": 5}
    for sampler in ("ddim", "dpmpp_2m")
    for eta in (0.3, 1)
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
    {"asked": [None, -1, ""], "guidance_scale": 7},
    {"asked": ["three"], "negative": 3, "guidance_scale": 7},
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
    found = node(MADE_UP, DENOISE, {"about": about(made_up()), "cases": cases})
    for case, one in zip(cases, found, strict=True):
        model = made_up()
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


@pytest.mark.parametrize("rescale", [0, 0.5])
def test_images_at_different_times_are_guided_each_by_its_own(node, rescale):
    times = torch.tensor([0.2, 0.4, 0.55, 0.7, 0.71])
    x_t = gaussian_noise(range(5), 0, (4, 8, 8))
    model = made_up()
    options = {"guidance_scale": 3, "guidance_rescale": rescale, "guidance_interval": (0.4, 0.7)}
    denoise = guided_denoiser(
        model.backend.predictor,
        context_of(model.conditioning, [3] * 5),
        model.schedule,
        model.settings(**options),
    )
    found = node(
        MADE_UP,
        """async ({ made_up, guided_denoiser }, { about, options, x_t, t }) => {
          const { network, conditioning, schedule, ...model } = made_up(about);
          const predictor = (conditions) => {
            const each = conditions.map(({ rows, amounts }) => network.context(rows, amounts));
            return (x_t, t) => each.map((context) => network.predict(x_t, t, context));
          };
          const settings = { ...model.defaults, ...options };
          const context = conditioning.context(t.map(() => 3));
          const denoise = guided_denoiser(predictor, context, schedule, settings);
          return denoise(Float32Array.from(x_t), Float32Array.from(t));
        }""",
        {
            "about": about(model),
            "options": options,
            "x_t": x_t.flatten().tolist(),
            "t": times.tolist(),
        },
    )
    same(found, denoise(x_t, times))
