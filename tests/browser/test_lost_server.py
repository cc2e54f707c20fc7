"""The server goes away while the page is open, or what is between ends a stream: the page says so,
keeps what is shown and what was set, and works again."""

import re
import signal
import time

import pytest

from demo.web_files import WEB

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
from .conftest import Server

LOST = "The server does not answer. Generate tries again."
BACK = "The server is back. Press Generate."
BROKEN = "The connection broke. Generate starts the run again."


@pytest.fixture(scope="module")
def own_server(tmp_path_factory):
    """A server that may be stopped, frozen and started again; small weights would be too quick."""
    server = Server(tmp_path_factory.mktemp("own"))
    yield server
    server.stop()


def hurried(route):
    """The engine, which waits a third as long before it takes a server for lost."""
    code = (WEB / "engine" / "remote_engine.js").read_text(encoding="utf-8")
    code, count = re.subn(r"(?<=_MS = )\d+", lambda ms: str(int(ms[0]) // 3), code)
    assert count == 4
    route.fulfill(content_type="text/javascript", body=code)


@pytest.fixture
def visit(browser):
    """visit(url) opens the page, set to draw a 4 in 100 steps. Its errors are what is tested."""
    contexts = []

    def visit(url, **size):
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800} | size))
        page = contexts[-1].new_page()
        page.set_default_timeout(60_000)
        page.route("**/remote_engine.js", hurried)
        page.goto(url)
        page.wait_for_selector("body[data-ready] .player[data-state=example] .x_t[src]")
        be_still(page)
        choose_label(page, "4")
        set_steps(page, 100)
        return page

    yield visit
    for context in contexts:
        context.close()


def freeze(server):
    server.process.send_signal(signal.SIGSTOP)


def thaw(server):
    server.process.send_signal(signal.SIGCONT)


def freeze_at_step(page, number, server):
    """Start a run, and freeze the server in the midst of it. It runs for moments only, and then the
    page may catch up: left alone, a quick server is done before anybody looks."""
    freeze(server)
    page.click("#generate")
    while not (at := re.fullmatch(r"Step (\d+) of 100", step(page))) or int(at[1]) < number:
        thaw(server)
        time.sleep(0.03)
        freeze(server)
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
    own_server.stop()
    wait_for_status(page, LOST)
    wait_for_state(page, "failed")
    check_all_steps_that_came_are_shown(page)
    open_tab(page, "Compare")
    page.click("#compare-go")
    page.wait_for_selector(f".grid-status:has-text('{LOST.replace('Generate', 'Compare')}')")
    own_server.start()
    page.wait_for_selector(f".grid-status:has-text('{BACK.replace('Generate', 'Compare')}')")
    open_tab(page, "Watch")
    wait_for_status(page, BACK)
    check_nothing_is_lost(page)


def test_stop_ends_the_wait_for_a_server_that_is_gone(own_server, visit):
    page = visit(own_server.url)
    freeze(own_server)
    page.click("#generate")
    page.click("#stop")
    wait_for_state(page, "stopped")
    thaw(own_server)
    check_nothing_is_lost(page)


def test_a_server_that_hangs_is_as_one_that_is_gone(own_server, visit):
    page = visit(own_server.url)
    freeze_at_step(page, 2, own_server)
    wait_for_status(page, LOST)
    page.click("#generate")
    wait_for_status(page, LOST)
    thaw(own_server)
    wait_for_status(page, BACK)
    check_nothing_is_lost(page)


def test_a_stream_that_a_proxy_ends_early_ends_the_run(own_server, visit):
    page = visit(own_server.url)

    def half(route):
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.body()[: len(answer.body()) // 2])

    page.route("**/engine/denoise", half)
    page.click("#generate")
    wait_for_status(page, BROKEN)
    wait_for_state(page, "failed")
    check_all_steps_that_came_are_shown(page)
    page.unroute_all()
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
