"""The static page in headless Chromium, beside its budget: transfer, loading and drawing, on one
core and on all of them."""

import contextlib
import gzip
import io
import os
import statistics
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from hosting.browser import launch
from ldm_core.export.__main__ import main as export

from .measure import Table

WAIT_MS = 120_000
LOADED, KEPT = "text=The model runs in this browser.", "text=Works offline from now on."
DONE, DRAWING = ".player[data-state=done]", ".player:not([data-state=done])"
# Another engine, on a page that begins nothing.
LOAD = """async () => {
  const { WorkerEngine } = await import("/engine/worker_engine.js");
  const html = await (await fetch("/")).text();
  const page = new DOMParser().parseFromString(html, "text/html");
  const about = JSON.parse(page.querySelector("#about").textContent);
  window.engine = new WorkerEngine("/model/", about);
  await engine.load();
}"""
# Pictures of a seven; of each the ms after which its steps came, and the times that they reached.
DRAW = """async ({ count, steps, sampler }) => {
  const pictures = [];
  for (let seed = 0; seed < count; seed++) {
    const begin = performance.now(), came = [];
    for await (const { x_t, t } of engine.denoise({ label: "7", seed, steps, sampler }))
      if (x_t) came.push([performance.now() - begin, t]);
    pictures.push(came);
  }
  return pictures;
}"""
HAS_STUDENT = """async () => "student" in (await (await fetch("/model/model.json")).json()).files"""
# What the panels of the tab Inside ask of a run that was not made before: the ms of each panel.
INSIDE = """async (count) => {
  const picture = btoa(String.fromCharCode(...new Uint8Array(784).fill(255, 300, 500)));
  const latent = Array(256).fill(0.5), found = {};
  for (let seed = 1000; seed < 1000 + count; seed++) {
    const run = (part, off = []) => ({ request: { label: "7", seed: 10 * seed + part, off } });
    const panels = {
      Noise: [["noise", { ...run(0), picture }]],
      Guidance: [["score", { ...run(1), pass: 3, guidance: 5 }]],
      "U-Net": [["features", run(2)]],
      "U-Net without time": [["path", run(3, ["time"])], ["features", run(3, ["time"])]],
      Attention: [["attention", run(4)]],
      VAE: [["encode", { picture }], ["decode", { latent }]],
      "Samplers, each": [["path", run(5)]],
    };
    for (const [name, asks] of Object.entries(panels)) {
      const begin = performance.now();
      await Promise.all(asks.map((ask) => engine.inside(...ask)));
      (found[name] ??= []).push(performance.now() - begin);
    }
  }
  return found;
}"""
# Chromium tells of tasks over 50 ms only.
WATCH = """() => {
  window.long = [];
  const keep = (list) => long.push(...list.getEntries().map(({ duration }) => duration));
  new PerformanceObserver(keep).observe({ type: "longtask" });
}"""
GUIDED = 0.4, 0.7  # times at which guidance is applied
BUDGET = {
    "transfer until the model is ready": "11 MB",
    "first picture after loading, on one core": "3 s",
    "guided step, with its two pictures": "20 ms",
    "12-step picture": "0.4 s",
    "longest task of the page while it draws": "50 ms",
    "a panel of Inside, the slowest": "300 ms",
}
Pictures = list[list[tuple[float, float]]]


def measure(weights: Path, rounds: int) -> Table:
    """Print a table, for which the npm packages of the page are needed."""
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.redirect_stdout(io.StringIO()):
            status = export(["--format", "web", "--weights", str(weights), "--out", folder])
        if status:  # it has said why
            raise SystemExit(status)
        table = Table("static page in Chromium", BUDGET)
        with _hosting(folder) as (url, fetched):
            with _chromium(cores=1) as browser:
                first = _visit(browser, url, fetched, table)
                size = lambda paths: sum(_packed(Path(folder), path) for path in paths) / 1e6
                table.row("transfer until the model is ready", "MB", [size(first)])
                table.row("transfer until all works offline", "MB", [size(set(fetched))])
                _draw_on_one_core(browser, url, rounds, table)
            with _chromium(cores=None) as browser:
                _draw_on_all_cores(browser, url, rounds, table)
                _watch(browser, url, rounds, table)
    return table


