"""The site kept by its service worker: without a server, and when there is a new version."""

import shutil

from ..hosting import hosting
from .conftest import load_engine
from .parity import DRAW

KEEP = "(base) => import(`${base}site/offline.js`).then(({ keep_offline }) => keep_offline())"
UPDATE = """async () => {
  const registration = await navigator.serviceWorker.getRegistration();
  await registration.update();
  while (!registration.waiting) await new Promise((resolve) => setTimeout(resolve, 10));
}"""
WORDS = "fetch(location).then((answer) => answer.json()).then(({ vocabulary }) => vocabulary)"
ASKED = [{"asked": 7, "seed": 7, "settings": {"steps": 2}}]


def test_the_second_visit_needs_no_server_and_a_new_version_is_taken(
    browser, small_site, label_site, tmp_path
):
    folder = shutil.copytree(small_site, tmp_path / "sites" / "mine")  # some path on a host
    context = browser.new_context()
    with hosting(tmp_path / "sites") as host:
        base = f"{host}mine/"
        first = load_engine(context, base)
        assert first.evaluate(KEEP, base) is True
        drawn = first.evaluate(DRAW, ASKED)
        first.close()
        shutil.rmtree(folder)
        again = load_engine(context, base)
        assert again.error is None
        assert again.evaluate(DRAW, ASKED) == drawn

        shutil.copytree(label_site, folder)
        again.evaluate(UPDATE)
        assert "rows" in again.evaluate(WORDS)  # as long as a page of the old one is open
        again.close()
    newer = context.new_page()
    newer.goto(f"{base}model/model.json")  # there is no server any more
    assert newer.evaluate(WORDS) is None
    kept = "caches.open('files').then((cache) => cache.keys()).then((keys) => keys.length)"
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert newer.evaluate(kept) == len(files) - 3  # all but sw.js, README.md and .nojekyll
    context.close()


def test_where_nothing_can_be_kept_the_page_is_told(browser, small_site, tmp_path):
    folder = shutil.copytree(small_site, tmp_path / "site")
    (folder / "prompt.js").unlink()
    context = browser.new_context()
    with hosting(folder) as base:
        page = context.new_page()
        page.goto(f"{base}model/model.json")
        assert page.evaluate(KEEP, base) is False
    context.close()
