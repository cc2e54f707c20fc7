"""`make site` opens a static page. This one keeps the promises of the exported one, or breaks one;
instead of a model it has a picture."""

import base64
import io
import os
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from demo.web_files import WEB
from hosting import site
from hosting.trial import python_draws

PAGE = """<!doctype html>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
<div class="player" data-state="waiting"><img class="x_t"></div>
<button disabled>Generate</button>
<div class="player" data-state="example"><img class="x_t"></div>
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


@pytest.fixture
def folder(tmp_path, small_model):
    """A page that draws what Python draws."""
    write(tmp_path, python_draws(small_model))
    (tmp_path / "README.md").write_bytes((WEB / "site" / "README.md").read_bytes())
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "style.css").write_text("body { background: url('data:image/gif;base64,R0lG'); }")
    return tmp_path


def write(folder, picture):
    png = io.BytesIO()
    Image.fromarray(picture).save(png, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    (folder / "page.js").write_text(SCRIPT.replace("PICTURE", uri))


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


def test_a_good_page_is_served_and_draws_what_python_draws(tried):
    status, said = tried()
    assert status == 0, said
    assert "0 grey levels from Python's" in said
    assert "the page asked for nothing outside of its folder" in said


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("index.html", '"style.css"', '"/style.css"', "asked for http.*, outside of its folder"),
        ("index.html", '"style.css"', '"absent.css"', "has errors: no http.*/absent.css"),
        ("page.js", "player.dataset", "fetch('../other'); player.dataset", "asked for .*/other"),
        ("page.js", "player.dataset", "reportError(Error('a fault')); player.dataset", "a fault"),
        ("README.md", "sdk: static", "sdk: gradio", "must say sdk: static"),
    ],
)
def test_what_would_not_work_elsewhere_is_found(folder, tried, name, old, new, said):
    path = folder / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    status, told = tried()
    assert status == 2
    assert re.search(said, told), told


def test_pictures_that_differ_are_refused(folder, tried, small_model):
    picture = python_draws(small_model)
    write(folder, np.where(picture < 128, picture + 1, picture - 1).astype(np.uint8))
    assert tried()[0] == 0
    write(folder, np.where(picture < 128, picture + 2, picture - 2).astype(np.uint8))
    status, said = tried()
    assert status == 2 and "2 grey levels apart, more than 1" in said
    write(folder, picture[:7])
    assert "has the shape (7, 28), not (28, 28)" in tried()[1]
