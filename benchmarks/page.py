"""The page in headless Chromium, beside a plain Gradio page: python -m benchmarks.page.

The plain page streams the same steps to a gr.Image (`plain_page.py`). Both servers and the browser
share this machine.
"""

import argparse
import contextlib
import itertools
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Error, Page, sync_playwright

from hosting.browser import launch

ROOT = Path(__file__).resolve().parents[1]
START_S, WAIT_MS = 180, 120_000
STEPS = 25
DRAG_MS = 4000
LATENCY_MS = 150
BUDGET = {
    "Generate pressed, first frame": "150 ms",
    "key pressed, its picture": "150 ms",
    f"{STEPS}-step animation, shown": "0.6 s",
    "pictures a second while a slider is dragged": "8 or more",
    f"frames shown of {STEPS + 1}, at {LATENCY_MS} ms latency": "all",
    "cold load on top of an empty Gradio page": "450 KB",
}
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
PRESS = "(selector) => { begun = performance.now(); document.querySelector(selector).click(); }"
# Nothing has come for a while.
QUIET = "performance.now() - begun - (came.at(-1) ?? 0) > 500"
# A whole run is there, with its files.
SETTLED = "#stage .player[data-state=done]:not([data-glance]) .gif[href]"
LIVE = ".live"
SEEDS = itertools.count(1)
KEY = "#label label:nth-child({}) input"


Row = Callable[[str, str, dict[str, list[float]]], None]


@dataclass(frozen=True)
class Kind:
    """A page, and selectors. begun, ended: there after a press, and when a run is over."""

    url: str
    picture: str
    ready: str
    slider: str
    steps: str
    seed: str
    begun: str
    ended: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--rounds", type=int, default=20, help="presses of each kind (20)")
    args = parser.parse_args()
    measure(args.weights, args.rounds)


def measure(weights: Path, rounds: int) -> dict[str, dict[str, float]]:
    """Print a table, and return its values by the names of its rows and columns; none without a
    Chromium."""
    found: dict[str, dict[str, float]] = {}

    def row(name: str, unit: str, columns: dict[str, list[float]]) -> None:
        found[name] = {column: statistics.median(values) for column, values in columns.items()}
        cells = [_cell(columns.get(column), unit) for column in ("ours", "plain")]
        print("|", " | ".join([name, *cells, BUDGET.get(name, "")]), "|", flush=True)

    print("| page in Chromium: median (least to most) | ours | plain gr.Image | aim |")
    print("|---|---|---|---|")
    weights = weights.resolve()
    try:
        with (
            sync_playwright() as playwright,
            _serving("-m", "demo", "--weights", weights, "--port") as ours,
            _serving("-m", "benchmarks.plain_page", weights) as plain,
            _serving("-m", "benchmarks.plain_page") as empty,
        ):
            browser = launch(playwright)
            pages = {"ours": _ours(ours), "plain": _plain(plain)}
            _measure_presses(browser, pages, rounds, row)
            _measure_animations(browser, pages, rounds, row)
            _measure_drag(browser, pages, row)
            _measure_latency(browser, pages, row)
            sizes = [_transferred(browser, url, "body > *") for url in (ours, empty)]
            row("cold load on top of an empty Gradio page", "KB", {"ours": [sizes[0] - sizes[1]]})
            browser.close()
    except Error as error:
        print(f"| none: {error.message.splitlines()[0]} | | | |")
    return found


def _ours(url: str) -> Kind:
    return Kind(
        url,
        picture="#stage .x_t",
        ready="body[data-ready]",
        slider="#guidance_scale [type=range]",
        steps="[aria-label='number input for Steps']:visible",
        seed="#seed input",
        begun="#stage .player:not([data-state=waiting])",
        ended=SETTLED,
    )


def _plain(url: str) -> Kind:
    return Kind(
        url,
        picture="#picture img",
        ready="#generate",
        slider="[aria-label='range slider for Guidance scale']",
        steps="[aria-label='number input for Steps']",
        seed="[aria-label='Seed'], label:has-text('Seed') input",
        begun="body",
        ended="body[data-ended]",
    )


def _measure_presses(browser: Browser, pages: dict[str, Kind], rounds: int, row: Row) -> None:
    """Until the first picture after a press is on the page."""
    first: dict[str, list[float]] = {}
    for name, kind in pages.items():
        page = _opened(browser, kind)
        first[name] = [_run(page, kind)[0] for _ in range(rounds + 1)][1:]
        if name == "ours":
            page.click(LIVE)
            keys = [_press_key(page, kind, 2 + n % 2) for n in range(rounds)]
        page.close()
    row("Generate pressed, first frame", "ms", first)
    row("key pressed, its picture", "ms", {"ours": keys})


