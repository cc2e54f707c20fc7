"""The page without a mouse."""

import pytest

from .actions import wait_for_state


def test_keyboard_alone(open_page):
    page = open_page()

    def tab_to(selector):
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        pytest.fail(f"the Tab key does not reach {selector}")

    tab_to(".scrubber")
    tab_to("#label input")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#label label.selected:has-text('8')")
    tab_to("#generate")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Enter")
    wait_for_state(page, "done")
    assert "label 8" in page.inner_text(".settings")
    if page.locator("#fold").count():
        tab_to("#fold")
        page.keyboard.press("Enter")
        page.focus("#generate")
    for selector in ("#stop", "[type=range]", "[role=combobox]", "#seed input", "#dice"):
        tab_to(selector)


def test_enter_in_the_seed_field_generates(open_page):
    page = open_page()
    page.fill("#seed input", "11")
    page.keyboard.press("Enter")
    wait_for_state(page, "done")
    assert "seed 11" in page.inner_text(".settings")
