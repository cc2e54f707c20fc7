"""The tab Draw on both pages: drawn by hand, re-imagined, completed, edited, and refused. The model
is small and knows no digits; what it draws is noise."""

import numpy as np
import pytest
from PIL import Image

from ldm_core.files.drawings import digit_in

from .actions import (
    generate,
    open_tab,
    pixels,
    set_number,
    settings,
    status,
    visible,
)

SEVEN = ((0.2, 0.2), (0.7, 0.2), (0.4, 0.75))


@pytest.fixture
def page(open_page):
    page = open_page()
    open_tab(page, "Draw")
    page.wait_for_selector(".easel[data-way=reimagine]")
    page.wait_for_selector(".seen .digit[src]")  # the example, which must not come later
    set_number(page, "draw-steps", 3)
    return page


def stroke(page, points):
    board = page.locator(".easel canvas")
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*at[0])
    page.mouse.down()
    for point in at[1:]:
        page.mouse.move(*point, steps=5)
    page.mouse.up()


def digit_after(page, act):
    """The digit that is seen after an act, once it is another one."""
    before = page.get_attribute(".seen .digit", "src")
    act()
    look = "document.querySelector('.seen .digit').getAttribute('src')"
    page.wait_for_function(f"before => ![null, before].includes({look})", arg=before)
    return pixels(page.get_attribute(".seen .digit", "src"))


def choose(page, way):
    page.click(f"#draw-way label:has-text('{way}')")
    page.wait_for_selector(f".easel[data-way={way.lower().replace('-', '')}]")


def test_a_drawing_is_seen_re_imagined_completed_and_edited(page):
    page.click(".easel .clear")
    digit = digit_after(page, lambda: stroke(page, SEVEN))
    across, down = (np.flatnonzero(digit.max(axis=axis) > 127) for axis in (0, 1))
    assert 18 <= max(np.ptp(across), np.ptp(down)) + 1 <= 20
    assert page.locator(".seen img[src]").count() == 3
    assert "grey levels" in page.inner_text(".seen .hint")

    generate(page, "draw-")
    assert settings(page).startswith("a digit re-imagined")
    with page.expect_download() as download:
        visible(page, ".gif").click()
    assert download.value.suggested_filename.endswith(".gif")
    assert page.locator("#draw-invert").is_hidden()

    choose(page, "Complete")
    stroke(page, ((0.2, 0.7), (0.8, 0.7)))
    generate(page, "draw-")
    assert settings(page).startswith("a digit completed")

    choose(page, "Edit")
    assert page.locator("#draw-strength").is_hidden()
    generate(page, "draw-")
    assert settings(page).startswith("a digit edited")
    assert "grey levels on average" in status(page)

    open_tab(page, "Watch")  # and the drawing stays meanwhile
    open_tab(page, "Draw")
    page.wait_for_selector(".seen .digit[src]")
    assert (pixels(page.get_attribute(".seen .digit", "src")) == digit).all()


def test_nothing_rubbed_out_a_half_by_keyboard_nothing_drawn_and_no_picture(page, tmp_path):
    digit_after(page, lambda: stroke(page, SEVEN))
    choose(page, "Complete")
    page.click("#draw-generate")
    assert page.inner_text(".easel .wrong").startswith("Nothing is rubbed out yet")
    assert visible(page, ".player").get_attribute("data-state") == "example"
    page.focus(".halves [data-half=top]")
    page.keyboard.press("Enter")
    generate(page, "draw-")
    assert settings(page).startswith("a digit completed")
    choose(page, "Re-imagine")
    page.click(".easel .clear")
    page.click("#draw-generate")
    assert page.inner_text(".easel .wrong").startswith("Nothing is drawn yet")

    (tmp_path / "notes.png").write_text("no picture")
    page.set_input_files(".easel input[type=file]", tmp_path / "notes.png")
    page.wait_for_selector(".easel .wrong:has-text('no picture that the browser can read')")
    Image.new("L", (90, 90), 200).save(tmp_path / "blank.png")
    page.set_input_files(".easel input[type=file]", tmp_path / "blank.png")
    page.wait_for_selector(".easel .wrong:has-text('blank, or too faint')")
    frames = [Image.new("L", (90, 90), grey) for grey in (0, 200)]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    page.set_input_files(".easel input[type=file]", tmp_path / "two.gif")
    page.wait_for_selector(".easel .wrong:has-text('two.gif holds 2 pictures: save one of them')")


def test_a_photograph_becomes_a_digit_and_what_was_left_out_is_said(page, tmp_path):
    grey = np.full((1600, 1200), 210, np.uint8)
    grey[400:500, 300:900] = grey[400:1200, 800:900] = 40
    clean = digit_in(grey).digit
    grey[:, :110], grey[1400:1430, 1000:1030] = 60, 30  # a dark table and a speck
    photo = tmp_path / "photo.jpg"
    Image.fromarray(grey).save(photo)
    page.click(".easel .clear")
    choose = lambda: page.set_input_files(".easel input[type=file]", photo)
    digit = digit_after(page, choose).astype(float)
    assert np.abs(digit - clean).mean() < 8
    note = page.get_by_role("status").filter(has_text="Left out")
    assert note.inner_text() == "Left out: what lies at the border and 1 small mark."
    page.click(".easel .clear")
    note.wait_for(state="detached")
