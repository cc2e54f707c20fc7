"""Whatever is sent to the page, it answers with a right result or a refusal in words.

CI tries CASES calls, always the same. By hand: `FUZZ_CASES=10000 python -m pytest -s
tests/demo/test_fuzz.py` tries more, and prints how each call was answered.
"""

import base64
import io
import json
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

from demo.api import AT_FAULT, take_model
from demo.models import Models
from demo.reproduce import checked, kind_of
from demo.run import Runner
from ldm_core import read_settings
from ldm_core.output.file_settings import FileSettings

from ..conftest import ROOT
from .conftest import launched
from .values import greys, with_words
from .wild import Call, calls

CASES = int(os.environ.get("FUZZ_CASES", 300))
AT_ONCE = 3  # calls, each of another visitor
HANGS_S = 30
LONG = 3000  # characters: no refusal is so long
SECRET = (AT_FAULT, "Traceback", "site-packages", str(ROOT), tempfile.gettempdir(), " object at 0x")


class Visitor:
    """Sends calls to a page, and judges the answers."""

    def __init__(self, url: str, models: Models):
        # The server closes what is idle for 5 s; a call at that very moment would be reset.
        limits = httpx.Limits(keepalive_expiry=2)
        self.models, self.http = models, httpx.Client(base_url=url, timeout=HANGS_S, limits=limits)
        self.answers: Counter[tuple[str, str]] = Counter()

    def send(self, call: Call) -> None:
        if call.body is None:
            answer = self.http.get(call.path)
        else:
            headers = {"Content-Type": "application/json"}
            answer = self.http.post(call.path, content=call.body, headers=headers)
        if answer.status_code == 200:
            kind = self.result(call, answer)
        else:
            kind = self.refusal(call, answer)
        self.answers[call.name, kind] += 1

    def refusal(self, call: Call, answer: httpx.Response) -> str:
        is_gradios = call.path.startswith("gradio_api")
        assert answer.status_code in ((400, 422, 503) if is_gradios else (422, 503))
        said = answer.json()
        if is_gradios:
            check_words(json.dumps(said["detail"]))
        else:
            assert said.keys() == {"error"} and said["error"].keys() == {"name", "message"}
            assert said["error"]["name"] in ("InputError", "UserError", "BusyError")
            check_words(said["error"]["message"])
        return f"refused, {answer.status_code}"

    def result(self, call: Call, answer: httpx.Response) -> str:
        if call.path.startswith("gradio_api"):
            return self.event(call, answer.json()["event_id"])
        name = call.name.removeprefix("engine/")
        asked = json.loads(call.body) if call.body and name != "models" else {}
        if name == "file":
            return self.file(asked, answer.content)
        if name in ("denoise", "grid", "morph"):
            events = answer.text.strip().split("\n\n")
            messages = [json.loads(e.removeprefix("data: ")) for e in events if e[0] != ":"]
            first, last = messages[0], messages[-1]
            if "error" in last:
                assert last["error"]["name"] == "NonFiniteError"
                check_words(last["error"]["message"])
                return "refused, in the stream"
            assert last["done"]
            pictures = [picture for m in messages[1:-1] for picture in m.get("pictures", [])]
            self.check_settings(name, asked, first["settings"])
            if name == "denoise":
                self.check_run(first["settings"], pictures)
            elif name == "grid":
                assert {cell for cells, *_ in pictures for cell in cells} == set(
                    range(len(first["cells"]))
                )
            else:
                assert len(last["images"]) == first["steps"] + 1
            return "drawn"
        said = answer.json()
        if name == "glance":
            self.check_settings("denoise", asked["request"], said["settings"])
            if said["pictures"][0][0] == said["steps"]:
                self.check_run(said["settings"], said["pictures"])
        elif name == "check":
            self.check_settings(asked["kind"], asked["request"], said["settings"])
        elif name == "look":
            assert all(len(base64.b64decode(said[n])) == 784 for n in ("digit", "back"))
        elif name == "inside":
            assert all(len(base64.b64decode(array["data"])) for array in said.values())
        elif name == "models":
            assert [model["name"] for model in said] == ["digits", "things"]
        else:
            assert call.body is None and said
        return "answered"

    def event(self, call: Call, event_id: str) -> str:
        """Wait for the answer of one of Gradio's endpoints."""
        answer = self.http.get(f"gradio_api/call{call.name}/{event_id}").text
        *_, kind, data = answer.strip().splitlines()
        said = json.loads(data.removeprefix("data: "))
        if kind == "event: error":
            check_words(said["error"])
            return "refused, gr.Error"
        assert kind == "event: complete"
        png, gif, found = said
        picture = Image.open(io.BytesIO(self.http.get(png["url"]).content))
        if call.name in ("/generate", "/draw"):
            self.check_picture(found, np.asarray(picture))
        else:
            assert min(picture.size) >= 28
        return "drawn"

    def file(self, asked: dict, content: bytes) -> str:
        """A file knows what made it."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            stored = read_settings(file.name)
        model = {"model": take_model(asked)}
        assert stored.pop("weights") == self.runner(model).weights
        if kind_of(asked["request"]) == "grid":
            self.check_settings("grid", asked["request"], stored["compare"] | model)
        else:
            FileSettings.from_dict(stored)
        return "drawn"

    def check_settings(self, kind: str, asked: dict, found: dict) -> None:
        """What was asked for is what was drawn, and is a request that means itself."""
        given = {name: value for name, value in found.items() if name != "model"}
        again = checked(self.runner(found).model, kind, given)
        again = again.to_dict() if kind == "grid" else again.settings()
        assert json.loads(json.dumps(again)) == given
        for name in ("steps", "seed", "guidance_scale"):
            if name in asked and name in found:
                assert not isinstance(asked[name], bool) and asked[name] == found[name]

    def check_run(self, found: dict, pictures: list) -> None:
        """The last of the pictures is that of the settings, and of nobody else's."""
        self.check_picture(found, greys(pictures[-1][3]))

    def check_picture(self, found: dict, picture: np.ndarray) -> None:
        """Runs that share a pass may round to the next grey."""
        assert np.abs(picture.astype(int) - self.drawn(found)).max() <= 1

    def drawn(self, found: dict) -> np.ndarray:
        runner = self.runner(found)
        given = {name: value for name, value in found.items() if name != "model"}
        return runner.preview(checked(runner.model, "denoise", given), None).x_t

    def runner(self, found: dict) -> Runner:
        return self.models.runner(found.get("model"))


def check_words(text: str) -> None:
    """People can read it, and it tells nothing of the server."""
    assert isinstance(text, str) and 10 <= len(text) <= LONG
    assert not [secret for secret in SECRET if secret in text]


@pytest.fixture(scope="module")
def visitor(small_model, tmp_path_factory):
    """Of a page with two models."""
    folder = tmp_path_factory.mktemp("models")
    for name in ("digits", "things"):
        (folder / name).mkdir()
        for file in ("vae", "unet"):
            (folder / name / f"{file}.safetensors").touch()
    of_name = {"digits": small_model, "things": with_words(("cat", "star"))}
    models = Models(folder, lambda path, name: Runner(of_name[name], name, path))
    with launched(models, tmp_path_factory.mktemp("files")) as page:
        visitor = Visitor(page.local_url, models)
        yield visitor
    for (call, kind), count in sorted(visitor.answers.items()):
        print(f"{call:16} {kind:24} {count:6}")


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
