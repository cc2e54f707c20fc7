"""words.js: what is said of a run, from its settings."""

import numpy as np
import pytest

from demo.about import about
from demo.reproduce import checked, kind_of
from demo.run import Runner
from ldm_core import LatentDiffusion
from ldm_core.output.file_settings import picture_text

from .conftest import ENGINE

SAYS = """({ line_of, caption_of }, { all, values }) =>
  all.map((settings) => [
    line_of(settings, values),
    settings.morph ? [0, 1, 3, 4, 5].map((index) => caption_of(settings, index)) : null,
  ])"""
PICTURE = np.zeros((28, 28), np.uint8)
PICTURE[6:22, 12:16] = 255
HOW = {"guidance_scale": 1.5, "steps": 3, "sampler": "ddim", "seed": 5}
HOW_SAID = "guidance 1.5 · 3 steps · ddim · seed 5"
DRAWN = HOW | {"label": "7", "start_from": picture_text(PICTURE)}
LINES = [
    (HOW | {"label": "7"}, f"label 7 · {HOW_SAID}"),
    (HOW | {"label": "7", "steps": 1}, "label 7 · guidance 1.5 · 1 step · ddim · seed 5"),
    (
        HOW | {"prompt": "a bold seven", "negative_prompt": "wide", "width": 0.5, "lean": -1},
        f"“a bold seven” · not “wide” · lean -1 · width 0.5 · {HOW_SAID}",
    ),
    (HOW | {"off": ["skip.0", "time"]}, f"label 7 · {HOW_SAID} · without skip.0, time"),
    (DRAWN | {"strength": 0.65}, f"a digit re-imagined · label 7 · {HOW_SAID} · strength 0.65"),
    (DRAWN | {"strength": None, "invert": ""}, f"a digit edited · label 7 · {HOW_SAID}"),
    (
        DRAWN | {"strength": 1, "mask": picture_text(255 - PICTURE)},
        f"a digit completed · label 7 · {HOW_SAID} · strength 1",
    ),
    (
        {"morph": ["3:1", "8:2"], "frames": 3, "steps": 2, "guidance_scale": 2},
        "3:1 → 8:2 → 3:1 · 3 frames · guidance 2 · 2 steps · ",
    ),
]


@pytest.fixture(scope="module")
def said(node, weights):
    """The line and some captions for each of LINES."""
    model = LatentDiffusion.load(weights)
    requests = [checked(model, kind_of(given), given) for given, _ in LINES]
    given = {"all": [request.settings() for request in requests]}
    given |= {"values": about(Runner(model))["values"]}
    return node(ENGINE.parent / "words.js", SAYS, given)


def test_settings_are_said_in_one_line(said):
    for (line, _), (_, wanted) in zip(said, LINES, strict=True):
        assert line == wanted or (wanted.endswith(" · ") and line.startswith(wanted))


def test_a_caption_says_where_an_image_of_a_morph_lies(said):
    _, captions = said[-1]
    between = ["3:1 → 8:2, 33%", "8:2", "8:2 → 3:1, 33%", "8:2 → 3:1, 67%"]
    assert captions == ["3:1", *between]
