"""The tab Draw: drawn by hand, re-imagined, completed, edited, refused; and its endpoint."""

import numpy as np
import pytest
from demo.runs import data_uri
from gradio_client import Client
from ldm_core.data.drawings import as_digit
from PIL import Image

from .actions import pixels

SEVEN = ((0.2, 0.2), (0.7, 0.2), (0.4, 0.75))


@pytest.fixture
def draw_page(open_word_page):
    """The tab, open. Its model is small and knows no digits; what it draws is noise."""

    def draw_page(**options):
        page = open_word_page(**options)
        page.click("button[role=tab]:has-text('Draw')")
        page.wait_for_selector(".easel[data-way=reimagine]")
        page.fill("[aria-label='number input for Steps']:visible", "3")
        page.keyboard.press("Tab")
        return page

    return draw_page


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


def wait_for_another_digit(page, before):
    look = "document.querySelector('.easel .digit').getAttribute('src')"
    page.wait_for_function(f"before => ![null, before].includes({look})", arg=before)


def draw(page, points):
    before = page.get_attribute(".easel .digit", "src")
    stroke(page, points)
    wait_for_another_digit(page, before)


def choose(page, way):
    page.click(f"#draw-way label:has-text('{way}')")
    page.wait_for_selector(f".easel[data-way={way.lower().replace('-', '')}]")


def generate(page):
    page.click("#draw-generate")
    page.wait_for_selector("#draw-player .player[data-state=done]")


def settings(page):
    return page.inner_text("#draw-player .settings")


def test_a_drawing_is_seen_re_imagined_completed_and_edited(draw_page):
    page = draw_page()
    page.click(".easel .clear")
    draw(page, SEVEN)
    digit = pixels(page.get_attribute(".easel .digit", "src"))
    across, down = (np.flatnonzero(digit.max(axis=axis) > 127) for axis in (0, 1))
    assert 18 <= max(np.ptp(across), np.ptp(down)) + 1 <= 20
    assert page.locator(".easel .channels img[src]").count() == 4
    assert "grey levels" in page.inner_text(".easel .hint")

    generate(page)
    assert settings(page).startswith("a digit re-imagined")
    assert page.get_attribute("#draw-player .gif", "href")
    assert page.locator("#draw-player .link").is_hidden()

    choose(page, "Complete")
    stroke(page, ((0.2, 0.7), (0.8, 0.7)))
    generate(page)
    assert settings(page).startswith("a digit completed")

    choose(page, "Edit")
    generate(page)
    assert settings(page).startswith("a digit edited")
    assert "grey levels on average" in page.inner_text("#draw-player .status")


def test_stop(draw_page):
    page = draw_page()
    page.fill("[aria-label='number input for Steps']:visible", "100")
    page.keyboard.press("Tab")
    page.click("#draw-generate")
    page.click("#draw-stop")
    page.wait_for_selector("#draw-player .player[data-state=stopped]")
    page.fill("[aria-label='number input for Steps']:visible", "2")
    page.keyboard.press("Tab")
    generate(page)


def test_nothing_drawn_nothing_rubbed_out_and_no_picture(draw_page, tmp_path):
    page = draw_page()
    choose(page, "Complete")
    page.click("#draw-generate")
    assert page.inner_text(".easel .wrong").startswith("Nothing is rubbed out yet")
    choose(page, "Re-imagine")
    page.click(".easel .clear")
    page.click("#draw-generate")
    assert page.inner_text(".easel .wrong").startswith("Nothing is drawn yet")
    assert page.get_attribute("#draw-player .player", "data-state") == "example"

    (tmp_path / "notes.png").write_text("no picture")
    page.set_input_files(".easel input", tmp_path / "notes.png")
    page.wait_for_selector(".easel .wrong:has-text('no picture that the browser can read')")
    Image.new("L", (90, 90), 200).save(tmp_path / "blank.png")
    page.set_input_files(".easel input", tmp_path / "blank.png")
    page.wait_for_selector(".easel .wrong:has-text('blank, or too faint')")


def test_a_photograph_is_made_smaller_before_it_is_sent(draw_page, tmp_path):
    page = draw_page()
    grey = np.full((1600, 1200), 210, np.uint8)
    grey[400:500, 300:900] = 40
    grey[400:1200, 800:900] = 40
    Image.fromarray(grey).save(tmp_path / "photo.jpg")
    before = page.get_attribute(".easel .digit", "src")
    with page.expect_request(lambda request: "component_server" in request.url) as sent:
        page.set_input_files(".easel input", tmp_path / "photo.jpg")
    assert len(sent.value.post_data_buffer) < 300_000
    wait_for_another_digit(page, before)
    digit = pixels(page.get_attribute(".easel .digit", "src")).astype(float)
    assert np.abs(digit - as_digit(grey)).mean() < 8


def test_the_endpoint_takes_a_picture_and_its_own_settings(word_server, tmp_path):
    client = Client(word_server, verbose=False, download_files=tmp_path)
    picture = np.zeros((60, 60), np.uint8)
    picture[10:15, 10:40] = picture[10:50, 35:40] = 255
    values = {"start_from": data_uri(picture), "strength": 0.5, "steps": 2, "label": "7"}
    png, _, said = client.predict(api_name="/draw", **values)
    again, _, _ = client.predict(api_name="/draw", **said)
    assert (np.asarray(Image.open(png)) == np.asarray(Image.open(again))).all()
    with pytest.raises(Exception, match="Nothing is drawn yet"):
        client.predict(api_name="/draw")
