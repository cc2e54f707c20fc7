"""The tab Train, and the menu where a folder holds several models."""

import shutil

import pytest

from .actions import generate
from .conftest import ROOT, pages, serving


@pytest.fixture
def models(word_weights, tmp_path):
    """A folder with the model of this repository, and a damaged one."""
    shutil.copytree(ROOT / "weights", tmp_path / "models" / "digits")
    shutil.copytree(word_weights, tmp_path / "models" / "damaged")
    unet = tmp_path / "models" / "damaged" / "unet.safetensors"
    unet.write_bytes(unet.read_bytes()[:1000])
    return tmp_path / "models"


def test_a_model_tells_of_its_training_and_a_new_one_appears_on_the_menu(
    browser, models, word_weights, tmp_path
):
    log = tmp_path / "server"
    log.mkdir()
    with serving(log, "--weights", models) as url, pages(browser, url) as open_page:
        page = open_page(width=360, height=740, has_touch=True, is_mobile=True)
        page.get_by_role("tab", name="Train").tap()
        page.wait_for_selector(".training", state="visible")
        assert page.get_by_role("img", name="The samples after 18,000 steps").is_visible()
        assert page.get_by_role("img", name="Loss of the unet, from 1.02").is_visible()
        assert page.get_by_role("row", name="Accuracy").inner_text().endswith("0.9983\t0.9957")
        assert "train.py --stage unet --steps 18000" in page.inner_text(".training")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360

        menu = page.locator(".models")
        menu.locator("summary").focus()
        page.keyboard.press("Enter")
        menu.get_by_text("1 model, 1 left out").wait_for()
        damaged = menu.locator("li", has_text="damaged")
        assert "Left out. unet.safetensors is damaged" in damaged.inner_text()
        assert damaged.locator("a").count() == 0
        shutil.copytree(word_weights, models / "part")  # under its name when it is complete
        (models / "part").rename(models / "new one")
        link = menu.get_by_role("link", name="new one")
        link.wait_for()
        box = link.bounding_box()
        assert box["height"] >= 44
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        page.keyboard.press("Escape")
        assert not link.is_visible()

        menu.locator("summary").tap()
        link.tap()
        page.wait_for_url("**/models/new%20one/")
        page.wait_for_selector("body[data-ready] .player[data-state=example] .x_t[src]")
        assert page.inner_text(".models summary").split() == ["Model:", "new", "one"]
        generate(page)
        page.get_by_role("tab", name="Train").tap()
        page.get_by_text("do not say how it was trained").wait_for()
        page.locator(".models summary").tap()
        page.get_by_role("link", name="digits").tap()
        page.wait_for_url(url)
