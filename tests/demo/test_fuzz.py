"""Whatever is sent to the page, it answers with a right result or a refusal in words.

CI tries CASES calls, always the same. By hand: `FUZZ_CASES=10000 python -m pytest -s
tests/demo/test_fuzz.py` tries more, and prints how each call was answered.
"""

import base64
import io
import json
import math
import os
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from demo.api import AT_FAULT
from demo.reproduce import checked
from demo.run import Runner

from ..conftest import ROOT
from .conftest import launched, models_of
from .values import greys

CASES = int(os.environ.get("FUZZ_CASES", 300))
AT_ONCE = 3  # calls, each of another visitor
LONG = 3000  # characters: no refusal is so long
SECRET = (AT_FAULT, "Traceback", "site-packages", str(ROOT), tempfile.gettempdir(), " object at 0x")

# Calls that are good

GREYS = base64.b64encode((bytes(28 * 8) + b"\xff" * 112).ljust(784, b"\0")).decode()
RUN = {"prompt": "a bold seven", "negative_prompt": "wide", "lean": 0.5, "off": ["time"]}
RUN |= {"steps": 2, "seed": 5, "guidance_scale": 3.5, "sampler": "heun"}
DRAWN = {"label": "7", "start_from": GREYS, "strength": 0.5, "mask": None, "steps": 2}
MORPH = {"morph": ["3:1", "thin 8:2"], "frames": 2, "loop": True, "steps": 1}
GRID = {"across": "seed", "across_values": [1, 2], "down": "eta", "down_values": "0, 0.5"}
GRID |= {"fixed": {"steps": 1, "sampler": "ddim"}}
GOOD = [
    *(("engine/denoise", RUN), ("engine/denoise", DRAWN)),
    *(("engine/morph", MORPH), ("engine/grid", GRID)),
    ("engine/glance", {"request": RUN, "at": 1}),
    ("engine/look", {"picture": GREYS}),
    ("engine/check", {"kind": "grid", "request": GRID}),
    ("engine/file", {"request": RUN, "format": "gif", "show": "both", "scale": 2}),
    ("engine/inside", {"what": "noise", "request": RUN, "picture": GREYS}),
    ("engine/inside", {"what": "decode", "latent": [0.5] * 256}),
    *(("engine/models", {}), ("engine/paint", {})),
    *(("gradio_api/call/v2/generate", RUN), ("gradio_api/call/v2/draw", DRAWN)),
    *(("gradio_api/call/v2/morph", MORPH), ("gradio_api/call/v2/compare", GRID)),
    ("gradio_api/call/generate", {"data": ["7", 1.5, 2]}),
]

# Any JSON

numbers = st.one_of(
    st.sampled_from([math.nan, math.inf, -1, -0.0, 5e-324, 1e308, 2**32, 2**53 + 1, 10**400]),
    st.floats() | st.integers(),
)
texts = st.one_of(
    st.sampled_from(["", " ", "\0", "7", "any", "seven", "3:7", "1,5, 3,5", "NaN", "9" * 5000]),
    st.sampled_from(["\ud800", "٣", "\u202e7", "é" * 300, "a\r\nb: c", "x" * 10_000, "7, " * 3000]),
    st.sampled_from(
        ["../../etc/passwd", "{{7*7}}", "<script>", "data:,", "data:image/png;base64,"]
    ),
    st.text(max_size=20),
)
of_gradio = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts, st.just(of_gradio)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
no_json = st.sampled_from([b"[" * 100_000, b'{"request":' * 700 + b"{}" + b"}" * 700, b"\xff"])


def broken(draw, body):
    """The same with one value replaced, added or taken away, maybe in a part of it."""
    name = draw(st.sampled_from([*body, "model", draw(texts)]))
    if isinstance(body.get(name), dict) and draw(st.booleans()):
        return body | {name: broken(draw, body[name])}
    if draw(st.integers(0, 5)) == 0:
        return {n: value for n, value in body.items() if n != name}
    return body | {name: draw(values)}


