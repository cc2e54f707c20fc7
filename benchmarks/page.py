"""The page in headless Chromium, on the same machine as its server."""

import itertools
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from hosting.browser import launch

from .measure import Table
from .server import PAGE, serving

WAIT_MS = 120_000
STEPS = 25
DRAG_MS = 4000
FIRST, KEY = "Generate pressed, first frame", "key pressed, its picture"
ANIMATION, DRAGGED = f"{STEPS}-step animation, shown", "pictures a second while a slider is dragged"
BUDGET = {FIRST: "150 ms", KEY: "150 ms", ANIMATION: "0.6 s", DRAGGED: "8 or more"}
# From now on: the times at which a picture has come, and is on the page.
RECORD = """(selector) => {
  window.came = [];
  window.begun = performance.now();
  window.recorder?.abort();
  window.recorder = new AbortController();
  const picture = () => document.querySelector(selector);
  let last = picture()?.src;
  document.addEventListener("load", ({ target }) => {
    if (target !== picture() || target.src === last) return;
    last = target.src;
    came.push(performance.now() - begun);
  }, { capture: true, signal: recorder.signal });
}"""
DRAG = """async ([selector, ms]) => {
  const slider = document.querySelector(selector);
  for (let n = 0; performance.now() - begun < ms; n++) {
    slider.value = (2 + Math.abs((n % 60) - 30) / 10).toFixed(1);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await new Promise(requestAnimationFrame);
  }
}"""
PRESS = "(selector) => { begun = performance.now(); document.querySelector(selector).click(); }"
# Nothing has come for a while.
QUIET = "performance.now() - begun - (came.at(-1) ?? 0) > 500"
READY, PICTURE = "body[data-ready]", ".stage .x_t"
# A run has begun; a whole run is there, with its files.
BEGUN = ".stage .player:not([data-state=waiting])"
SETTLED = ".stage .player[data-state=done]:not([data-glance])"
LIVE, SLIDER, SEED = ".live", "#guidance_scale [type=range]", "#seed input"
LABEL = "#label label:nth-child({}) input"
NUMBER_OF_STEPS = "[aria-label='number input for Steps']:visible"
SEEDS = itertools.count(1)


def measure(weights: Path, rounds: int) -> Table:
    """Print a table."""
    table = Table("page in Chromium", BUDGET)
    with sync_playwright() as playwright, serving(PAGE, "--weights", weights.resolve()) as ours:
        browser = launch(playwright)
        _measure_presses(_opened(browser, ours.url), rounds, table)
        _measure_drag(_opened(browser, ours.url), table)
        browser.close()
    return table


def _measure_presses(page: Page, rounds: int, table: Table) -> None:
    table.row(FIRST, "ms", _runs(page, rounds, 0))
    table.row(KEY, "ms", [_press_key(page, 2 + n % 2) for n in range(rounds)])
    page.fill(NUMBER_OF_STEPS, str(STEPS))
    page.keyboard.press("Tab")
    table.row(ANIMATION, "s", [ms / 1000 for ms in _runs(page, rounds, -1)])
    page.close()


def _runs(page: Page, rounds: int, which: int) -> list[float]:
    """The ms until the first or the last picture of each run; the first run is left out."""
    page.uncheck(LIVE)  # a run is what is measured
    found = [_run(page)[which] for _ in range(rounds + 1)][1:]
    page.check(LIVE)
    return found


def _run(page: Page) -> list[float]:
    """Press Generate, with another seed: the ms after which pictures were on the page."""
    page.fill(SEED, str(next(SEEDS)))
    page.keyboard.press("Tab")
    page.evaluate(RECORD, PICTURE)
    page.evaluate(PRESS, "#generate")
    page.wait_for_selector(BEGUN)
    page.wait_for_selector(SETTLED)
    page.wait_for_function(QUIET)
    return page.evaluate("came")


def _press_key(page: Page, key: int) -> float:
    page.evaluate(RECORD, PICTURE)
    page.evaluate(PRESS, LABEL.format(key))
    page.wait_for_function("came.length")
    page.wait_for_selector(SETTLED)
    return page.evaluate("came[0]")


def _measure_drag(page: Page, table: Table) -> None:
    """A slider moves by one step with each frame of the screen, faster than pictures are drawn."""
    page.evaluate(RECORD, PICTURE)
    page.evaluate(DRAG, [SLIDER, DRAG_MS])
    table.row(DRAGGED, "", [1000 * page.evaluate("came.length") / DRAG_MS])
    page.close()


def _opened(browser: Browser, url: str) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WAIT_MS)
    page.goto(url)
    page.wait_for_selector(READY)
    return page
