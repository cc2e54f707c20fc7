"""Static sites that the export makes, served as any host would, with their engine in Chromium."""

from contextlib import contextmanager

import pytest

from hosting.browser import launch

# Loads the engine of the site that the page is on, and keeps it as `engine`. It stands here since
# what a page evaluates is no module, and so has no imports.
LOAD = """async (base) => {
  const { WorkerEngine } = await import(`${base}engine/worker_engine.js`);
  const html = await (await fetch(base)).text();
  const page = new DOMParser().parseFromString(html, "text/html");
  const about = JSON.parse(page.querySelector("#about").textContent);
  window.engine = new WorkerEngine(`${base}model/`, about);
  window.progress = [];
  try {
    await engine.load((at) => progress.push(at));
  } catch ({ name, message }) {
    return `${name}: ${message}`;
  }
}"""


@contextmanager
def engine_page(browser, base):
    """A page of its own with an engine, see `load_engine`."""
    context = browser.new_context()
    yield load_engine(context, base)
    context.close()


def load_engine(context, base):
    """A page on a site, with its `engine`; if that did not load, `page.error` says why."""
    page = context.new_page()
    page.set_default_timeout(60_000)  # a slow machine is no failure
    page.goto(f"{base}model/model.json")  # a page of the site that begins nothing of its own
    page.error = page.evaluate(LOAD, base)
    return page


@pytest.fixture
def browser_with(browser, playwright):
    """browser_with(flag): another Chromium, started with that flag."""
    started = []

    def browser_with(flag):
        started.append(launch(playwright, flag))
        return started[-1]

    yield browser_with
    for one in started:
        one.close()