@st.composite
def calls(draw) -> tuple[str, bytes]:
    """The path and the body of a call that is good, wrong in something, or beyond repair."""
    path, body = draw(st.sampled_from(GOOD))
    how = draw(st.sampled_from(["good", "good", "broken", "broken", "broken", "wild", "no JSON"]))
    if how == "broken":
        body = broken(draw, body)
    elif how == "wild":
        body = draw(values)
    return path, draw(no_json) if how == "no JSON" else json.dumps(body).encode()


class Visitor:
    """Sends calls to a page, and judges the answers."""

    def __init__(self, url: str, runner: Runner):
        # The server closes what is idle for 5 s; a call at that very moment would be reset.
        limits = httpx.Limits(keepalive_expiry=2)
        self.runner, self.http = runner, httpx.Client(base_url=url, timeout=30, limits=limits)
        self.answers: Counter[tuple[str, str]] = Counter()

    def send(self, call: tuple[str, bytes]) -> None:
        path, content = call
        headers = {"Content-Type": "application/json"}
        answer = self.http.post(path, content=content, headers=headers)
        is_gradios = path.startswith("gradio_api")
        if answer.status_code != 200:
            assert answer.status_code in ((400, 422, 503) if is_gradios else (422, 503))
            said = answer.json()
            check_words(json.dumps(said["detail"]) if is_gradios else said["error"]["message"])
            kind = f"refused, {answer.status_code}"
        elif is_gradios:
            kind = self.event(path, answer.json()["event_id"])
        elif answer.headers["content-type"].startswith("text/event-stream"):
            kind = self.stream(path, json.loads(content), answer.text)
        else:
            assert answer.content
            kind = "answered"
        self.answers[path, kind] += 1

    def stream(self, path: str, asked: dict, text: str) -> str:
        events = text.strip().split("\n\n")
        first, *others, last = (
            json.loads(e.removeprefix("data: ")) for e in events if not e.startswith(":")
        )
        if "error" in last:
            assert last["error"]["name"] == "NonFiniteError"
            return "refused, in the stream"
        assert last["done"]
        if path == "engine/denoise":
            for name in first["settings"].keys() & asked.keys() & {"steps", "seed"}:
                assert asked[name] == first["settings"][name]
            pictures = [picture for message in others for picture in message.get("pictures", [])]
            self.check_picture(first["settings"], greys(pictures[-1][3]))
        return "drawn"

    def event(self, path: str, event_id: str) -> str:
        """Wait for the answer of one of Gradio's endpoints."""
        answer = self.http.get(f"{path.replace('v2/', '')}/{event_id}").text
        *_, kind, data = answer.strip().splitlines()
        said = json.loads(data.removeprefix("data: "))
        if kind == "event: error":
            check_words(said["error"])
            return "refused, gr.Error"
        assert kind == "event: complete"
        png, _, found = said
        picture = np.asarray(Image.open(io.BytesIO(self.http.get(png["url"]).content)))
        if path.endswith(("generate", "draw")):
            self.check_picture(found, picture)
        return "drawn"

    def check_picture(self, found: dict, picture: np.ndarray) -> None:
        """It is that of the settings; runs that share a pass may round to the next grey."""
        request = checked(self.runner.model, "denoise", found)
        assert json.loads(json.dumps(request.settings())) == found
        wanted = self.runner.preview(request, None).x_t
        assert np.abs(picture.astype(int) - wanted).max() <= 1


def check_words(text: str) -> None:
    """People can read it, and it tells nothing of the server."""
    assert isinstance(text, str) and 10 <= len(text) <= LONG
    assert not [secret for secret in SECRET if secret in text]


@pytest.fixture(scope="module")
def visitor(small_model, tmp_path_factory):
    with launched(models_of(small_model), tmp_path_factory.mktemp("files")) as page:
        visitor = Visitor(page.local_url, Runner(small_model))
        yield visitor
    for (path, kind), count in sorted(visitor.answers.items()):
        print(f"{path:28} {kind:24} {count:6}")


@settings(
    max_examples=CASES // AT_ONCE,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(at_once=st.lists(calls(), min_size=AT_ONCE, max_size=AT_ONCE))
def test_every_call_is_answered_rightly_or_refused_in_words(visitor, at_once):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(visitor.send, at_once))
