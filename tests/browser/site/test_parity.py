"""The static site draws the pictures that Python draws, to one grey level."""

import pytest

from ldm_core import LatentDiffusion

from ...conftest import ROOT
from ..hosting import hosting
from .conftest import engine_page
from .parity import DRAW, apart, kind_of, requests

LABELS = [
    {"label": "3", "seed": 1, "steps": 3},
    {"label": "any", "seed": 2, "steps": 3},
    {"morph": ["3:1", "any:2"], "frames": 2, "loop": False, "steps": 2},
]


@pytest.mark.parametrize("workers", [1, 2])
def test_pictures_are_those_of_python_to_one_grey_level(browser, site, workers):
    model = LatentDiffusion.load(ROOT / "weights", backend="torch")
    asked = requests(model, 20)[10 * (workers - 1) :][:10]
    assert len(set(map(kind_of, asked))) == 5
    with hosting(site) as base, engine_page(browser, base, workers) as page:
        pictures = page.evaluate(DRAW, asked)
    for request, picture in zip(asked, pictures, strict=True):
        assert apart(model, request, picture) <= 1, request
