"""What people take away from the page: files, and links to their settings."""

import re
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from demo.requests import FIRST_SEED, Request
from PIL import Image, ImageSequence

from ldm_core import read_settings

from ..conftest import ROOT
from .actions import RECORD, STEPS, choose_label, generate, pixels, set_steps


def test_gif_holds_the_very_steps_that_were_shown(open_page, tmp_path):
    page = open_page()
    page.evaluate(RECORD)
    generate(page)
    seen = page.evaluate("seen")
    with page.expect_download() as download:
        page.click(".gif")
    assert re.fullmatch(rf"7-seed-{FIRST_SEED}-\w+\.gif", download.value.suggested_filename)
    gif = Image.open(download.value.path())
    frames = [np.asarray(frame.convert("L")) for frame in ImageSequence.Iterator(gif)]
    assert len(frames) == STEPS + 1
    for frame, shown in zip(frames, seen, strict=True):
        small = pixels(shown["x_t"])
        scale = len(frame) // len(small)
        assert (frame == small.repeat(scale, 0).repeat(scale, 1)).all()
    settings = read_settings(download.value.path())
    assert settings["label"] == "7" and settings["seed"] == FIRST_SEED
    assert settings["steps"] == STEPS
    line = [sys.executable, "-m", "ldm_core.sample", "--like", download.value.path()]
    subprocess.run([*line, "--out", tmp_path / "again.gif"], cwd=ROOT, check=True)
    assert (tmp_path / "again.gif").read_bytes() == download.value.path().read_bytes()


def test_png_is_the_final_image_enlarged(open_page):
    page = open_page()
    generate(page)
    with page.expect_download() as download:
        page.click(".png[href]")
    image = np.asarray(Image.open(download.value.path()).convert("L"))
    assert image.shape == (448, 448)
    assert (image[::16, ::16] == pixels(page.get_attribute(".x_t", "src"))).all()
    settings = read_settings(download.value.path())
    assert settings["label"] == "7" and len(settings["weights"]) == 16


def test_link_brings_the_settings_back(open_page):
    page = open_page()
    choose_label(page, "4")
    set_steps(page, 5)
    page.click("#dice")
    page.wait_for_function(f"document.querySelector('#seed input').value !== '{FIRST_SEED}'")
    generate(page)
    settings, picture = page.inner_text(".settings"), page.get_attribute(".x_t", "src")
    query = "?" + page.url.split("?")[1]
    assert "label=4" in query and "steps=5" in query

    page = open_page(query)
    page.wait_for_selector("#label label.selected:has-text('4')")
    # The values need not come all at once.
    seed = re.search(r"seed=(\d+)", query)[1]
    for field, value in (("#seed input", seed), ("[aria-label='number input for Steps']", "5")):
        page.wait_for_function(
            "([field, value]) => document.querySelector(field).value === value", arg=[field, value]
        )
    generate(page)
    assert page.inner_text(".settings") == settings
    assert page.get_attribute(".x_t", "src") == picture


def test_a_bad_link_is_told_and_does_no_harm(open_page):
    page = open_page("?steps=many")
    page.wait_for_selector("text=Steps must be a whole number from 1 to 100, not 'many'.")
    generate(page)


def values_in(link):
    return parse_qs(urlsplit(link).query)


SECRETS = "?__sign=secret&__theme=dark&view=settings&label=4&steps=2#secret"


def test_a_link_holds_the_page_s_own_settings_and_nothing_else(open_page):
    page = open_page(SECRETS, permissions=["clipboard-read", "clipboard-write"])
    page.wait_for_selector("#label label.selected:has-text('4')")
    page.click(".link")
    page.wait_for_selector("text=Link copied.")
    of_the_example = page.evaluate("navigator.clipboard.readText()")
    generate(page)
    page.click(".link")
    page.wait_for_selector("text=Link copied.")
    of_the_run = page.evaluate("navigator.clipboard.readText()")
    assert page.url == of_the_run
    for link in (of_the_example, of_the_run):
        assert list(values_in(link)) == list(Request.values()) and "secret" not in link
    assert values_in(of_the_run)["label"] == ["4"]


@pytest.mark.parametrize(
    "clipboard",
    [
        "undefined",  # as on http
        "{writeText: () => Promise.reject(new DOMException('no', 'NotAllowedError'))}",
    ],
)
def test_a_link_that_cannot_be_copied_is_shown_to_be_copied_by_hand(open_page, clipboard):
    page = open_page("?__sign=secret")
    page.evaluate(f"Object.defineProperty(navigator, 'clipboard', {{value: {clipboard}}})")
    page.click(".link")
    page.wait_for_selector(".address:focus")
    selected = page.evaluate("getSelection().toString()")
    assert values_in(selected)["label"] == ["3"] and "secret" not in selected
    assert not page.is_visible(".status")
    page.focus(".scrubber")
    assert page.is_visible(".status") and not page.is_visible(".address")
