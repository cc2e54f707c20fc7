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
from playwright.sync_api import Error

from hosting import site
from hosting.trial import compare, python_draws
from ldm_core import UserError

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
    png = io.BytesIO()
    Image.fromarray(python_draws(small_model)).save(png, "PNG")
    uri = "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()
    (tmp_path / "page.js").write_text(SCRIPT.replace("PICTURE", uri))
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "style.css").write_text("body { background: url('data:image/gif;base64,R0lG'); }")
    return tmp_path


@pytest.fixture
def tried(folder, weights, capsys):
    """Run the command line; returns the status, and all that it said."""

    def tried():
        # Other tests have a browser open, and Playwright wants a thread for each.
        with ThreadPoolExecutor(1) as thread:
            line = [str(folder), "--weights", str(weights)]
            try:
                status = thread.submit(site.main, line).result()
            except Error:
                if os.environ.get("CI"):
                    raise
                pytest.skip("no browser (python -m playwright install chromium)")
        said = "".join(capsys.readouterr())
        return status, said

    return tried


def test_a_good_page_is_served_and_draws_what_python_draws(tried):
    status, said = tried()
    assert status == 0, said
    assert "0 grey levels from Python's" in said
    assert "the page asked for nothing outside of its folder" in said


def change(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_what_would_not_work_elsewhere_is_found(folder, tried):
    """What is outside of the folder, and errors of the page."""
    index, script = folder / "index.html", folder / "page.js"
    change(index, '"style.css"', '"absent.css"')
    change(script, "player.dataset", "reportError(Error('a fault')); player.dataset")
    status, told = tried()
    assert status == 2
    assert re.search("has errors: no http.*/absent.css; .*a fault", told), told
    change(index, '"absent.css"', '"/style.css"')
    change(script, "reportError(Error('a fault'))", "fetch('../other')")
    status, told = tried()
    assert status == 2
    assert re.search("asked for http.*/style.css, .*/other, outside", told), told


def test_pictures_that_differ_are_refused(small_model):
    picture = python_draws(small_model)
    moved = lambda levels: np.where(picture < 128, picture + levels, picture - levels)
    compare(moved(1), small_model)
    with pytest.raises(UserError, match="2 grey levels apart, more than 1"):
        compare(moved(2), small_model)
