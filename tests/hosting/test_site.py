"""`make site` checks a static page: these pages keep to what the exported one promises, or break it
in one place. The picture is in them, instead of a model."""

import base64
import io
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from hosting import site
from hosting.checks import LARGE
from hosting.space import python_draws

from .test_checks import STATIC

PAGE = """<!doctype html>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
<div class="player" data-state="waiting"><img class="x_t"></div>
<button disabled>Generate</button>
<script src="page.js?1" type="module"></script>
"""
SCRIPT = """const [player, button] = document.querySelectorAll(".player, button");
const asked = new URLSearchParams(location.search);
if (asked.get("label") === "7" && asked.get("seed") === "7") button.disabled = false;
button.addEventListener("click", async () => {
  player.firstChild.src = "PICTURE";
  await player.firstChild.decode();
  player.dataset.state = "done";
});
"""


@pytest.fixture(scope="module")
def picture(small_model):
    return python_draws(small_model)


@pytest.fixture
def folder(tmp_path, picture):
    """A page that draws what Python draws."""
    png = io.BytesIO()
    Image.fromarray(picture).save(png, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "README.md").write_text(STATIC)
    (folder / "index.html").write_text(PAGE)
    (folder / "style.css").write_text("body { background: url('data:image/gif;base64,R0lG'); }")
    (folder / "page.js").write_text(SCRIPT.replace("PICTURE", uri))
    return folder


@pytest.fixture
def tried(folder, weights, capsys):
    """Run the command line; returns the status, and all that it said."""

    def tried():
        # Other tests have a browser open, and Playwright wants a thread for each.
        with ThreadPoolExecutor(1) as thread:
            line = [str(folder), "--weights", str(weights)]
            status = thread.submit(site.main, line).result()
        said = "".join(capsys.readouterr())
        if "the page was not opened" in said and not os.environ.get("CI"):
            pytest.skip("no browser (python -m playwright install chromium)")
        return status, said

    return tried


def test_a_good_page_is_served_and_draws_what_python_draws(folder, tried):
    with (folder / "unet.bin").open("wb") as file:
        file.truncate(LARGE + 1)
    status, said = tried()
    assert status == 0, said
    assert "unet.bin is too large for a plain git push" in said
    assert "0 grey levels from Python's" in said
    assert "the page asked for nothing outside of its folder" in said


FAULTS = """
  await fetch("../other").catch(() => 0);
  await fetch("not-there");
  setTimeout(() => { throw Error("a fault"); }, 0);
  await new Promise((wake) => setTimeout(wake, 50));
"""


def test_what_a_page_should_not_do_is_seen(folder, tried, monkeypatch):
    script = folder / "page.js"
    script.write_text(script.read_text().replace("await player", f"{FAULTS}  await player"))
    judged = []
    monkeypatch.setattr(site, "_judge", lambda seen, own: judged.append(seen))
    tried()
    ((_, outside, faults),) = judged
    assert len(outside) == 1 and outside[0].endswith("/some/other")
    assert any("/some/where/not-there" in fault for fault in faults)
    assert any("a fault" in fault for fault in faults)


@pytest.mark.parametrize(
    ("outside", "faults", "said"),
    [
        (["http://example.org/"], [], "asked for http://example.org/, outside of its folder"),
        ([], ["a", "b"], "has errors: a; b"),
    ],
)
def test_what_a_page_should_not_do_is_refused(picture, outside, faults, said):
    with pytest.raises(site.UserError, match=said):
        site._judge(site.Seen(picture, outside, faults), picture)


def test_pictures_that_differ_are_refused(picture):
    with pytest.raises(site.UserError, match=r"shape \(1, 1\), not \(28, 28\)"):
        site._judge(site.Seen(picture[:1, :1], [], []), picture)
    apart = np.clip(picture.astype(int) + 2, 0, 255).astype(np.uint8)
    with pytest.raises(site.UserError, match="2 grey levels apart, more than 1"):
        site._judge(site.Seen(apart, [], []), picture)
    near = np.where(picture < 255, picture + 1, picture).astype(np.uint8)
    site._judge(site.Seen(near, [], []), picture)


def test_a_page_that_fails_to_draw_is_no_success(folder, tried, monkeypatch):
    script = folder / "page.js"
    script.write_text(script.read_text().replace('"done"', '"failed"'))
    status, said = tried()
    assert status == 2 and "The page says that it failed" in said
    script.write_text("throw Error('a fault')")  # the button stays as it is
    monkeypatch.setattr(site, "DRAW_S", 1)
    status, said = tried()
    assert status == 2 and "The page drew nothing" in said and "a fault" in said


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("index.html", '"style.css"', '"/style.css"', "loads /style.css: only relative paths"),
        ("index.html", '"page.js?1"', '"https://cdn.example.org/p.js"', "loads https://cdn"),
        ("index.html", '"page.js?1"', '"//cdn.example.org/p.js"', "loads //cdn"),
        ("index.html", '"page.js?1"', '"script.js"', "loads script.js, which is not there"),
        ("style.css", "'data:image/gif;base64,R0lG'", "http://example.org/a.gif", "loads http:"),
        ("style.css", "body", "@import 'fonts.css';", "loads fonts.css, which is not there"),
        ("README.md", "sdk: static", "sdk: docker", "sdk must be one of"),
    ],
)
def test_what_would_not_work_elsewhere_is_found(folder, tried, name, old, new, said):
    path = folder / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    status, told = tried()
    assert status == 2 and said in told


def test_a_gradio_space_is_no_static_one(folder, tried):
    readme = folder / "README.md"
    more = 'sdk: gradio\nsdk_version: 6.31.0\npython_version: "3.12.12"'
    readme.write_text(STATIC.replace("sdk: static", more))
    status, told = tried()
    assert status == 2 and "must say sdk: static" in told
