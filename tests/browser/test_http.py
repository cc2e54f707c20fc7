"""The HTTP endpoint, as scripts call it."""

import json
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest
from gradio_client import Client
from PIL import Image

from ldm_core import read_settings

from .actions import generate, pixels


@pytest.fixture(scope="module")
def client(server, tmp_path_factory):
    return Client(server, verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": 20.5}, "Steps must be a whole number"),
        ({"steps": True}, "Steps must be a whole number"),
        ({"steps": 101}, "from 1 to 100, not 101"),
        ({"guidance_scale": None}, "Guidance scale must be a number from 0 to 10, not empty"),
        ({"guidance_scale": "NaN"}, "Guidance scale must be a number"),
        ({"sampler": "magic"}, "Sampler must be one of"),
        ({"sampler": ["ddim"]}, "Sampler must be one of"),
        ({"label": "x" * 100_000}, "Label must be one of"),
        ({"seed": -1}, "Seed must be a whole number"),
    ],
)
def test_http_refuses_with_a_message(client, values, message):
    with pytest.raises(Exception, match=message):
        client.predict(api_name="/generate", **values)


def call(server, path, body, kind="application/json"):
    """What plain HTTP is answered: an HTTP status and its JSON, or the last event and its data."""
    url = f"{server}gradio_api/call/"
    head = {"Content-Type": kind}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    ask = urllib.request.Request(url + path, data, head)
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
        ("generate", {"data": []}, {}),
        ("generate", {"data": ["4"]}, {"label": "4"}),
        ("v2/generate", {}, {}),
        ("v2/generate", {"seed": 5, "steps": 2}, {"seed": 5, "steps": 2}),
    ],
)
def test_what_is_left_out_is_as_the_page_starts(server, open_real_page, path, body, asked):
    event, (png, gif, settings) = call(server, path, body)
    assert event == "complete"
    page = open_real_page("?" + urllib.parse.urlencode({"label": "7"} | asked))
    page.wait_for_selector(f"#label label.selected:has-text('{asked.get('label', 7)}')")
    if "seed" in asked:
        page.wait_for_function("document.querySelector('#seed input').value === '5'")
    generate(page)
    shown = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(page.url).query))
    assert shown == {name: str(value) for name, value in settings.items()}


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("generate", {"data": [*"12345678901"]}, "error", "/generate takes 10 values, not 11."),
        ("v2/generate", {"steps": 500}, "error", "Steps must be a whole number from 1 to 100"),
        ("v2/generate", {"lable": "7"}, 422, "does not know lable; it knows label, guidance_scale"),
        ("v2/generate", [7], 422, "valid dictionary"),
        ("generate", {"data": "7"}, 422, "valid list"),
        ("paint", {"data": []}, 404, "There is no endpoint /paint, only /"),
        ("v2/paint", {}, 404, "There is no endpoint /paint, only /"),
    ],
)
def test_plain_http_is_refused_with_a_message(server, path, body, status, said):
    got, answer = call(server, path, body)
    assert got == status and said in json.dumps(answer)


@pytest.mark.parametrize("path", ["generate", "v2/generate"])
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("body", [b"label=7", b"", b"\xff"])
def test_what_is_no_json_is_refused(server, path, kind, body):
    status, answer = call(server, path, body, kind)
    assert status in (400, 422) and answer["detail"]


def test_http_draws_what_the_page_draws(client, open_real_page):
    page = open_real_page()
    generate(page)
    png, gif, settings = client.predict(label="7", seed=6, api_name="/generate")
    assert (np.asarray(Image.open(png)) == pixels(page.get_attribute(".x_t", "src"))).all()
    assert Image.open(gif).n_frames == settings["steps"] + 1
    for file in (png, gif):
        assert read_settings(file).items() >= settings.items()
    again = client.predict(api_name="/generate", **settings)
    assert np.array_equal(np.asarray(Image.open(again[0])), np.asarray(Image.open(png)))


def test_pages_are_packed_and_streams_are_not(server):
    """A stream would wait until there is enough to pack."""

    def encoding(path):
        asked = urllib.request.Request(server + path, headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(asked) as answer:
            return answer.headers["Content-Encoding"]

    assert encoding("") == "gzip"
    assert encoding("gradio_api/heartbeat/somebody") is None
