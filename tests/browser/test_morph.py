"""The tab Morph: its main path, its stop, a bad point; and its endpoint."""

import pytest
from gradio_client import Client
from PIL import Image


@pytest.fixture
def morph_page(open_word_page):
    def morph_page(**options):
        # It does not play by itself where people want to see less motion.
        page = open_word_page(**{"reduced_motion": "reduce"} | options)
        page.click("button[role=tab]:has-text('Morph')")
        page.wait_for_selector("#morph-player .player[data-state=example] .x_t[src]")
        return page

    return morph_page


def set_slider(page, name, value):
    page.fill(f"[aria-label='number input for {name}']:visible", str(value))
    page.keyboard.press("Tab")


def wait_for_state(page, state):
    page.wait_for_selector(f"#morph-player .player[data-state={state}]")


def test_three_points_make_a_loop(morph_page):
    page = morph_page()
    set_slider(page, "In-between frames", 4)
    set_slider(page, "Steps", 2)
    page.fill("#morph-what-3 input, #morph-what-3 textarea", "a bold zero")
    page.fill("#morph-seed-3 input", "9")
    page.click("#morph-generate")
    wait_for_state(page, "done")
    assert page.inner_text("#morph-player .step") == "Picture 11 of 11"
    assert page.inner_text("#morph-player .noise") == "a bold zero:9 → 3:1, 75%"
    with page.expect_download() as download:
        page.click("#morph-player .gif")
    assert Image.open(download.value.path()).n_frames == 12
    page.focus("#morph-player .scrubber")
    page.keyboard.press("Home")
    assert page.inner_text("#morph-player .noise") == "3:1"


def test_stop_and_a_bad_point(morph_page):
    page = morph_page()
    set_slider(page, "Steps", 100)
    page.click("#morph-generate")
    page.click("#morph-stop")
    wait_for_state(page, "stopped")
    set_slider(page, "Steps", 2)
    page.fill("#morph-what-2 input, #morph-what-2 textarea", "a dog")
    page.click("#morph-generate")
    wait_for_state(page, "failed")
    status = page.inner_text("#morph-player .status")
    assert "Point 2" in status and "dog" in status


def test_the_endpoint_takes_its_own_settings(word_server, tmp_path):
    client = Client(word_server, verbose=False, download_files=tmp_path)
    values = {"morph": ["3:1", "a bold 8:2"], "frames": 2, "steps": 2, "loop": False}
    png, gif, said = client.predict(api_name="/morph", **values)
    assert Image.open(gif).n_frames == 3
    again, _, _ = client.predict(api_name="/morph", **said)
    assert Image.open(again).tobytes() == Image.open(png).tobytes()
    with pytest.raises(Exception, match="Points must be a list of 2 to 6 points"):
        client.predict(api_name="/morph", morph=["3:1"])