def _press_key(page: Page, kind: Kind, key: int) -> float:
    page.evaluate(RECORD, kind.picture)
    page.evaluate(PRESS, KEY.format(key))
    page.wait_for_function("came.length")
    page.wait_for_selector(kind.ended)
    return page.evaluate("came[0]")


def _run(page: Page, kind: Kind) -> list[float]:
    """Press Generate: the ms after which its pictures were on the page. Each run has a seed of its
    own, or the browser would have kept the plain page's pictures."""
    page.fill(kind.seed, str(next(SEEDS)))
    page.keyboard.press("Tab")
    page.evaluate("delete document.body.dataset.ended")
    page.evaluate(RECORD, kind.picture)
    page.evaluate(PRESS, "#generate")
    page.wait_for_selector(kind.begun)
    page.wait_for_selector(kind.ended)
    page.wait_for_function(QUIET)
    return page.evaluate("came")


def _measure_animations(browser: Browser, pages: dict[str, Kind], rounds: int, row: Row) -> None:
    times = {}
    for name, kind in pages.items():
        page = _opened(browser, kind)
        _set_steps(page, kind)
        times[name] = [_run(page, kind)[-1] / 1000 for _ in range(rounds + 1)][1:]
        page.close()
    row(f"{STEPS}-step animation, shown", "s", times)


def _measure_drag(browser: Browser, pages: dict[str, Kind], row: Row) -> None:
    """A mouse drags the slider to and fro."""
    rates = {}
    for name, kind in pages.items():
        page = _opened(browser, kind, live=True)
        slider = page.locator(kind.slider)
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.evaluate(RECORD, kind.picture)
        ends_at = time.monotonic() + DRAG_MS / 1000
        for n in itertools.count():
            if time.monotonic() > ends_at:
                break
            share = 0.3 + 0.4 * abs(n % 200 - 100) / 100
            page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
            page.wait_for_timeout(16)
        came = page.evaluate("came.length")
        page.mouse.up()
        rates[name] = [1000 * came / DRAG_MS]
        page.close()
    row("pictures a second while a slider is dragged", "", rates)


def _measure_latency(browser: Browser, pages: dict[str, Kind], row: Row) -> None:
    frames = {}
    for name, kind in pages.items():
        page = _opened(browser, kind)
        _set_steps(page, kind)
        _run(page, kind)
        session = page.context.new_cdp_session(page)
        slow = {"offline": False, "latency": LATENCY_MS}
        slow |= {"downloadThroughput": -1, "uploadThroughput": -1}
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", slow)
        frames[name] = [len(_run(page, kind)) for _ in range(3)]
        page.close()
    row(f"frames shown of {STEPS + 1}, at {LATENCY_MS} ms latency", "", frames)


def _opened(browser: Browser, kind: Kind, live: bool = False) -> Page:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(WAIT_MS)
    page.goto(kind.url)
    page.wait_for_selector(kind.ready)
    if kind.ended == SETTLED and not live:  # a run is what is measured
        page.click(LIVE)
    return page


def _set_steps(page: Page, kind: Kind) -> None:
    page.fill(kind.steps, str(STEPS))
    page.keyboard.press("Tab")


def _transferred(browser: Browser, url: str, ready: str) -> float:
    """KB that a page takes which nothing has been kept of."""
    page = browser.new_context().new_page()
    session = page.context.new_cdp_session(page)
    sizes = []
    session.on("Network.loadingFinished", lambda said: sizes.append(said["encodedDataLength"]))
    session.send("Network.enable")
    page.goto(url, wait_until="networkidle")
    page.wait_for_selector(ready, state="attached")
    page.context.close()
    return sum(sizes) / 1000


def _cell(values: list[float] | None, unit: str) -> str:
    if not values:
        return ""
    least, median, most = min(values), statistics.median(values), max(values)
    span = f" ({least:.3g} to {most:.3g})" if len(values) > 1 else ""
    return f"{median:.3g} {unit}".strip() + span


@contextlib.contextmanager
def _serving(*line: str | Path) -> Iterator[str]:
    """The address of a server that this command starts when a port is added to it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        environment = os.environ | {"GRADIO_TEMP_DIR": folder}
        command = [sys.executable, *map(str, line), str(port)]
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=nowhere)
        try:
            _wait_for(url, server)
            yield url
        finally:
            server.terminate()
            server.wait(20)


def _wait_for(url: str, server: subprocess.Popen) -> None:
    ends_at = time.monotonic() + START_S
    while time.monotonic() < ends_at and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"no page came up at {url}")


if __name__ == "__main__":
    main()
