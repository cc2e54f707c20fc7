"""The engine as a page uses it: what it gives, how runs end, what is refused, and its files."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from ldm_core import read_settings
from ldm_core.output.file_settings import FileSettings, picture_text

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
# Ends a run of 100 steps when it has made three; then there must be a worker for the next one.
END = """async (how) => {
  const controller = new AbortController();
  let seen = 0, error = null;
  try {
    for await (const { index } of engine.denoise({ label: "1", steps: 100 }, controller.signal)) {
      seen = index ?? seen;
      if (index === 3 && how === "break") break;
      if (index === 3 && how === "abort") controller.abort();
    }
  } catch ({ name }) {
    error = name;
  }
  let after = 0;
  for await (const { x_t } of engine.denoise({ label: "1", steps: 2 })) after += Boolean(x_t);
  return { seen, error, after };
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


def picture():
    y, x = np.mgrid[:28, :28]
    return (255 * (np.hypot(x - 14, y - 14) < 8)).astype(np.uint8)


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


@pytest.mark.parametrize(("at", "index"), [(0, 0), (2, 2), (None, 3), (9, 3)])
def test_a_glance_is_one_step(page, at, index):
    request = {"label": "7", "seed": 11, "steps": 3}
    header, *steps = page.evaluate(GIVES, ["denoise", request])
    (glance,) = page.evaluate(GIVES, ["glance", request, at])
    assert glance == header | steps[index]


def test_a_drawing_is_looked_at_and_drawn_from(page, small_model):
    digit = picture()
    file = io.BytesIO()  # enlarged and inverted, which is undone
    Image.fromarray(255 - digit.repeat(4, 0).repeat(4, 1)).save(file, "PNG")
    uri = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    (look,) = page.evaluate(GIVES, ["look", uri])
    latent = small_model.encode(torch.from_numpy(digit)[None])
    back = small_model.decode(latent)[0].numpy().astype(int)
    assert look["digit"] == digit.flatten().tolist()
    assert np.abs(np.array(look["back"]) - back.flatten()).max() <= 1
    assert look["error"] == pytest.approx(np.abs(back - digit).mean(), abs=0.15)
    np.testing.assert_allclose(
        look["latent"], (127.5 + 42.5 * latent.flatten()).clip(0, 255), atol=2
    )
    start = {"start_from": picture_text(digit), "label": "8", "steps": 4}
    header, first, *steps = page.evaluate(GIVES, ["denoise", start])
    assert header["settings"]["start_from"] == picture_text(digit)
    assert header["settings"]["strength"] == 0.7 and len(steps) == 3  # of four
    *_, remark = page.evaluate(GIVES, ["denoise", start | {"invert": "3", "sampler": "ddim"}])
    assert remark["remark"].startswith("The round trip is off by ")
    mask = picture_text(np.arange(784).reshape(28, 28) < 392)
    *steps, last = page.evaluate(GIVES, ["denoise", start | {"mask": mask}])
    assert last["steps"] == 16 and last["index"] == 16  # three of them five times


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


def test_a_morph_begins_and_ends_with_single_runs(page):
    header, *progress, last = page.evaluate(GIVES, ["morph", MORPH])
    assert [at["index"] for at in progress] == list(range(1, progress[-1]["steps"] + 1))
    assert header["steps"] == 5 and len(last["images"]) == len(last["noises"]) == 6
    for i, request in [(0, {"label": "3", "seed": 1}), (5, {"prompt": "a bold eight", "seed": 2})]:
        _, first, *_, step = page.evaluate(GIVES, ["denoise", request | {"steps": 2}])
        assert np.abs(np.array(step["x_t"]) - last["images"][i]).max() <= 1
        assert first["latent"] == last["noises"][i]


def test_progress_rises_to_the_total(page):
    progress = page.evaluate("progress")
    loaded = [at["loaded"] for at in progress]
    assert loaded == sorted(loaded) and loaded[0] == 0 and len(loaded) > 3
    assert {at["total"] for at in progress} == {loaded[-1]}


@pytest.mark.parametrize(("how", "error"), [("abort", "AbortError"), ("break", None)])
def test_a_run_ends_early(page, how, error):
    assert page.evaluate(END, how) == {"seen": 3, "error": error, "after": 3}


@pytest.mark.parametrize("given", [{"label": "7", "steps": 0}, {"morph": ["3:1"]}])
def test_what_cannot_be_drawn_is_said(page, given):
    kind = "morph" if "morph" in given else "denoise"
    (said,) = page.evaluate(GIVES, [kind, given])
    assert said.startswith("InputError: ")
    assert page.evaluate(GIVES, ["check", kind, given]) == [said]


@pytest.mark.parametrize(
    ("request_", "options", "sizes"),
    [
        ({"label": "7", "steps": 3}, {"format": "gif"}, [(224, 224)] * 4),
        ({"label": "7", "steps": 3}, {"format": "gif", "show": "both"}, [(464, 224)] * 4),
        (
            {"label": "7", "steps": 3},
            {"format": "strip", "show": "latent", "scale": 1},
            [(118, 118)],
        ),
        ({"label": "7", "steps": 3}, {"format": "png"}, [(448, 448)]),
        (MORPH, {"format": "gif", "frame_ms": 40}, [(224, 224)] * 6),
        (MORPH, {"format": "png"}, [(1068, 168)]),
        (GRID | {"fixed": {"steps": 2}}, {"format": "gif"}, [None] * 3),
    ],
)
def test_files_hold_pictures_and_what_makes_them_again(page, tmp_path, request_, options, sizes):
    kind = "grid" if "across" in request_ else "morph" if "morph" in request_ else "denoise"
    made = page.evaluate(FILE, [request_, options])
    content = base64.b64decode(made["uri"].partition(",")[2])
    assert len(content) == made["bytes"]
    image = Image.open(io.BytesIO(content))
    assert made["name"].endswith(".gif" if image.format == "GIF" else ".png")
    frames = [frame.convert("L") for frame in ImageSequence.Iterator(image)]
    assert len(frames) == len(sizes)
    assert all(size in (None, frame.size) for size, frame in zip(sizes, frames))
    if options == {"format": "gif"} and kind == "denoise":
        _, *steps = page.evaluate(GIVES, [kind, request_])
        for frame, step in zip(frames, steps, strict=True):
            assert np.asarray(frame)[::8, ::8].flatten().tolist() == step["x_t"]
    (tmp_path / "it").write_bytes(content)
    stored = read_settings(tmp_path / "it")
    (header,) = page.evaluate(GIVES, ["check", kind, request_])
    if kind != "grid":
        FileSettings.from_dict({k: v for k, v in stored.items() if k != "weights"})
    if kind == "denoise":
        assert stored.items() >= header["settings"].items()
