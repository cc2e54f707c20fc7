"""The engine as a page uses it: what it gives, and its files."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from ldm_core import read_settings
from ldm_core.output.file_settings import FileSettings

from ..hosting import hosting
from .conftest import engine_page

# What a call gives, as JSON: arrays as lists, with the names of their types.
GIVES = """async ([kind, request, ...more]) => {
  const items = [];
  const plain = (_, value) => (ArrayBuffer.isView(value) ? [...value] : value);
  try {
    const found = engine[kind](request, ...more);
    if (found[Symbol.asyncIterator]) for await (const item of found) items.push(item);
    else items.push(await found);
  } catch ({ name, message }) {
    items.push(`${name}: ${message}`);
  }
  return JSON.parse(JSON.stringify(items, plain));
}"""
# A file as a data URI.
FILE = """async ([request, options]) => {
  const { blob, name, bytes } = await engine.file(request, options);
  const reader = new FileReader();
  const uri = await new Promise((done) => {
    reader.onload = () => done(reader.result);
    reader.readAsDataURL(blob);
  });
  return { uri, name, bytes };
}"""
GRID = {"across": "seed", "across_values": "1, 2, 3", "down": "label", "down_values": ["4", "5"]}
MORPH = {"morph": ["3:1", "a bold eight:2"], "frames": 5, "loop": False, "steps": 2}


@pytest.fixture(scope="module")
def page(browser, small_site):
    with hosting(small_site) as base, engine_page(browser, base) as page:
        assert page.error is None
        yield page


def test_steps_are_those_of_python(page, small_model):
    request = {"prompt": "a bold seven", "seed": 2**32 - 1, "steps": 3}
    header, *steps = page.evaluate(GIVES, ["denoise", request])
    assert header["settings"].items() >= request.items()
    assert header["steps"] == 3
    assert header["name"] == "a-bold-seven-seed-4294967295"
    wanted = small_model.denoise(["a bold seven"], seeds=[2**32 - 1], steps=3)
    for step, one in zip(steps, wanted, strict=True):
        assert (step["index"], step["steps"]) == (one.index, one.steps)
        assert step["t"] == pytest.approx(one.t)
        level = small_model.schedule.alpha_bar(one.t)
        assert step["noise_level"] == pytest.approx((1 - level) ** 0.5)
        greys = (127.5 + 42.5 * one.x_t.flatten()).clip(0, 255)
        np.testing.assert_allclose(step["latent"], greys, atol=1.5)
        for name, latent in (("x_t", one.x_t), ("x_0", one.x_0)):
            if latent is None:
                assert step[name] is None
            else:
                apart = np.array(step[name]) - small_model.decode(latent).flatten().int().numpy()
                assert np.abs(apart).max() <= 1


def test_a_grid_is_its_single_runs(page):
    fixed = {"steps": 2, "guidance_scale": 3}
    header, *pieces = page.evaluate(GIVES, ["grid", GRID | {"fixed": fixed}])
    assert header["title"] == "Seed across, label down" and header["steps"] == 2
    assert header["cost"] == "6 cells × 2 steps: 12 steps in all, of 2000 at most."
    found = {
        (cell, piece["index"]): picture
        for piece in pieces
        for cell, picture in zip(piece["cells"], piece["pictures"], strict=True)
    }
    assert set(found) == {(cell, index) for cell in range(6) for index in range(3)}
    for cell in (0, 4):
        settings = header["cells"][cell]["settings"]
        settings.pop("eta")
        _, *steps = page.evaluate(GIVES, ["denoise", settings])
        for step in steps:
            apart = np.array(step["x_t"]) - found[cell, step["index"]]
            assert np.abs(apart).max() <= 1


def test_progress_rises_to_the_total(page):
    progress = page.evaluate("progress")
    loaded = [at["loaded"] for at in progress]
    assert loaded == sorted(loaded) and loaded[0] == 0 and len(loaded) > 3
    assert {at["total"] for at in progress} == {loaded[-1]}


def test_strips_and_rows_of_pictures_are_files_too(page, tmp_path):
    """Other files are made on the pages."""
    label = {"label": "7", "steps": 3}
    for request, options, size in (
        (label, {"format": "strip", "show": "latent", "scale": 1}, (118, 118)),
        (MORPH, {"format": "png"}, (1068, 168)),
    ):
        made = page.evaluate(FILE, [request, options])
        content = base64.b64decode(made["uri"].partition(",")[2])
        assert len(content) == made["bytes"] and made["name"].endswith(".png")
        assert Image.open(io.BytesIO(content)).size == size
        (tmp_path / "it").write_bytes(content)
        stored = read_settings(tmp_path / "it")
        FileSettings.from_dict({k: v for k, v in stored.items() if k != "weights"})
        assert stored.items() >= request.items()
