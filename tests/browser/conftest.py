"""A real Chromium on the real pages: Gradio's, served as a Space serves it, and the static one."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from contextlib import contextmanager

import pytest
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import sync_playwright

from demo.static_page import node_modules
from hosting.browser import launch
from hosting.trial import free_port, wait_for
from ldm_core import UserError
from ldm_core.export.__main__ import main

from ..conftest import ROOT
from .hosting import hosting

PAGES = ["gradio", "static"]
USUAL = {"color_scheme": "light", "reduced_motion": "no-preference"}
STILL = {"reduced_motion": "reduce"}


@pytest.fixture(scope="session")
def playwright():
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright):
    try:
        browser = launch(playwright)
    except BrowserError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no browser (python -m playwright install chromium): {error}")
    yield browser
    browser.close()


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """made_once(name, make): the folder that make(folder) has made, in any of the processes that
    run these tests; it must stay as it is."""
    is_one_of_several = "PYTEST_XDIST_WORKER" in os.environ
    above = tmp_path_factory.getbasetemp()
    above = above.parent if is_one_of_several else above

    def made_once(name, make):
        with (above / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (above / name).exists():
                make(above / name)
        return above / name

    return made_once


@pytest.fixture(scope="session")
def packages(made_once):
    """A node_modules folder with the npm packages of the page and of its tests."""

    def install(folder):
        with node_modules() as made:
            shutil.move(made, folder)

    try:
        return made_once("node_modules", install)
    except UserError as error:
        return (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


# Both pages


@pytest.fixture(scope="session")
def word_server(weights, tmp_path_factory):
    """The address of Gradio's page of a model that knows words."""
    with serving(tmp_path_factory.mktemp("server"), "--weights", weights) as url:
        yield url


@pytest.fixture(scope="session")
def export(packages, made_once):
    """export(weights, name): the folder of a static page with them."""

    def export(weights, name):
        def write(folder):
            line = ["--format", "web", "--weights", weights, "--runtime", packages, "--out", folder]
            assert main(map(str, line)) == 0

        return made_once(name, write)

    return export


@pytest.fixture(scope="session")
def site(export):
    """The folder of a static page with the weights of this repository."""
    return export(ROOT / "weights", "site")


@pytest.fixture(scope="session")
def small_site(export, weights):
    """The same with small networks and random weights."""
    return export(weights, "small_site")


@pytest.fixture(scope="session")
def taught_site(export, taught_weights):
    """The same with a student."""
    return export(taught_weights, "taught_site")


@pytest.fixture(scope="session")
def word_site(small_site, tmp_path_factory):
    """The address of a static page of a model that knows words, under some path of its host."""
    host = tmp_path_factory.mktemp("host")
    (host / "some").mkdir()
    (host / "some" / "path").symlink_to(small_site)
    with hosting(host) as url:
        yield f"{url}some/path/"


@pytest.fixture(scope="module", params=PAGES)
def address(request):
    """The address of either page, of a small model that knows words."""
    return request.getfixturevalue({"gradio": "word_server", "static": "word_site"}[request.param])


@pytest.fixture(scope="session")
def left_pages():
    """Pages that tests have left, by their address and device: another test goes on with them, as
    to make a page takes Chromium as long as to load ours. What ours remember is forgotten."""
    return defaultdict(list)


@pytest.fixture
def open_page(browser, address, left_pages):
    """open_page(query="", ...) opens either page, see `pages`."""
    with pages(browser, address, left_pages) as open_page:
        yield open_page


@contextmanager
def pages(browser, address, left=None):
    """open_page(query="", width, height, media, **device): media is what the visitor wants that is
    not USUAL, device what a context is made with. At the end, no page may have an error. left: see
    `left_pages`; without it, each page is a first visit."""
    opened = []

    def open_page(query="", width=1280, height=800, media=None, **device):
        idle = [] if left is None else left[json.dumps([address, device])]
        page = idle.pop() if idle else new_page(**device)
        opened.append((page, idle))
        page.faults.clear()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(**USUAL | (media or {}))
        page.goto(address + query)
        page.wait_for_selector("body[data-ready] .player[data-state] .x_t[src]", state="attached")
        return page

    def new_page(**device):
        page = browser.new_context(**device).new_page()
        page.faults = []
        page.set_default_timeout(60_000)  # a slow machine is no failure
        page.on("console", lambda m: _is_fault(m) and page.faults.append(m.text))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        # Of the context: a page hears nothing of its service worker.
        is_outside = lambda url: not url.startswith((address, "data:", "blob:"))
        page.context.on("request", lambda r: is_outside(r.url) and page.faults.append(r.url))
        return page

    yield open_page
    assert not [fault for page, _ in opened for fault in page.faults]
    for page, idle in opened:
        if left is None:
            page.context.close()
        else:
            page.evaluate("sessionStorage.clear()")
            page.mouse.move(0, 0)
            idle.append(page)


def _is_fault(message) -> bool:
    expected = (
        "status of 422",  # a refusal, which the page tells people
        "blocked by Playwright",  # a service worker, by the test itself
    )
    is_expected = any(text in message.text for text in expected)
    return message.type in ("error", "warning") and not is_expected


class Server:
    """Gradio's page in a process of its own, which can be killed and started again. It starts as on
    a Space: from another folder, with the address in the environment."""

    def __init__(self, folder, *line):
        port = free_port()
        self.folder, self.line, self.url = folder, line, f"http://127.0.0.1:{port}/"
        own = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
        self.environment = os.environ | own | {"GRADIO_TEMP_DIR": str(folder)}
        self.start()

    def start(self):
        log = self.folder / "log"
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "demo" / "app.py", *self.line],
            cwd=self.folder,
            env=self.environment,
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(self.url, self.process)
        except UserError as error:
            self.stop()
            pytest.fail(f"{error}\n{log.read_text()}")

    def stop(self):
        self.process.kill()
        self.process.wait()


@contextmanager
def serving(folder, *line):
    server = Server(folder, *line)
    try:
        yield server.url
    finally:
        server.stop()
