"""Gradio's endpoints, as scripts call them, and what the server remembers of its callers."""

import json
import os
import urllib.error
import urllib.request

import httpx
import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

from demo import app
from demo.request import LEFT_OUT, Request, start_of
from demo.run import Runner
from demo.serving import forget_calls
from ldm_core import read_settings

from .conftest import launched, models_of
from .values import GOOD


@pytest.fixture(scope="module")
def page(small_model, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "MAX_SESSIONS", 3)
        with launched(models_of(small_model), tmp_path_factory.mktemp("files")) as page:
            yield page


@pytest.fixture(scope="module")
def server(page):
    return page.local_url


@pytest.fixture(scope="module")
def client(server, tmp_path_factory):
    return Client(server, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


def image(path):
    return np.asarray(Image.open(path))


def test_generate_draws_what_the_page_draws(client, small_model):
    png, gif, settings = client.predict(api_name="/generate", **GOOD)
    assert settings == GOOD
    *_, last = Runner(small_model).steps(Request.check(small_model, GOOD))
    assert (image(png) == last.x_t).all()
    assert Image.open(gif).n_frames == 4
    for file in (png, gif):
        assert read_settings(file).items() >= settings.items()
    again = client.predict(api_name="/generate", **settings)
    assert (image(again[0]) == image(png)).all()


def call(server, path, body, kind="application/json"):
    """What plain HTTP is answered: an HTTP status and its JSON, or the last event and its data."""
    url = f"{server}gradio_api/call/"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    ask = urllib.request.Request(url + path, data, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(ask, timeout=60) as answer:
            event = json.load(answer)["event_id"]
    except urllib.error.HTTPError as refusal:
        return refusal.code, json.load(refusal)
    with urllib.request.urlopen(f"{url}generate/{event}", timeout=60) as answer:
        *_, name, data = answer.read().decode().split("\n\n")[-2].splitlines()
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@pytest.mark.parametrize(
    ("path", "body", "asked"),
    [
        ("generate", {"data": ["4", 1.5, 2]}, {"label": "4", "guidance_scale": 1.5, "steps": 2}),
        ("v2/generate", {"prompt": "bold one", "steps": 2}, {"prompt": "bold one", "steps": 2}),
    ],
)
def test_what_is_left_out_is_as_the_page_starts(server, small_model, path, body, asked):
    event, (png, gif, settings) = call(server, path, body)
    assert event == "complete"
    assert settings == Request.check(small_model, asked).settings()


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("generate", {"data": [*"123456789012"]}, "error", "/generate takes 11 values, not 12."),
        ("v2/generate", {"steps": 500}, "error", "Steps must be a whole number from 1 to 100"),
        ("v2/generate", {"lable": "7"}, 422, "There is no lable here, only label, guidance_scale"),
        ("v2/generate", [7], 422, "valid dictionary"),
        ("generate", {"data": "7"}, 422, "valid list"),
        ("v2/generate", {"label": {"path": "/etc/passwd"}}, "error", "A path names no picture"),
        ("paint", {"data": []}, 404, "There is no endpoint /paint, only /"),
    ],
)
def test_plain_http_is_refused_with_a_message(server, path, body, status, said):
    got, answer = call(server, path, body)
    assert got == status and said in json.dumps(answer)


@pytest.mark.parametrize("path", ["generate", "v2/generate"])
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("body", [b"label=7", b"", b"\xff", 100_000 * b"["])
def test_what_is_no_json_is_refused(server, path, kind, body):
    status, answer = call(server, path, body, kind)
    assert status in (400, 422) and answer["detail"]


@pytest.mark.parametrize(
    "path", ["gradio_api/call/v2/generate", "gradio_api/queue/join", "engine/denoise"]
)
def test_a_body_that_is_too_large_is_refused_in_words(server, path):
    in_parts = (bytes(5_000_000) for _ in range(4))
    for content in (bytes(20_000_000), in_parts):  # whose size is told before, or not
        headers = {"Content-Type": "application/json"}
        answer = httpx.post(server + path, content=content, headers=headers, timeout=30)
        assert answer.status_code == 413
        assert "A call has at most 3,000,000 bytes." in answer.text


def test_the_endpoint_takes_the_values_of_a_request(page, small_model):
    named = page.get_api_info()["named_endpoints"]
    assert named.keys() == {f"/{n}" for n in ("generate", "draw", "morph", "compare")}
    taken = {p["parameter_name"]: p["parameter_default"] for p in named["/generate"]["parameters"]}
    assert taken == start_of(small_model, "denoise") | LEFT_OUT
    assert list(taken)[:5] == ["label", "guidance_scale", "steps", "sampler", "seed"]


def test_pages_are_packed_and_streams_are_not(server):
    """A stream would wait until there is enough to pack."""
    packed = {"Accept-Encoding": "gzip"}
    for path in ("", "web/gradio.js", "about.json"):
        answer = httpx.get(server + path, headers=packed, timeout=60)
        assert answer.headers.get("content-encoding") == "gzip", path
    answer = httpx.post(f"{server}engine/denoise", json=GOOD, headers=packed, timeout=60)
    assert answer.headers.get("content-encoding") is None
    assert json.loads(answer.text.strip().split("\n\n")[-1][6:])["done"]


# What is remembered


def test_visitors_of_the_page_leave_nothing(page, server):
    before = len(page.app.state_holder.session_data), len(page._queue.pending_event_ids_session)
    for _ in range(5):
        assert httpx.get(server).status_code == 200
        httpx.post(f"{server}engine/denoise", json=GOOD, timeout=60).raise_for_status()
        httpx.post(f"{server}engine/glance", json={"request": GOOD}, timeout=60).raise_for_status()
    after = len(page.app.state_holder.session_data), len(page._queue.pending_event_ids_session)
    assert after == before
    assert not any(fn.fn and fn.api_visibility != "public" for fn in page.fns.values())


def test_no_statistics_are_made_of_calls(page, server):
    call(server, "v2/generate", {"steps": 1})
    assert page._queue.cached_event_analytics_summary == {"functions": {}}


def test_calls_of_scripts_are_forgotten(page, server):
    for _ in range(5):
        call(server, "v2/generate", {"steps": 1, "sampler": "ddim"})
    queue = page._queue
    finished = forget_calls(page, set())
    assert len(finished) >= 5 and queue.pending_event_ids_session.keys() >= finished
    forget_calls(page, finished)
    assert not queue.pending_event_ids_session.keys() & finished
    assert not queue.pending_messages_per_session.keys() & finished
    assert len(page.app.state_holder.session_data) <= 3
    call(server, "v2/generate", {"steps": 1, "sampler": "ddim"})


def test_a_result_that_nobody_has_fetched_yet_is_kept_for_a_look(page, server):
    url = f"{server}gradio_api/call/generate"
    event = httpx.post(url, json={"data": ["7", 1.5, 1, "ddim"]}).json()["event_id"]
    while event in page._queue.event_ids_to_events:
        pass
    forget_calls(page, set())
    assert "event: complete" in httpx.get(f"{url}/{event}", timeout=60).text


def test_removed_files_are_forgotten(page, client):
    client.predict(api_name="/generate", **GOOD)
    remembered = lambda: set().union(*page.temp_file_sets)
    (gone, *_) = [path for path in remembered() if path.endswith(".gif")]
    os.unlink(gone)
    forget_calls(page, set())
    assert gone not in remembered()
