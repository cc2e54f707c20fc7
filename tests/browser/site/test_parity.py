"""The static site draws the pictures that Python draws, to one grey level."""

from ldm_core import LatentDiffusion

from ..hosting import hosting
from .conftest import engine_page
from .parity import DRAW, apart, kind_of, requests


def test_pictures_are_those_of_python_to_one_grey_level_also_with_parts_off(browser, site, release):
    asked, seen = requests(release, 10), []
    assert len(set(map(kind_of, asked))) == 5
    off = [
        {"prompt": "a bold seven", "seed": seed, "steps": 4, "off": [name]}
        for seed, name in enumerate(release.switches)
    ]
    with hosting(site) as base, engine_page(browser, base) as page:
        page.on("request", lambda request: seen.append(request.url))
        pictures = page.evaluate(DRAW, asked)
        assert not any("inside.onnx" in url for url in seen)
        pictures += page.evaluate(DRAW, off)
        assert any("inside.onnx" in url for url in seen)
    for request, picture in zip(asked + off, pictures, strict=True):
        assert apart(release, request, picture) <= 1, request
    assert len({tuple(picture) for picture in pictures}) == len(pictures)


def test_the_student_is_fetched_when_first_used_and_draws_as_in_python(
    browser, taught_site, taught_weights
):
    model = LatentDiffusion.load(taught_weights, backend="torch")
    seen = []
    asked = [
        {"label": "7", "seed": 3, "steps": 1},
        {"prompt": "a bold seven leaning left", "seed": 4, "steps": 2, "guidance_scale": 7},
        {"label": "any", "seed": 5, "steps": 4, "guidance_scale": 1, "stroke": 0.4},
        {"morph": ["3:1", "thin 8:2"], "frames": 3, "loop": False, "steps": 2},
    ]
    asked = [request | {"sampler": "student"} for request in asked]
    with hosting(taught_site) as base, engine_page(browser, base) as page:
        page.on("request", lambda request: seen.append(request.url))
        assert not any("student" in url for url in seen)
        pictures = page.evaluate(DRAW, asked)
        assert sum("student" in url for url in seen) == 2
    for request, picture in zip(asked, pictures, strict=True):
        assert apart(model, request, picture) <= 1, request
