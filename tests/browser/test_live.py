"""Live: the picture follows the controls without Generate; only the newest change is drawn."""

import json
import re

import pytest
from demo.prompts import PromptRequest

from .actions import generate

SETTLED = ".player[data-state=done]:not([data-glance]) .gif[href]"
PROMPT = list(PromptRequest.values()).index("prompt")
CALLS = re.compile("/component_server")


@pytest.fixture
def live_page(open_word_page):
    """The page of a small model. `page.asked` lists what live pictures were asked for."""

    def live_page(**options):
        page = open_word_page(**options)
        page.asked = []
        heard = lambda call: (
            "component_server" in call.url and page.asked.append(json.loads(call.post_data)["data"])
        )
        page.on("request", heard)
        return page

    return live_page


def press(page, label):
    page.click(f"#label label:has-text('{label}')")


def picture(page):
    return page.get_attribute("#stage .x_t", "src")


def wait_for_line(page, text):
    page.wait_for_function(
        "text => document.querySelector('.settings').textContent.includes(text)", arg=text
    )


def test_the_picture_follows_and_is_that_of_generate(live_page):
    page = live_page()
    page.wait_for_selector("#stage .latent img[src]")
    press(page, "5")
    wait_for_line(page, "label 5 ")
    page.wait_for_selector(SETTLED)
    followed = picture(page)
    assert len(page.asked) == 1
    assert "label=5" in page.url  # all of it is there: the link, files, and every step
    page.focus(".scrubber")
    page.keyboard.press("Home")
    assert page.inner_text(".step").startswith("Step 0 ")
    assert picture(page) != followed

    # Another step is looked at: its picture follows.
    before = page.input_value("[aria-label='number input for Guidance scale']")
    page.fill("[aria-label='number input for Guidance scale']", "9")
    wait_for_line(page, "guidance 9 ")
    page.wait_for_selector(SETTLED)
    assert page.inner_text(".step").startswith("Step 0 ")
    assert [asked["at"] for asked in page.asked] == [None, 0]

    page.fill("[aria-label='number input for Guidance scale']", before)
    wait_for_line(page, f"guidance {before} ")
    page.wait_for_selector(SETTLED)
    page.focus(".scrubber")
    page.keyboard.press("End")
    assert picture(page) == followed
    generate(page)
    page.wait_for_selector(SETTLED)
    assert picture(page) == followed

    # A mistake is named, and the picture stays.
    page.fill("#prompt input", "a bold sevn ")
    page.wait_for_selector("#prompt-notes:has-text('“sevn” is not known.')")
    page.fill("#prompt input", "five")
    page.fill("[aria-label='number input for Steps']", "1000")
    page.wait_for_selector("text=Steps must be a whole number from 1 to 100, not 1000.")
    assert picture(page) == followed
    assert {asked["values"][PROMPT] for asked in page.asked} == {"five"}


def test_only_the_newest_change_is_drawn(live_page):
    page = live_page()
    held = []
    page.route(CALLS, lambda route: held.append(route) if not held else route.continue_())
    press(page, "1")
    page.wait_for_function("document.querySelector('#label label.selected').innerText === '1'")
    while not held:
        page.evaluate("new Promise(requestAnimationFrame)")
    for label in "23456":
        press(page, label)
    page.wait_for_function("document.querySelector('#prompt input').value === 'six'")
    held[0].continue_()
    wait_for_line(page, "label 6 ")
    page.wait_for_selector(SETTLED)
    assert [asked["values"][PROMPT] for asked in page.asked] == ["one", "six"]

    # A change during a run is drawn after it.
    page.fill("[aria-label='number input for Steps']", "40")
    wait_for_line(page, "40 steps")
    page.wait_for_selector(SETTLED)
    page.evaluate("""() => {
      const player = document.querySelector("#stage .player");
      window.states = [];
      new MutationObserver(() => {
        states.push(player.dataset.state);
        if (player.dataset.state === "running" && states.length === 2)
          document.querySelector("#label label:nth-child(10) input").click();
      }).observe(player, {attributeFilter: ["data-state"]});
    }""")
    page.click("#generate")
    wait_for_line(page, "label 9 ")
    page.wait_for_selector(SETTLED)
    assert page.evaluate("states").index("done") == 2  # the run was shown to its end


def test_it_can_be_switched_off_for_the_visit(live_page):
    page = live_page()
    page.click(".live")
    press(page, "5")
    page.wait_for_function("document.querySelector('#prompt input').value === 'five'")
    page.reload()
    page.wait_for_selector("body[data-ready]")
    assert not page.is_checked(".live input")
    press(page, "2")
    page.wait_for_function("document.querySelector('#prompt input').value === 'two'")
    generate(page)
    assert page.asked == []
    page.click(".live")
    press(page, "8")
    wait_for_line(page, "label 8 ")
    page.wait_for_selector(SETTLED)
    assert len(page.asked) == 1
