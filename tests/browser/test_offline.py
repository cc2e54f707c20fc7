"""The static page kept by its service worker: on several hosts, and when there is a new version."""

import shutil

import pytest

from .actions import generate
from .hosting import Handler, hosting

UPDATE = """async () => {
  const registration = await navigator.serviceWorker.getRegistration();
  await registration.update();
  while (!registration.waiting) await new Promise((resolve) => setTimeout(resolve, 10));
}"""
KEPT = "caches.open('files').then((cache) => cache.keys()).then((keys) => keys.length)"
# As an older version of the page kept index.html on a host that redirects it.
KEEP_REDIRECTED = """async () => {
  const cache = await caches.open("files");
  const [old] = (await cache.keys()).filter(({ url }) => url.includes("index.html?sha256="));
  await cache.put(old, await fetch("model/index.html"));
  const kept = await cache.match(old);
  for (const one of await navigator.serviceWorker.getRegistrations()) await one.unregister();
  return kept.redirected;
}"""
LAST_CLASS = "JSON.parse(document.querySelector('#about').textContent).class_names.at(-1)"
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


def test_a_host_that_redirects_the_page_serves_it_again_and_again(context, export, weights):
    asked = []
    context.on("request", lambda request: asked.append(request.url))
    with hosting(export(weights), Redirecting) as address:
        visit(context, address).close()
        page = visit(context, address)
        assert page.evaluate(KEEP_REDIRECTED)  # what such a visitor holds is mended
        page.close()
        visit(context, address).close()
        visit(context, address).close()
    visit(context, address)  # there is no server any more
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)


def test_a_new_version_is_taken_when_the_old_one_is_closed(
    context, export, weights, other_weights, tmp_path
):
    folder = shutil.copytree(export(weights), tmp_path / "sites" / "mine")  # some path on a host
    with hosting(tmp_path / "sites") as host:
        address = f"{host}mine/"
        first = visit(context, address)
        shutil.rmtree(folder)
        shutil.copytree(export(other_weights), folder)
        first.evaluate(UPDATE)
        again = visit(context, address)
        assert again.evaluate(LAST_CLASS) == "9"  # as long as a page of the old one is open
        first.close()
        again.close()
    newer = visit(context, address)  # there is no server any more
    assert newer.evaluate(LAST_CLASS) == "star"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert newer.evaluate(KEPT) == len(files) - 3  # all but sw.js, README.md and .nojekyll


def test_where_nothing_can_be_kept_the_page_says_nothing_of_it(context, export, weights, tmp_path):
    folder = shutil.copytree(export(weights), tmp_path / "site")
    (folder / "licenses.txt").unlink()
    with hosting(folder) as address:
        page = context.new_page()
        page.goto(address)
        page.wait_for_selector("text=Ready. The model runs in this browser.")
        generate(page)
        assert page.locator(READY).count() == 0
