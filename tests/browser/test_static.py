"""The static page alone: how its model loads, fails and works again, and what it says meanwhile."""

import re

import pytest

from .actions import generate, status, wait_for_state
from .conftest import pages

# A worker that breaks as soon as it is to draw, once.
BREAKS = """
  const { postMessage } = Worker.prototype;
  Worker.prototype.postMessage = function (message, ...rest) {
    if (message?.call !== "denoise") return postMessage.call(this, message, ...rest);
    Worker.prototype.postMessage = postMessage;
    this.dispatchEvent(new ErrorEvent("error", { message: "out of memory", cancelable: true }));
  };
  null;
"""


@pytest.fixture
def open_page(browser, word_site):
    with pages(browser, word_site) as open_page:
        yield open_page


def wait_until_loaded(page):
    page.wait_for_selector("text=/^Ready\\./")


def test_generate_waits_for_the_model_and_a_worker_that_fails_has_a_successor(open_page):
    page = open_page()
    page.evaluate("""() => {
      const player = document.querySelector(".player");
      window.states = [];
      new MutationObserver(() => states.push(player.dataset.state))
        .observe(player, {attributeFilter: ["data-state"]});
      document.querySelector("#generate").click();
      document.querySelector("#stop").click();
    }""")
    wait_for_state(page, "stopped")
    wait_until_loaded(page)
    generate(page)
    states = page.evaluate("states")
    assert states.count("done") == 1 and states.index("stopped") < states.index("done")

    page.evaluate(BREAKS)
    page.click("#generate")
    wait_for_state(page, "failed")
    assert "out of memory" in status(page)
    generate(page)

    page.focus("[role=tab][aria-selected=true]")  # tabs are chosen by keys
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Compare')")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector("[role=tab][aria-selected=true]:has-text('Train')")


def test_a_file_that_does_not_load_is_told_and_can_be_tried_again(browser, word_site):
    page = browser.new_page()
    page.route("**/unet*", lambda route: route.abort())
    page.goto(word_site)
    page.wait_for_selector("#model[data-failed]")
    told = page.inner_text("#model .said")
    assert re.match(r"unet\S+ did not load: there is no connection", told)
    assert page.get_attribute(".player", "data-state") == "example"
    page.click("#generate")  # tries again, too
    wait_for_state(page, "failed")
    assert status(page) == told
    page.unroute("**/unet*")
    page.click("text=Try again")
    wait_until_loaded(page)
    assert page.locator("#model[data-failed]").count() == 0
    generate(page)
    page.close()


def test_a_page_that_is_not_whole_says_so(browser, word_site):
    page = browser.new_page()
    page.route("**/parts/more.js", lambda route: route.abort())
    page.goto(word_site)
    page.wait_for_selector("text=A part of this page did not load.")
    page.close()


def test_without_javascript_the_page_says_what_is_missing(browser, word_site):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(word_site)
    assert "JavaScript, which is switched off" in page.inner_text("#model")
    context.close()
