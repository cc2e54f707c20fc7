"""The static site draws the pictures that Python draws, to one grey level."""

from ldm_core import LatentDiffusion

from ...conftest import ROOT
from ..hosting import hosting
from .conftest import engine_page
from .parity import DRAW, apart, kind_of, requests


def test_pictures_are_those_of_python_to_one_grey_level(browser, site):
    model = LatentDiffusion.load(ROOT / "weights", backend="torch")
    asked = requests(model, 10)
    assert len(set(map(kind_of, asked))) == 5
    with hosting(site) as base, engine_page(browser, base) as page:
        pictures = page.evaluate(DRAW, asked)
    for request, picture in zip(asked, pictures, strict=True):
        assert apart(model, request, picture) <= 1, request


def test_with_each_switch_pictures_are_those_of_python_to_one_grey_level(browser, site, release):
    seen = []
    requests = [
        {"prompt": "a bold seven", "seed": seed, "steps": 4, "off": [name]}
        for seed, name in enumerate(release.switches)
    ]
    with hosting(site) as base, engine_page(browser, base) as page:
        page.on("request", lambda request: seen.append(request.url))
        whole = {**requests[0], "off": []}
        pictures = page.evaluate(DRAW, [whole])
        assert not any("inside.onnx" in url for url in seen)
        pictures += page.evaluate(DRAW, requests)
        assert any("inside.onnx" in url for url in seen)
    for request, picture in zip([whole, *requests], pictures, strict=True):
        assert apart(release, request, picture) <= 1, request
    assert len({tuple(picture) for picture in pictures}) == len(pictures)
