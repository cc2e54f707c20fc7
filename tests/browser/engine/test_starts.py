"""starts.js and completion.js: pictures re-imagined, completed, inverted and morphed as in Python,
with networks that are closed formulas, the same in both languages."""

import numpy as np
import pytest
import torch

from ldm_core import Keep

from .conftest import MADE_UP
from .made_up import about, made_up
from .test_denoising import same

ASKED = ["a bold seven leaning left", None, 3]
SEEDS = [2**32 - 1, 11, 12]
LEFT = np.repeat([[1] * 10 + [0] * 18], 28, axis=0)  # of which the left ten columns are known
# For each case {pictures, start_from | invert, keep, ...options} the steps of all.
DRAW = """async ({ made_up }, { about, asked, seeds, pictures, mask, cases }) => {
  const model = made_up(about), results = [];
  for (const { strength, invert, resample, grid, ...options } of cases) {
    let start = null;
    if (strength !== undefined)
      start = await model.start_from(pictures, strength, { seeds, ...grid });
    if (invert) start = await model.invert(pictures, invert, grid);
    const keep = resample ? { pixels: pictures, mask, resample } : null;
    const steps = [];
    for await (const step of model.denoise(asked, { seeds, start, keep, ...options }))
      steps.push(step);
    results.push(steps);
  }
  return results;
}"""
FIVE = {"steps": 5}
CASES = [
    {"strength": 0, "grid": FIVE},
    {"strength": 1, "grid": FIVE, "guidance_scale": 5},
    {"strength": 0.7, "grid": FIVE},
    {"strength": 0.31, "grid": {"steps": 8, "spacing": "karras"}, "sampler": "unipc"},
    {"strength": 0.5, "grid": FIVE, "sampler": "ddpm", "negative": "thin"},
    {"strength": 1, "resample": 1, "grid": {"steps": 7}, "sampler": "dpmpp_2m"},
    {"strength": 1, "resample": 3, "grid": {"steps": 7}, "sampler": "ddim", "eta": 0.5},
    {"strength": 0.8, "resample": 2, "grid": {"steps": 9}, "sampler": "heun"},
    {"invert": ["seven", None, 3], "grid": {}, "sampler": "ddim"},
    {"invert": ["eight", "bold", None], "grid": {"steps": 4}},
    {"invert": ASKED, "grid": FIVE, "resample": 2, "guidance_scale": 1},
]


def pictures():
    return (torch.arange(3 * 784) * 37 % 256).to(torch.uint8).view(3, 28, 28)


def test_each_step_from_a_picture_is_that_of_python(node):
    model = made_up()
    given = {"asked": ASKED, "seeds": SEEDS, "pictures": pictures().flatten().tolist()}
    given |= {"mask": np.tile(LEFT, (3, 1)).flatten().tolist(), "cases": CASES}
    drawn = node(MADE_UP, DRAW, given | {"about": about(model)})
    for case, one in zip(CASES, drawn, strict=True):
        options, start, keep = dict(case), None, None
        grid = options.pop("grid")
        if "strength" in options:
            start = model.start_from(pictures(), options.pop("strength"), seeds=SEEDS, **grid)
        if "invert" in options:
            start = model.invert(pictures(), options.pop("invert"), **grid)
        if "resample" in options:
            mask = torch.tensor(LEFT).bool().expand(3, 28, 28)
            keep = Keep(pictures(), mask, options.pop("resample"))
        steps = model.denoise(ASKED, seeds=SEEDS, start=start, keep=keep, **options)
        for step, got in zip(steps, one, strict=True):
            assert (got["index"], got["steps"]) == (step.index, step.steps)
            assert got["t"] == pytest.approx(step.t, abs=1e-12)
            same(got["x_t"], step.x_t, case)
            assert got["x_0"] is None if step.x_0 is None else same(got["x_0"], step.x_0, case)


MORPH = """async ({ made_up }, { about, points, frames, parts, options }) => {
  const results = [];
  for (const part of parts) {
    const steps = [];
    for await (const step of made_up(about).morph(points, frames, { ...options, part }))
      steps.push(step);
    results.push(steps);
  }
  return results;
}"""


@pytest.mark.parametrize(
    "options",
    [
        {"loop": True, "steps": 3},
        {"loop": False, "steps": 2, "sampler": "ddpm", "negative": "thin", "guidance_scale": 3},
        {"loop": False, "steps": 2, "style": {"lean": 0.3}, "guidance_interval": [0, 1]},
    ],
)
def test_a_morph_is_that_of_python_in_parts_too(node, options):
    points, frames = [["a bold seven", 1], [3, 2], [None, 5], [1, 5]], 4  # the last has no arc
    count = frames * 4 if options["loop"] else frames * 3 + 1
    given = {"points": points, "frames": frames, "parts": [[], [0, 3], [5, 7]], "options": options}
    found = node(MADE_UP, MORPH, given | {"about": about(made_up())})
    options = {name: tuple(v) if isinstance(v, list) else v for name, v in options.items()}
    steps = list(made_up().morph(points, frames, **options))
    for (first, end), one in zip([(0, count), (0, 3), (5, 7)], found, strict=True):
        for step, got in zip(steps, one, strict=True):
            same(got["x_t"], step.x_t[first:end])
            assert step.x_0 is None or same(got["x_0"], step.x_0[first:end])
