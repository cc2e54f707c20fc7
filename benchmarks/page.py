"""The page in headless Chromium, on the same machine as its server: python -m benchmarks.page."""

import argparse
import contextlib
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

from hosting.browser import launch
from hosting.trial import free_port, wait_for

ROOT = Path(__file__).resolve().parents[1]
WAIT_MS = 120_000
STEPS = 25
DRAG_MS = 4000
LATENCY_MS = 150
FIRST, KEY = "Generate pressed, first frame", "key pressed, its picture"
ANIMATION, DRAGGED = f"{STEPS}-step animation, shown", "pictures a second while a slider is dragged"
SLOW = f"frames shown of {STEPS + 1}, at {LATENCY_MS} ms latency"
COLD = "cold load on top of an empty Gradio page"
BUDGET = {
    FIRST: "150 ms",
    KEY: "150 ms",
    ANIMATION: "0.6 s",
    DRAGGED: "8 or more",
    SLOW: "all",
    COLD: "450 KB",
}
EMPTY = """
import sys, gradio
with gradio.Blocks() as page:
    pass
page.launch(server_port=int(sys.argv[1]), quiet=True, ssr_mode=False)
"""
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
Row = Callable[[str, str, list[float]], None]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--rounds", type=int, default=20, help="presses of each kind (20)")
    args = parser.parse_args()
    measure(args.weights, args.rounds)


def measure(weights: Path, rounds: int) -> dict[str, float]:
    """Print a table, and return its medians by the names of its rows; none without a Chromium."""
    found = {}

    def row(name: str, unit: str, values: list[float]) -> None:
        found[name] = statistics.median(values)
        span = f"{min(values):.3g} to {max(values):.3g}" if len(values) > 1 else ""
        cells = [name, f"{found[name]:.3g} {unit}", span, BUDGET[name]]
        print("|", " | ".join(cells), "|", flush=True)

    print("| page in Chromium | median | least to most | aim |\n|---|---|---|---|")
    try:
        with (
            sync_playwright() as playwright,
            _serving("-m", "demo", "--weights", weights.resolve(), "--port") as url,
            _serving("-c", EMPTY) as empty,
        ):
            browser = launch(playwright)
            _measure_presses(_opened(browser, url), rounds, row)
            _measure_drag(_opened(browser, url), row)
            _measure_latency(_opened(browser, url), row)
            sizes = [_transferred(browser, address, "body > *") for address in (url, empty)]
            row(COLD, "KB", [sizes[0] - sizes[1]])
            browser.close()
    except Error as error:
        print(f"| none: {error.message.splitlines()[0]} | | | |")
    return found


def _measure_presses(page: Page, rounds: int, row: Row) -> None:
    row(FIRST, "ms", _runs(page, rounds, 0))
    row(KEY, "ms", [_press_key(page, 2 + n % 2) for n in range(rounds)])
    _set_steps(page)
    row(ANIMATION, "s", [ms / 1000 for ms in _runs(page, rounds, -1)])
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


def _measure_drag(page: Page, row: Row) -> None:
    """A slider moves by one step with each frame of the screen, faster than pictures are drawn."""
    page.evaluate(RECORD, PICTURE)
    page.evaluate(DRAG, [SLIDER, DRAG_MS])
    row(DRAGGED, "", [1000 * page.evaluate("came.length") / DRAG_MS])
    page.close()


def _measure_latency(page: Page, row: Row) -> None:
    page.uncheck(LIVE)
    _set_steps(page)
    _run(page)
    session = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": LATENCY_MS}
    slow |= {"downloadThroughput": -1, "uploadThroughput": -1}
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", slow)
    row(SLOW, "", [len(_run(page)) for _ in range(3)])
    page.close()


def _opened(browser: Browser, url: str) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WAIT_MS)
    page.goto(url)
    page.wait_for_selector(READY)
    return page


def _set_steps(page: Page) -> None:
    page.fill(NUMBER_OF_STEPS, str(STEPS))
    page.keyboard.press("Tab")


def _transferred(browser: Browser, url: str, ready: str) -> float:
    """KB that a page takes for a first visit."""
    page = browser.new_context().new_page()
    session = page.context.new_cdp_session(page)
    sizes = []
    session.on("Network.loadingFinished", lambda said: sizes.append(said["encodedDataLength"]))
    session.send("Network.enable")
    page.goto(url, wait_until="networkidle")
    page.wait_for_selector(ready, state="attached")
    page.context.close()
    return sum(sizes) / 1000


@contextlib.contextmanager
def _serving(*line: str | Path) -> Iterator[str]:
    """The address of a server that this command starts when a port is added to it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        environment = os.environ | {"GRADIO_TEMP_DIR": folder, "GRADIO_ANALYTICS_ENABLED": "False"}
        command = [sys.executable, *map(str, line), str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=nowhere)
        try:
            wait_for(url, server)
            yield url
        finally:
            server.terminate()
            server.wait(20)


if __name__ == "__main__":
    main()
