"""The static page kept by its service worker: on several hosts, and when there is a new version."""

import shutil

import pytest

from ldm_core import LatentDiffusion

from ..conftest import save, small_parts
from .actions import generate, open_tab, settings
from .hosting import Handler, hosting

UPDATE = """async () => {
  const registration = await navigator.serviceWorker.getRegistration();
  await registration.update();
  while (!registration.waiting) await new Promise((resolve) => setTimeout(resolve, 10));
}"""
KEPT = "caches.open('files').then((cache) => cache.keys()).then((keys) => keys.length)"
WEIGHTS = "JSON.parse(document.querySelector('#about').textContent).stored.weights"
READY = "text=Works offline from now on."


class Redirecting(Handler):
    """A host that redirects index.html to its folder."""

    def do_GET(self):
        if not self.path.endswith("/index.html"):
            return super().do_GET()
        self.send_response(301)
        self.send_header("Location", self.path.removesuffix("index.html"))
        self.end_headers()
        return None


@pytest.fixture
def context(browser):
    context = browser.new_context()
    yield context
    context.close()


def visit(context, address):
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector(READY)
    generate(page)
    return page


def test_a_host_that_redirects_the_page_serves_it_again_and_again(context, small_site):
    asked = []
    context.on("request", lambda request: asked.append(request.url))
    with hosting(small_site, Redirecting) as address:
        visit(context, address).close()
        visit(context, address).close()
    page = visit(context, f"{address}?label=4&steps=2")  # there is no server any more
    assert "label 4 " in settings(page)
    for tab in ("Compare", "Draw", "Morph", "Inside", "Train"):
        open_tab(page, tab)
    page.wait_for_selector(".training-page :is(h2, p)")
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)


@pytest.fixture
def other_site(export, tmp_path):
    """A static page of another small model."""
    save(tmp_path, LatentDiffusion(small_parts(("circle", "star"))))
    return export(tmp_path, "other_site")


def test_a_new_version_is_taken_when_the_old_one_is_closed(
    context, other_site, small_site, tmp_path
):
    folder = shutil.copytree(small_site, tmp_path / "sites" / "mine")  # some path on a host
    with hosting(tmp_path / "sites") as host:
        address = f"{host}mine/"
        first = visit(context, address)
        old = first.evaluate(WEIGHTS)
        shutil.rmtree(folder)
        shutil.copytree(other_site, folder)
        first.evaluate(UPDATE)
        again = visit(context, address)
        assert again.evaluate(WEIGHTS) == old  # as long as a page of the old one is open
        first.close()
        again.close()
    newer = visit(context, address)  # there is no server any more
    assert newer.evaluate(WEIGHTS) != old
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert newer.evaluate(KEPT) == len(files) - 3  # all but sw.js, README.md and .nojekyll


def test_where_nothing_can_be_kept_the_page_says_nothing_of_it(context, small_site, tmp_path):
    folder = shutil.copytree(small_site, tmp_path / "site")
    (folder / "licenses.txt").unlink()
    with hosting(folder) as address:
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("text=Ready. The model runs in this browser.")
        generate(page)
        assert page.locator(READY).count() == 0
