"""starts.js and completion.js: pictures re-imagined, completed, inverted and morphed as in Python,
with networks that are closed formulas, the same in both languages."""

import numpy as np
import pytest
import torch

from ldm_core import Keep
from ldm_core.diffusion.completion import passes, times_reached
from ldm_core.diffusion.starts import morph_frames, slerp

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


@pytest.fixture(scope="module")
def drawn(node):
    given = {"asked": ASKED, "seeds": SEEDS, "pictures": pictures().flatten().tolist()}
    given |= {"mask": np.tile(LEFT, (3, 1)).flatten().tolist(), "cases": CASES}
    return node(MADE_UP, DRAW, given | {"about": about(made_up())})


@pytest.mark.parametrize("i", range(len(CASES)))
def test_each_step_from_a_picture_is_that_of_python(drawn, i):
    model, options = made_up(), dict(CASES[i])
    grid, start, keep = options.pop("grid"), None, None
    if "strength" in options:
        start = model.start_from(pictures(), options.pop("strength"), seeds=SEEDS, **grid)
    if "invert" in options:
        start = model.invert(pictures(), options.pop("invert"), **grid)
    if "resample" in options:
        mask = torch.tensor(LEFT).bool().expand(3, 28, 28)
        keep = Keep(pictures(), mask, options.pop("resample"))
    steps = model.denoise(ASKED, seeds=SEEDS, start=start, keep=keep, **options)
    for step, got in zip(steps, drawn[i], strict=True):
        assert (got["index"], got["steps"]) == (step.index, step.steps)
        assert got["t"] == pytest.approx(step.t, abs=1e-12)
        same(got["x_t"], step.x_t)
        assert got["x_0"] is None if step.x_0 is None else same(got["x_0"], step.x_0)


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
    points, frames = [["a bold seven", 1], [3, 2], [None, 5]], 4
    count = frames * 3 if options["loop"] else frames * 2 + 1
    given = {"points": points, "frames": frames, "parts": [[], [0, 3], [5, 7]], "options": options}
    found = node(MADE_UP, MORPH, given | {"about": about(made_up())})
    options = {name: tuple(v) if isinstance(v, list) else v for name, v in options.items()}
    steps = list(made_up().morph(points, frames, **options))
    for (first, end), one in zip([(0, count), (0, 3), (5, 7)], found, strict=True):
        for step, got in zip(steps, one, strict=True):
            same(got["x_t"], step.x_t[first:end])
            assert step.x_0 is None or same(got["x_0"], step.x_0[first:end])


def test_paths_and_arcs_are_those_of_python(node):
    ways = [(2, 1, False), (2, 12, True), (5, 3, False), (3, 7, True)]
    paths = "({ morph_frames }, ways) => ways.map((way) => morph_frames(...way))"
    for way, found in zip(ways, node("starts.js", paths, ways), strict=True):
        wanted = zip(*(part.tolist() for part in morph_frames(*way)), strict=True)
        for at, (before, after, share) in zip(found, wanted, strict=True):
            assert at == {"before": before, "after": after, "share": pytest.approx(share)}
    a = torch.randn(4, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    b = torch.cat([a[1:3], a[2:]])  # the last two are the same as in a
    share = torch.tensor([0, 0.3, 1, 0.5])
    arc = """({ slerp }, { a, b, share }) =>
      slerp(Float32Array.from(a), Float32Array.from(b), share)"""
    given = {"a": a.flatten().tolist(), "b": b.flatten().tolist(), "share": share.tolist()}
    same(node("starts.js", arc, given), slerp(a, b, share))


def test_what_python_refuses_is_refused(node):
    refuse = """({ morph_frames, noised_start }, calls) => calls.map(([name, ...given]) => {
      try {
        return { morph_frames, noised_start }[name](...given);
      } catch ({ name, message }) {
        return `${name}: ${message}`;
      }
    })"""
    calls = [
        ["morph_frames", 1, 3, True],
        ["morph_frames", 2, 0, True],
        ["noised_start", [], 1.5, [], [1, 0]],
    ]
    assert node("starts.js", refuse, calls) == [
        "InputError: A morph leads through two points or more, not 1.",
        "InputError: frames must be a whole number from 1 to 500, not 0.",
        "InputError: strength must be a number from 0 to 1, not 1.5.",
    ]


@pytest.mark.parametrize(("steps", "repeats"), [(1, 5), (3, 2), (7, 3), (9, 1)])
def test_pieces_are_made_again_as_in_python(node, steps, repeats):
    times = torch.linspace(1, 0, steps + 1, dtype=torch.float64)
    reach = """({ passes, times_reached }, { times, repeats }) =>
      times_reached(passes(Float64Array.from(times), repeats))"""
    found = node("completion.js", reach, {"times": times.tolist(), "repeats": repeats})
    assert found == times_reached(passes(times, repeats)).tolist()
