"""The tab Train, and the menu where a folder holds several models."""

import json
import shutil

import pytest

from ..conftest import ROOT
from .actions import PHONE, generate, open_tab
from .conftest import PAGES, pages, serving
from .hosting import hosting


def width(page):
    return page.evaluate("document.documentElement.scrollWidth")


@pytest.fixture(scope="module")
def models(weights, tmp_path_factory):
    """A folder with a small model, a damaged one, and that of this repository."""
    folder = tmp_path_factory.mktemp("models")
    for name, source in (("small", weights), ("damaged", weights), ("trained", ROOT / "weights")):
        shutil.copytree(source, folder / name)
    unet = folder / "damaged" / "unet.safetensors"
    unet.write_bytes(unet.read_bytes()[:1000])
    return folder


@pytest.fixture(scope="module")
def server(models, tmp_path_factory):
    """The address of Gradio's page with these models."""
    with serving(tmp_path_factory.mktemp("server"), "--weights", models) as url:
        yield url


@pytest.fixture(params=PAGES)
def trained_page(request, browser):
    """Either page with the weights of this repository, which say how they were trained."""
    if request.param == "gradio":
        with pages(browser, request.getfixturevalue("server")) as open_page:
            yield open_page("?model=trained", **PHONE)
    else:
        site = request.getfixturevalue("site")
        with hosting(site) as url, pages(browser, url) as open_page:
            yield open_page(**PHONE)


def test_a_model_tells_of_its_training(trained_page):
    page = trained_page
    open_tab(page, "Train")
    page.wait_for_selector(".training", state="visible")
    assert page.get_by_role("img", name="The samples after 18,000 steps").is_visible()
    assert page.get_by_role("img", name="Loss of the U-Net, from 1.02").is_visible()
    measured = json.loads((ROOT / "weights" / "evaluation.json").read_text())
    figures = [f"{measured[of]['accuracy']:.4f}" for of in ("samples", "real")]
    assert page.get_by_role("row", name="Accuracy").inner_text().endswith("\t".join(figures))
    assert "train.py --stage unet --steps 18000" in page.inner_text(".training")
    for fold in page.locator(".training summary").all():
        fold.tap()
    assert page.get_by_role("row", name="thin, leaning left").is_visible()
    assert width(page) <= PHONE["width"]


def test_a_new_model_appears_on_the_menu_and_a_damaged_one_is_told(browser, models, server):
    with pages(browser, server) as open_page:
        page = open_page(**PHONE)
        menu = page.locator(".models")
        summary = menu.locator("summary")
        assert summary.inner_text().split() == ["Model:", "small"]
        shutil.copytree(models / "small", models / "new one")
        summary.focus()
        page.keyboard.press("Enter")
        menu.get_by_text("4 models").wait_for()
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
        page.goto(f"{server}?model=damaged")
        page.locator(".notice").filter(has_text="unet.safetensors is damaged").wait_for()
        generate(page)
        page.close()
