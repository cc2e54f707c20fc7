"""The page within the page of another site."""

import functools
import http.server
import threading

import pytest


@pytest.fixture
def other_site(server, tmp_path):
    """The address of a page that has our page in a frame."""
    (tmp_path / "index.html").write_text(
        f'<!doctype html><iframe src="{server}" width="900" height="700"></iframe>'
    )
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{site.server_port}/"
        site.shutdown()


def test_in_a_frame_of_another_site_it_draws(server, other_site, browser):
    page = browser.new_page()
    page.goto(other_site)
    frame = page.frame_locator("iframe")
    frame.locator("body[data-ready]").wait_for()
    frame.locator("#generate").click()
    frame.locator(".player[data-state=done]").wait_for()
    frame.locator(".link").click()  # a frame may not write to the clipboard
    assert frame.locator(".address").input_value().startswith(f"{server}?")
    page.close()
