"""Runs: stopped, started twice, by two people, refused."""

import re

from .actions import choose_label, generate, set_steps, step, wait_for_state


def test_stop_stops_and_the_next_run_works(open_page):
    page = open_page()
    set_steps(page, 100)
    page.click("#generate")
    # Stop is pressed in the page, because a fast run is over before a press from here arrives.
    # The page shows the run before, of fewer steps, until the first step of this run arrives.
    page.evaluate("""() => new Promise((pressed) => {
      requestAnimationFrame(function look() {
        const match = /^Step (\\d+) of 100$/.exec(document.querySelector('.step').textContent);
        if (!match || Number(match[1]) < 5) return requestAnimationFrame(look);
        document.querySelector('#stop').click();
        pressed();
      });
    })""")
    wait_for_state(page, "stopped")
    steps = int(re.fullmatch(r"Stopped after (\d+) steps\. .*", page.inner_text(".status"))[1])
    assert 5 <= steps < 100
    page.focus(".scrubber")
    page.keyboard.press("End")
    assert step(page) == f"Step {steps} of 100"

    set_steps(page, 3)
    generate(page)
    assert step(page) == "Step 3 of 3"


def test_stop_at_once(open_page):
    page = open_page()
    set_steps(page, 100)
    page.click("#generate")
    page.click("#stop")
    wait_for_state(page, "stopped")
    set_steps(page, 2)
    generate(page)
    assert step(page) == "Step 2 of 2"


def test_a_second_press_starts_no_second_run(open_page):
    page = open_page()
    runs = []
    page.on("request", lambda r: "queue/join" in r.url and runs.append(r.post_data))
    set_steps(page, 20)
    # In the page, because the whole run could pass between two calls from here.
    page.evaluate("""() => {
      const press = () => document.querySelector("#generate").click();
      const player = document.querySelector(".player");
      window.pressedWhile = [];
      new MutationObserver(() => {
        const state = player.dataset.state;
        if (state !== "running" || pressedWhile.includes(state)) return;
        pressedWhile.push(state);
        press();
      }).observe(player, {attributeFilter: ["data-state"]});
      for (let i = 0; i < 3; i++) press();
    }""")
    wait_for_state(page, "done")
    assert page.evaluate("pressedWhile") == ["running"]
    assert len(runs) == 1


def test_two_people_at_once(open_page):
    pages = [open_page(), open_page()]
    for page, label in zip(pages, "25"):
        choose_label(page, label)
        page.click("#generate")
    for page, label in zip(pages, "25"):
        wait_for_state(page, "done")
        assert f"label {label} " in page.inner_text(".settings")


def test_what_is_wrong_is_said_and_the_page_goes_on(open_page):
    page = open_page()
    page.fill("#seed input", "")
    page.keyboard.press("Tab")
    page.click("#generate")
    wait_for_state(page, "failed")
    page.wait_for_selector("text=Seed must be a whole number from 0 to 4294967295, not empty.")
    page.click("#dice")
    page.wait_for_function("document.querySelector('#seed input').value !== ''")
    generate(page)
