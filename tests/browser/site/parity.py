"""The pictures of the static site beside Python's: python -m tests.browser.site.parity SITE.

Serves a site that was exported with the weights of this repository, has Chromium draw 100 pictures
on it, and prints how many grey levels they are apart.
"""

import argparse
import random
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from playwright.sync_api import sync_playwright

from hosting.browser import launch
from ldm_core import SAMPLERS, LatentDiffusion
from ldm_core.diffusion.samplers import STUDENT
from ldm_core.output.file_settings import FileSettings, picture_text, prompt_of
from ldm_core.output.steps import steps_of, steps_of_morph

from ...conftest import ROOT
from ..hosting import hosting
from .conftest import engine_page

PROMPTS = ["a bold seven leaning left", "thin narrow eight", "wide three", "leaning right"]
# Draws what it is asked for, and returns the last picture of each, or all images of a morph.
DRAW = """async (requests) => {
  const pictures = [];
  for (const request of requests) {
    let last;
    const run = request.morph ? engine.morph(request) : engine.denoise(request);
    for await (const step of run) if (step.x_t || step.images) last = step;
    pictures.push((last.images ?? [last.x_t]).flatMap((picture) => [...picture]));
  }
  return pictures;
}"""


def requests(model: LatentDiffusion, count: int) -> list[dict]:
    """Requests of all kinds in turn, in which each sampler occurs: from noise, a picture that is
    re-imagined, completed and edited, and a morph. The pictures are digits that the model draws."""
    draw, samplers = random.Random(0), [name for name in SAMPLERS if name != STUDENT]
    digits = model.generate(list(range(10)), seeds=list(range(10)), steps=8).numpy()
    kinds = (_from_noise, _reimagined, _completed, _edited, _morph)
    return [
        _common(samplers[i % len(samplers)], draw) | kinds[i % len(kinds)](draw, digits)
        for i in range(count)
    ]


def _common(sampler: str, draw: random.Random) -> dict:
    scale = draw.choice([0, 0.5, 1, 2, 3.5, 3.5, 7.5])
    return {"sampler": sampler, "steps": draw.randint(1, 12), "guidance_scale": scale}


def _prompted(draw: random.Random) -> dict:
    """One of a label and a prompt, sometimes with a style, and a seed."""
    label = {"label": draw.choice([*"0123456789", "any"])}
    style = {name: draw.choice([-1, -0.4, 0.7]) for name in ("stroke", "lean")}
    what = draw.choice([label, label | style, {"prompt": draw.choice(PROMPTS)}])
    return what | {"seed": draw.randrange(2**32)}


def _from_noise(draw: random.Random, digits: np.ndarray) -> dict:
    away = draw.choice(["", "", "bold", "leaning left"])
    return _prompted(draw) | ({"negative_prompt": away, "guidance_scale": 3} if away else {})


def _reimagined(draw: random.Random, digits: np.ndarray) -> dict:
    start = {"start_from": _digit(draw, digits), "strength": draw.choice([0, 0.3, 0.7, 0.95, 1])}
    return _prompted(draw) | start


def _completed(draw: random.Random, digits: np.ndarray) -> dict:
    mask = np.ones((28, 28), bool)
    rows = slice(0, 14) if draw.random() < 0.5 else slice(9, 20)
    mask[(rows, slice(None)) if draw.random() < 0.5 else (slice(None), rows)] = False
    return _prompted(draw) | {"start_from": _digit(draw, digits), "mask": picture_text(mask)}


def _edited(draw: random.Random, digits: np.ndarray) -> dict:
    i = draw.randrange(10)
    shows = draw.choice([str(i), str(i), ""])
    start = {"start_from": picture_text(digits[i]), "invert": shows}
    return _prompted(draw) | start | {"sampler": "ddim", "steps": draw.randint(5, 20)}


def _morph(draw: random.Random, digits: np.ndarray) -> dict:
    points = [f"{draw.choice([*PROMPTS, '3', '8'])}:{draw.randrange(2**32)}" for _ in range(3)]
    return {"morph": points, "frames": draw.randint(2, 4), "loop": draw.random() < 0.5}


def _digit(draw: random.Random, digits: np.ndarray) -> str:
    return picture_text(digits[draw.randrange(10)])


def python_pictures(model: LatentDiffusion, request: dict) -> torch.Tensor:
    """The same by `ldm_core`: uint8 (1, 28, 28), or all images of a morph."""
    given = {name: value for name, value in request.items() if value != "" or name == "invert"}
    if "morph" in given:
        given["morph"] = tuple(given["morph"])
    settings = FileSettings.from_dict(model.defaults.to_dict() | given)
    if "morph" in given:
        steps = steps_of_morph(model, settings)
    else:
        prompt = given.get("prompt") or prompt_of(given["label"], model.class_names)
        steps = steps_of(model, settings, [prompt], [given["seed"]])
    *_, last = steps
    return model.decode(last.x_t)


def apart(model: LatentDiffusion, request: dict, pictures: list[int]) -> int:
    """The most that a pixel is from Python's, in grey levels."""
    wanted = python_pictures(model, request).flatten().int()
    assert len(pictures) == len(wanted), request
    return (torch.tensor(pictures, dtype=torch.int) - wanted).abs().max().item()


def kind_of(request: dict) -> str:
    names = {"morph": "morph", "mask": "complete", "invert": "edit", "start_from": "re-imagine"}
    return next((kind for name, kind in names.items() if name in request), "noise")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path, help="what the export has made")
    args = parser.parse_args()
    model, found = LatentDiffusion.load(ROOT / "weights", backend="torch"), Counter()
    asked = requests(model, 100)
    with (
        sync_playwright() as playwright,
        hosting(args.site) as base,
        engine_page(launch(playwright), base) as page,
    ):
        pictures = page.evaluate(DRAW, asked)
    for request, one in zip(asked, pictures, strict=True):
        level = apart(model, request, one)
        found[kind_of(request), level] += 1
        if level > 1:
            print(level, request)
    for (kind, level), count in sorted(found.items()):
        print(f"{kind}: {count} of {level} grey levels")


if __name__ == "__main__":
    main()
