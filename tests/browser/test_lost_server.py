"""The server goes away while the page is open, or what is between ends a stream: the page says so,
keeps what is shown and what was set, and works again."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from ..conftest import ROOT
from .actions import (
    be_still,
    choose_label,
    generate,
    open_tab,
    set_steps,
    settings,
    step,
    wait_for_state,
)
from .conftest import wait_for_server

LOST = "The server does not answer. Generate tries again."
BACK = "The server is back. Press Generate."
BROKEN = "The connection broke. Generate starts the run again."


class Server:
    """The page in a process of its own, which can be killed and started again."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.url, self.process = f"http://127.0.0.1:{self.port}/", None

    def start(self):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "demo", "--port", str(self.port)],
            cwd=ROOT,
            env=os.environ | {"GRADIO_TEMP_DIR": str(self.folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for_server(self.url, self.process)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("own"))
    server.start()
    yield server
    server.kill()


class Proxy:
    """Between browser and server; it may end all streams, in the way in which a server ends one."""

    def __init__(self, port):
        self.port, self.streams, self.stopped = port, [], False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                browser, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=[browser], daemon=True).start()

    def serve(self, browser):
        """One request for each connection: the server closes it when it has answered."""
        with browser, socket.create_connection(("127.0.0.1", self.port)) as server:
            asked = browser.recv(1 << 20)
            head, _, body = asked.partition(b"\r\n\r\n")
            server.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
            upload = threading.Thread(target=self.pass_on, args=[browser, server], daemon=True)
            upload.start()
            self.pass_on(server, browser, stream=b"engine/denoise" in head)

    def pass_on(self, source, target, stream=False):
        """The answer to a stream is passed on in chunks, of which the last can be ours."""
        if stream:
            self.streams.append(source)
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            if stream:
                target.sendall(b"0\r\n\r\n")
        except OSError:
            return

    def end_streams(self):
        for stream in self.streams:
            with suppress(OSError):  # it has ended
                stream.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(own_server):
    proxy = Proxy(own_server.port)
    yield proxy
    proxy.listener.close()


@pytest.fixture
def visit(browser):
    """visit(url) opens the page, set to draw a 4 in 100 steps. Its errors are what is tested."""
    contexts = []

    def visit(url, **size):
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800} | size))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.goto(url)
        page.wait_for_selector("body[data-ready] .player[data-state=example] .x_t[src]")
        be_still(page)
        choose_label(page, "4")
        set_steps(page, 100)
        return page

    yield visit
    for context in contexts:
        context.close()


def freeze_at_step(page, number, server):
    """Start a run, and freeze the server in the midst of it. It runs for moments only, and then the
    page may catch up: left alone, a quick server is done before anybody looks."""
    server.freeze()
    page.click("#generate")
    while not (at := re.fullmatch(r"Step (\d+) of 100", step(page))) or int(at[1]) < number:
        server.thaw()
        time.sleep(0.03)
        server.freeze()
        page.wait_for_timeout(150)
    assert int(at[1]) < 100


def wait_for_status(page, text, seconds=20):
    page.wait_for_function(
        "text => document.querySelector('.status').textContent === text",
        arg=text,
        timeout=1000 * seconds,
    )


def wait_until_it_rests(page):
    """Until the player, which shows each step for a moment, shows the same one for 30 frames."""
    page.evaluate(
        """() => new Promise((rests) => {
          let last = null, frames = 0;
          requestAnimationFrame(function look() {
            const step = document.querySelector(".step").textContent;
            frames = step === last ? frames + 1 : 0;
            last = step;
            frames === 30 ? rests() : requestAnimationFrame(look);
          });
        })"""
    )


def check_all_steps_that_came_are_shown(page):
    wait_until_it_rests(page)
    shown = step(page)
    page.focus(".scrubber")
    page.keyboard.press("End")
    assert step(page) == shown and int(shown.split()[1]) >= 5


def check_nothing_is_lost(page):
    """What was set is as it was, and draws."""
    assert page.input_value("#steps [type=number]") == "100"
    assert page.is_visible("#label label.selected:has-text('4')")
    set_steps(page, 3)
    generate(page)
    assert step(page) == "Step 3 of 3"
    assert "label 4 " in settings(page)


def test_a_run_that_loses_its_server_keeps_its_steps(own_server, visit):
    page = visit(own_server.url)
    freeze_at_step(page, 5, own_server)
    own_server.kill()
    wait_for_status(page, LOST)
    wait_for_state(page, "failed")
    check_all_steps_that_came_are_shown(page)
    page.click("#generate")  # there is no server, still
    wait_for_status(page, LOST)
    wait_for_state(page, "failed")
    own_server.start()
    wait_for_status(page, BACK)
    check_nothing_is_lost(page)


def test_stop_ends_the_wait_for_a_server_that_is_gone(own_server, visit):
    page = visit(own_server.url)
    own_server.freeze()
    page.click("#generate")
    page.click("#stop")
    wait_for_state(page, "stopped")
    own_server.thaw()
    check_nothing_is_lost(page)


def test_compare_says_it_in_its_own_words(own_server, visit):
    page = visit(own_server.url)
    open_tab(page, "Compare")
    page.wait_for_selector(".grid canvas")
    own_server.kill()
    page.click("#compare-go")
    page.wait_for_selector(f".grid-status:has-text('{LOST.replace('Generate', 'Compare')}')")
    own_server.start()
    page.wait_for_selector(f".grid-status:has-text('{BACK.replace('Generate', 'Compare')}')")


def test_a_server_that_hangs_is_as_one_that_is_gone(own_server, visit):
    page = visit(own_server.url)
    freeze_at_step(page, 2, own_server)
    wait_for_status(page, LOST)
    page.click("#generate")
    wait_for_status(page, LOST)
    own_server.thaw()
    wait_for_status(page, BACK)
    check_nothing_is_lost(page)


def test_a_server_started_again_unnoticed_serves_the_page_that_is_open(own_server, visit):
    page = visit(own_server.url)
    generate(page)
    own_server.kill()
    own_server.start()
    check_nothing_is_lost(page)


def test_a_stream_that_a_proxy_ends_early_ends_the_run(own_server, proxy, visit):
    page = visit(proxy.url)
    freeze_at_step(page, 5, own_server)
    proxy.end_streams()
    own_server.thaw()
    wait_for_status(page, BROKEN)
    wait_for_state(page, "failed")
    check_all_steps_that_came_are_shown(page)
    check_nothing_is_lost(page)


def test_a_proxy_without_a_server_behind_it_is_no_server(own_server, visit):
    page = visit(own_server.url)
    answer = {"status": 502, "content_type": "text/html", "body": "<h1>Bad gateway</h1>"}
    page.route(re.compile("/(engine|gradio_api)/"), lambda route: route.fulfill(**answer))
    page.click("#generate")
    wait_for_status(page, LOST)
    page.unroute_all()
    wait_for_status(page, BACK)
    check_nothing_is_lost(page)