def _visit(browser: Browser, url: str, fetched: list[str], table: Table) -> set[str]:
    """The page as a visitor has it, until all of it is kept. Returns the files that the model needs
    until it is ready: those of a page without a service worker, which fetches the others."""
    page = browser.new_page(service_workers="block")
    page.goto(url)
    page.wait_for_selector(LOADED, timeout=WAIT_MS)
    first = set(fetched)
    page.close()
    page = browser.new_page()
    page.goto(url)
    page.wait_for_selector(LOADED, timeout=WAIT_MS)
    table.row(
        "page opened and model ready, on one core", "s", [page.evaluate("performance.now()") / 1000]
    )
    page.wait_for_selector(KEPT, timeout=WAIT_MS)
    page.close()
    return first


def _draw_on_one_core(browser: Browser, url: str, rounds: int, table: Table) -> None:
    page = browser.new_page()
    page.goto(f"{url}model/model.json")
    page.evaluate(LOAD)
    table.row("first picture after loading, on one core", "s", _seconds(_draw(page, 1)))
    table.row("12-step picture, on one core", "s", _seconds(_draw(page, rounds)))
    if page.evaluate(HAS_STUDENT):
        for steps in (2, 1):
            _draw(page, 3, steps, "student")  # the first fetches it
            pictures = _draw(page, rounds, steps, "student")
            table.row(f"picture of the student, {steps}-step, on one core", "s", _seconds(pictures))
    page.close()


def _draw_on_all_cores(browser: Browser, url: str, rounds: int, table: Table) -> None:
    page = browser.new_page()
    page.goto(f"{url}model/model.json")
    page.evaluate(LOAD)
    _draw(page, 3)  # the first runs compile
    steps = _guided(_draw(page, rounds, 25))
    table.row("guided step, with its two pictures", "ms", steps)
    table.row("12-step picture", "s", _seconds(_draw(page, rounds)))
    page.evaluate(INSIDE, 2)
    panels = page.evaluate(INSIDE, rounds)
    for name, times in panels.items():
        table.row(f"Inside: {name}", "ms", times)
    table.row("a panel of Inside, the slowest", "ms", max(panels.values(), key=statistics.median))
    page.close()


def _watch(browser: Browser, url: str, rounds: int, table: Table) -> None:
    """The main thread of the page, while the player shows steps."""
    page = browser.new_page()
    page.goto(url)
    page.wait_for_selector(KEPT, timeout=WAIT_MS)
    page.evaluate(WATCH)
    for _ in range(rounds):
        page.click("#generate")
        page.wait_for_selector(DRAWING)
        page.wait_for_selector(DONE, timeout=WAIT_MS)
    table.row(
        "longest task of the page while it draws", "ms", [max(page.evaluate("long"), default=0)]
    )
    page.close()


def _draw(page: Page, count: int, steps: int = 12, sampler: str = "dpmpp_2m") -> Pictures:
    return page.evaluate(DRAW, {"count": count, "steps": steps, "sampler": sampler})


def _seconds(pictures: Pictures) -> list[float]:
    return [steps[-1][0] / 1000 for steps in pictures]


def _guided(pictures: Pictures) -> list[float]:
    """The ms of each guided step."""
    pairs = [pair for steps in pictures for pair in zip(steps, steps[1:])]
    return [came - before for (before, t), (came, _) in pairs if GUIDED[0] <= t <= GUIDED[1]]


def _packed(folder: Path, path: str) -> int:
    """Bytes of a file as hosts send it."""
    return len(gzip.compress((folder / (path or "index.html")).read_bytes()))


@contextlib.contextmanager
def _hosting(folder: str) -> Iterator[tuple[str, list[str]]]:
    """The address of a folder, and the paths of the files that were sent whole, in a list that
    grows."""
    sent = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code=0, size=0):
            if code == 200:
                sent.append(self.path[1:].partition("?")[0])

        def log_message(self, *arguments):
            pass

    make = partial(Handler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), make) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", sent
        server.shutdown()


@contextlib.contextmanager
def _chromium(cores: int | None) -> Iterator[Browser]:
    """A browser that has so many cores, on Linux."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cores])  # what it starts inherits them
    with sync_playwright() as playwright:
        browser = launch(playwright)
        try:
            yield browser
        finally:
            browser.close()
            os.sched_setaffinity(0, allowed)
