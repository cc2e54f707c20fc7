"""A real Chromium on the real pages: Gradio's, served as a Space serves it, and the static one."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from functools import cache

import pytest
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import sync_playwright

from demo.static_page import node_modules
from hosting.browser import launch
from ldm_core import LatentDiffusion, UserError
from ldm_core.export.__main__ import main

from ..conftest import ROOT, save, small_parts
from .hosting import hosting

START_S = 120
PAGES = ["gradio", "static"]


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
def packages():
    """A node_modules folder with the npm packages of the page and of its tests."""
    try:
        with node_modules() as folder:
            yield folder
    except UserError as error:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(error))


# Weights


@pytest.fixture(scope="session")
def other_weights(tmp_path_factory):
    """Weights of another small model."""
    folder = tmp_path_factory.mktemp("other")
    save(folder, LatentDiffusion(small_parts(("circle", "star"))))
    return folder


# Both pages


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of Gradio's page, run with the weights of this repository."""
    with serving(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture(scope="session")
def word_server(weights, tmp_path_factory):
    """The address of Gradio's page of a model that knows words."""
    with serving(tmp_path_factory.mktemp("server"), "--weights", weights) as url:
        yield url


@pytest.fixture(scope="session")
def export(packages, tmp_path_factory):
    """export(weights): the folder of a static page with them, which must stay as it is."""

    @cache
    def export(weights):
        folder = tmp_path_factory.mktemp("site")
        line = ["--format", "web", "--weights", weights, "--out", folder, "--runtime", packages]
        assert main(map(str, line)) == 0
        return folder

    return export


@pytest.fixture(scope="session")
def site(export):
    """The folder of a static page with the weights of this repository."""
    return export(ROOT / "weights")


@pytest.fixture(scope="session")
def small_site(export, weights):
    """The same with small networks and random weights."""
    return export(weights)


@pytest.fixture(scope="session")
def taught_site(export, taught_weights):
    """The same with a student."""
    return export(taught_weights)


@pytest.fixture(scope="session")
def word_site(small_site, tmp_path_factory):
    """The address of a static page of a model that knows words, under some path of its host."""
    host = tmp_path_factory.mktemp("host")
    (host / "some").mkdir()
    (host / "some" / "path").symlink_to(small_site)
    with hosting(host) as url:
        yield f"{url}some/path/"


@pytest.fixture(params=PAGES)
def address(request):
    """The address of either page, of a small model that knows words."""
    return request.getfixturevalue({"gradio": "word_server", "static": "word_site"}[request.param])


@pytest.fixture
def open_page(browser, address):
    """open_page(query="", **context) opens either page. At the end, no page may have an error."""
    with pages(browser, address) as open_page:
        yield open_page


@contextmanager
def pages(browser, address):
    contexts, reported = [], []

    def open_page(query="", width=1280, height=800, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        # Of the context: a page hears nothing of its service worker.
        context.on("request", lambda r: _is_outside(r.url, address) and reported.append(r.url))
        page = context.new_page()
        page.set_default_timeout(60_000)  # a slow machine is no failure
        page.on("console", lambda m: _is_fault(m) and reported.append(m.text))
        page.on("pageerror", lambda error: reported.append(str(error)))
        page.goto(address + query)
        page.wait_for_selector("body[data-ready] .player[data-state] .x_t[src]", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not reported


def _is_fault(message) -> bool:
    is_refusal = "status of 422" in message.text  # which the page tells people
    return message.type in ("error", "warning") and not is_refusal


def _is_outside(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:"))


class Server:
    """Gradio's page in a process of its own, which can be killed and started again. It starts as on
    a Space: from another folder, with the address in the environment."""

    def __init__(self, folder, *line):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
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
        ends_at = time.monotonic() + START_S
        while time.monotonic() < ends_at and self.process.poll() is None:
            try:
                return urllib.request.urlopen(self.url, timeout=5).close()
            except OSError:
                time.sleep(0.2)
        self.stop()
        return pytest.fail(f"the page did not come up:\n{log.read_text()}")

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
