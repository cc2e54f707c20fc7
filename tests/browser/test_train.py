"""The tab Train, and the menu where a folder holds several models."""

import shutil

import pytest

from .actions import PHONE, generate, open_tab
from .conftest import pages, serving
from .hosting import hosting


def width(page):
    return page.evaluate("document.documentElement.scrollWidth")


@pytest.fixture(params=["gradio", "static"])
def open_real_page(request, browser):
    """Either page with the weights of this repository, which say how they were trained."""
    if request.param == "gradio":
        with pages(browser, request.getfixturevalue("server")) as open_page:
            yield open_page
    else:
        with hosting(request.getfixturevalue("site")) as url, pages(browser, url) as open_page:
            yield open_page


def test_a_model_tells_of_its_training(open_real_page):
    page = open_real_page(**PHONE)
    open_tab(page, "Train")
    page.wait_for_selector(".training", state="visible")
    assert page.get_by_role("img", name="The samples after 18,000 steps").is_visible()
    assert page.get_by_role("img", name="Loss of the U-Net, from 1.02").is_visible()
    assert page.get_by_role("row", name="Accuracy").inner_text().endswith("0.9983\t0.9957")
    assert "train.py --stage unet --steps 18000" in page.inner_text(".training")
    for fold in page.locator(".training summary").all():
        fold.tap()
    assert page.get_by_role("row", name="thin, leaning left").is_visible()
    assert width(page) <= PHONE["width"]


@pytest.fixture
def models(weights, tmp_path):
    """A folder with a small model, and a damaged one."""
    shutil.copytree(weights, tmp_path / "models" / "words")
    shutil.copytree(weights, tmp_path / "models" / "damaged")
    unet = tmp_path / "models" / "damaged" / "unet.safetensors"
    unet.write_bytes(unet.read_bytes()[:1000])
    return tmp_path / "models"


def test_a_new_model_appears_on_the_menu_and_a_damaged_one_is_told(browser, models, tmp_path):
    with serving(tmp_path, "--weights", models) as url, pages(browser, url) as open_page:
        page = open_page(**PHONE)
        menu = page.locator(".models")
        summary = menu.locator("summary")
        assert summary.inner_text().split() == ["Model:", "words"]
        shutil.copytree(models / "words", models / "new one")
        summary.focus()
        page.keyboard.press("Enter")
        menu.get_by_text("3 models").wait_for()
        link = menu.get_by_role("link", name="new one")
        assert link.bounding_box()["height"] >= 44
        assert width(page) <= PHONE["width"]
        page.keyboard.press("Escape")
        assert not link.is_visible()

        summary.tap()
        link.tap()
        page.wait_for_url("**/?model=new+one")
        page.wait_for_selector("body[data-ready] .player[data-state=example] .x_t[src]")
        assert summary.inner_text().split() == ["Model:", "new", "one"]
        generate(page)
        assert "model=new+one" in page.url
        open_tab(page, "Compare")
        cell = page.locator(".grid .cell[href]").first
        assert "model=new+one" in cell.get_attribute("href")
        open_tab(page, "Train")
        page.get_by_text("do not say how they were trained").wait_for()

        page = browser.new_page()  # what the browser says of the refusal is no fault
        page.goto(f"{url}?model=damaged")
        page.locator(".notice").filter(has_text="unet.safetensors is damaged").wait_for()
        generate(page)
        page.close()
