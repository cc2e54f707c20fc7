"""The tab Compare: its main path, Stop, what is wrong, and its endpoint."""

import re
from urllib.parse import parse_qsl, urlencode

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

from ldm_core import read_settings

PHONE = {"width": 360, "height": 740, "has_touch": True, "is_mobile": True}


@pytest.fixture
def open_compare(open_word_page):
    def open_compare(**options):
        page = open_word_page(**options)
        page.click("role=tab[name='Compare']")
        page.wait_for_selector(".comparison[data-state=empty]")
        return page

    return open_compare


def wait_for_state(page, state):
    page.wait_for_selector(f".comparison[data-state={state}]")


def ask(page, across, down):
    page.fill("#compare-axes label:has-text('Values across') input", across)
    page.fill("#compare-axes label:has-text('Values down') input", down)


PICTURE = "cell => document.querySelectorAll('.grid canvas')[cell].toDataURL()"


def test_a_question_fills_a_grid_that_is_scrubbed_as_one(open_compare):
    page = open_compare()
    page.click("text=How few steps will do")
    wait_for_state(page, "done")
    columns = page.locator(".grid th[scope=col]").all_inner_texts()
    assert columns == ["1", "2", "3", "4", "6", "8", "12", "25"]
    assert page.locator(".grid th[scope=row]").all_inner_texts() == list("0123")
    assert page.locator(".grid canvas").count() == 32
    empty = page.evaluate(
        "Object.assign(document.createElement('canvas'), { width: 28, height: 28 }).toDataURL()"
    )
    page.wait_for_function(f"empty => ({PICTURE})(31) !== empty", arg=empty)
    assert page.inner_text(".grid-position") == "Step 25 of 25"
    last = [page.evaluate(PICTURE, cell) for cell in (0, 7)]
    page.focus(".grid-step")
    page.keyboard.press("Home")
    assert "Step 0 of 25" in page.inner_text(".grid-position")
    first = [page.evaluate(PICTURE, cell) for cell in (0, 7)]
    assert first[0] == first[1] != last[0]  # all of a row begin with the same noise
    page.keyboard.press("End")
    assert [page.evaluate(PICTURE, cell) for cell in (0, 7)] == last
    for name in ("png", "gif"):
        with page.expect_download() as download:
            page.click(f".grid-{name}")
        assert download.value.suggested_filename.startswith("steps-by-label")
        assert Image.open(download.value.path()).size[0] > 300
    with page.expect_download() as download:
        page.click(".grid-mp4")
    assert read_settings(download.value.path())["compare"]["down"] == "label"
    assert page.inner_text(".grid-status") == "The MP4 is made."


def test_a_link_draws_its_grid_and_a_cell_leads_to_its_settings(open_compare):
    query = {"across": "seed", "across_values": "3, 4", "down": "label", "down_values": "1, 2"}
    page = open_compare()
    page.goto(f"{page.url}?{urlencode(query | {'fixed_steps': 2, 'fixed_stroke': 0.5})}")
    wait_for_state(page, "done")
    assert page.locator(".grid canvas").count() == 4
    assert dict(parse_qsl(page.url.partition("?")[2])).items() >= query.items()
    page.focus(".grid .cell[tabindex='0']")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    opened.value.wait_for_selector("body[data-ready]")
    asked = dict(parse_qsl(opened.value.url.partition("?")[2]))
    expected = {"label": "2", "seed": "4", "steps": "2", "stroke": "0.5"}
    assert asked.items() >= expected.items() and "across" not in asked


def test_stop_stops_and_the_next_grid_works(open_compare):
    page = open_compare()
    ask(page, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9", "1, 2, 3, 4, 5, 6, 7, 8")
    # Both before the server can answer: however fast it is, the grid is not finished.
    page.evaluate("['go', 'stop'].forEach((b) => document.querySelector(`#compare-${b}`).click())")
    wait_for_state(page, "stopped")
    assert re.fullmatch(
        r"Stopped: \d+ of 80 cells\. Compare starts it again\.", page.inner_text(".grid-status")
    )
    ask(page, "2, 3", "1")
    page.keyboard.press("Enter")
    wait_for_state(page, "done")
    assert page.inner_text(".grid-status").startswith("Done: 2 cells.")


def test_what_is_wrong_is_said_beside_the_controls_and_nothing_is_lost(open_compare):
    page = open_compare()
    ask(page, "0, 11", "1")
    page.wait_for_selector("#compare-cost .cost[data-wrong]:has-text('Guidance scale must be')")
    page.click("#compare-go")
    wait_for_state(page, "failed")
    assert "Guidance scale must be a number" in page.inner_text(".grid-status")
    assert page.input_value("#compare-axes label:has-text('Values across') input") == "0, 11"
    ask(page, "0, 1", "1")
    page.wait_for_selector("#compare-cost .cost:not([data-wrong]):has-text('2 cells × 12 steps')")


def test_on_a_phone_nothing_scrolls_sideways_and_all_can_be_touched(open_compare):
    page = open_compare(**PHONE)
    page.click("text=Ten digits, one noise")
    wait_for_state(page, "done")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    targets = "#compare-questions button, #compare button, #compare input, .comparison .bar button"
    for target in page.locator(targets).all():
        if target.is_visible():
            assert target.bounding_box()["height"] >= 43.5, target.evaluate("e => e.outerHTML")


def test_the_endpoint_draws_the_cells_of_generate(word_server, tmp_path):
    client = Client(word_server, verbose=False, download_files=tmp_path)
    asked = ("seed", "3, 4", "label", ["1", "2"], {"steps": 2})
    png, gif, cells = client.predict(*asked, api_name="/compare")
    assert Image.open(gif).n_frames == 3
    assert [(cell["label"], cell["seed"]) for cell in cells] == [
        *(("1", 3), ("1", 4)),
        *(("2", 3), ("2", 4)),
    ]
    assert read_settings(png)["compare"]["fixed"] == {"steps": 2}
    eta = cells[3].pop("eta")
    single, _, _ = client.predict(api_name="/generate", **cells[3])
    wanted = np.asarray(Image.open(single)).astype(int).repeat(4, 0).repeat(4, 1)
    found = np.asarray(Image.open(png)).astype(int)[-8 - 8 - 112 : -8 - 8, -8 - 8 - 112 : -8 - 8]
    assert eta == 0 and np.abs(found - wanted).max() <= 1
    with pytest.raises(Exception, match="at most 2000 are allowed"):
        client.predict("seed", [*range(30)], fixed={"steps": 100}, api_name="/compare")
