"""The student on both pages."""

import pytest

from demo.request import SAMPLER_TITLES

from .actions import generate, open_fold, open_tab, set_number, wait_for_line, wait_until_ready
from .conftest import PAGES, pages, serving
from .hosting import hosting


@pytest.fixture(scope="module", params=PAGES)
def taught(request, tmp_path_factory):
    """The address of either page, of a small model with a student."""
    if request.param == "gradio":
        weights = request.getfixturevalue("taught_weights")
        served = serving(tmp_path_factory.mktemp("server"), "--weights", weights)
    else:
        served = hosting(request.getfixturevalue("taught_site"))
    with served as url:
        yield url


@pytest.fixture
def page(browser, taught):
    with pages(browser, taught) as open_page:
        page = open_page()
        wait_until_ready(page)
        yield page


def choose_sampler(page, name):
    if page.locator("#sampler select").count():
        page.select_option("#sampler select", name)
    else:  # Gradio's own menu
        page.click("#sampler input")
        page.click(f"[role=option][aria-label='{SAMPLER_TITLES[name]}']")


def steps(page):
    return page.input_value("#steps [type=number]")


def test_the_menu_takes_the_steps_along_and_the_student_draws(page):
    open_fold(page)
    many = steps(page)
    choose_sampler(page, "student")
    assert steps(page) == "2"
    generate(page)
    assert "2 steps · student" in page.text_content(".settings")
    page.wait_for_url("**sampler=student**")
    open_tab(page, "Inside")
    page.wait_for_selector(".inside .told:has-text('student has drawn this run')")
    open_tab(page, "Watch")
    set_number(page, "steps", 5)
    page.click("#generate")
    page.wait_for_selector(".player[data-state=failed]")
    assert "makes 1 to 4 steps" in page.text_content(".player")
    choose_sampler(page, "ddim")
    assert steps(page) == many


def test_live_shows_the_student_while_a_control_moves_and_the_whole_run_at_rest(page):
    page.evaluate("""() => {
      window.lines = [];
      const line = document.querySelector(".settings");
      new MutationObserver(() => lines.push(line.textContent)).observe(line, {childList: true});
    }""")
    set_number(page, "width", 0.3)  # the static page fetches the student meanwhile
    wait_for_line(page, "width 0.3 ")
    for i in range(1, 40):
        set_number(page, "width", round(-1 + i / 20, 2))
        if page.evaluate("lines.some((line) => line.includes('student'))"):
            break
        page.wait_for_timeout(200)
    assert page.evaluate("lines.some((line) => line.includes('2 steps · student'))")
    page.wait_for_selector(".settings:not(:has-text('student'))")
