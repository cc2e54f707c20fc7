"""The tab Compare: its main path, Stop, and what is wrong."""

from urllib.parse import urlencode

import pytest
from PIL import Image

from ldm_core import read_settings

from .actions import asked_by, open_tab

PICTURE = "cell => document.querySelectorAll('.grid canvas')[cell].toDataURL()"
EMPTY = "Object.assign(document.createElement('canvas'), { width: 28, height: 28 }).toDataURL()"


@pytest.fixture
def open_compare(open_page):
    def open_compare(query="", **options):
        page = open_page(query, **options)
        open_tab(page, "Compare")
        page.wait_for_selector(".grid canvas")
        return page

    return open_compare


def wait_for_state(page, state):
    page.wait_for_selector(f".comparison[data-state={state}]")


def set_axes(page, across, down):
    page.fill("#compare-across_values :is(input, textarea)", across)
    page.fill("#compare-down_values :is(input, textarea)", down)


def test_it_says_nothing_before_its_example_has_come(open_page):
    page = open_page(service_workers="block")
    page.route("**/*compare*", lambda route: None)  # it never comes
    open_tab(page, "Compare")
    page.wait_for_selector(".comparison")
    assert page.text_content(".grid-status") == ""
    page.unroute_all(behavior="ignoreErrors")


def test_it_opens_with_an_example_and_says_what_its_controls_ask_for(open_compare):
    page = open_compare()
    assert page.locator(".grid canvas").count() == 28
    page.wait_for_function(f"({PICTURE})(27) !== {EMPTY}")
    assert page.inner_text(".lesson").startswith("What guidance does")
    page.wait_for_selector(".cost:has-text('28 cells × ')")
    set_axes(page, "0, 11", "1")
    page.wait_for_selector(".cost[data-wrong]:has-text('Guidance scale must be')")
    set_axes(page, "0, 1", "1")
    page.wait_for_selector(".cost:not([data-wrong]):has-text('2 cells × 12 steps')")


def test_a_question_fills_a_grid_that_is_scrubbed_as_one(open_compare):
    page = open_compare()
    page.click("text=How few steps will do")
    wait_for_state(page, "done")
    columns = page.locator(".grid th[scope=col]").all_inner_texts()
    assert columns == ["1", "2", "3", "4", "6", "8", "12", "25"]
    assert page.locator(".grid th[scope=row]").all_inner_texts() == list("0123")
    assert page.locator(".grid canvas").count() == 32
    page.wait_for_function(f"({PICTURE})(31) !== {EMPTY}")
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
        assert read_settings(download.value.path())["compare"]["down"] == "label"
    if page.is_visible(".grid-mp4"):
        with page.expect_download() as download:
            page.click(".grid-mp4")
        assert download.value.suggested_filename.endswith(".mp4")


def test_a_link_draws_its_grid_and_a_cell_leads_to_its_settings(open_page):
    query = {"across": "seed", "across_values": "3, 4", "down": "prompt"}
    query |= {"down_values": '"a bold seven, leaning left", "a two, ""thin"""'}
    page = open_page(f"?{urlencode(query | {'fixed_steps': 2, 'fixed_width': 0.5})}")
    wait_for_state(page, "done")
    assert page.locator(".grid canvas").count() == 4
    assert asked_by(page).items() >= query.items()
    page.focus(".grid .cell[tabindex='0']")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    opened.value.wait_for_selector("body[data-ready]")
    asked = asked_by(opened.value)
    expected = {"prompt": 'a two, "thin"', "seed": "4", "steps": "2", "width": "0.5"}
    opened.value.close()
    assert asked.items() >= expected.items() and "across" not in asked
