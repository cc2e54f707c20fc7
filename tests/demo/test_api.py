"""What the page calls: streams that end when they are closed, answers, refusals."""

import json
import time

import httpx
import pytest

from demo import api as page_api
from demo.about import example
from demo.api import Api
from demo.models import Models
from demo.request import Request
from demo.run import Runner
from ldm_core import LatentDiffusion, read_settings
from ldm_core.latent_diffusion import NonFiniteError

from .conftest import models_of
from .values import GOOD, greys, model_of


@pytest.fixture
def api(small_model, tmp_path):
    return Api(models_of(small_model), tmp_path)


@pytest.fixture
def address(api, serve):
    return serve(api)


def messages(address, name, body):
    """All that a stream says."""
    answer = httpx.post(f"{address}engine/{name}", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.strip().split("\n\n")
    return [json.loads(event.removeprefix("data: ")) for event in events if event != ":"]


def ask(address, name, body, status=200):
    answer = httpx.post(f"{address}engine/{name}", json=body, timeout=60)
    assert answer.status_code == status, answer.text
    return answer.json() if status == 200 else answer.json()["error"]


def test_a_run_is_streamed_step_by_step(address, runner):
    first, *steps, last = messages(address, "denoise", GOOD)
    assert (first["settings"], first["steps"], first["waiting"]) == (GOOD, 3, 0)
    assert last == {"done": True, "remark": ""}
    pictures = [picture for message in steps for picture in message["pictures"]]
    wanted = [step.to_list() for step in runner.steps(Request.check(runner.model, GOOD))]
    assert pictures == wanted  # each once, and nothing is said twice
    assert all(message.keys() == {"steps", "pictures"} for message in steps)


def test_several_steps_ride_in_one_message():
    message = lambda i: {"steps": 2, "pictures": [i]}
    merged = page_api._merged([message(0), message(1), {"done": True}, message(2)])
    assert merged == [{"steps": 2, "pictures": [0, 1]}, {"done": True}, message(2)]


def test_closing_a_stream_ends_its_run_within_a_step(api, address, monkeypatch):
    made = []
    steps = Runner.steps

    def slow(self, request):
        for step in steps(self, request):
            made.append(step.index)
            yield step
            time.sleep(0.1)

    monkeypatch.setattr(Runner, "steps", slow)
    body = GOOD | {"steps": 50}
    with httpx.stream("POST", f"{address}engine/denoise", json=body) as answer:
        for line in answer.iter_lines():
            if '"pictures"' in line:
                break
    ends_at = time.monotonic() + 20
    while api.lines.runs.inside and time.monotonic() < ends_at:
        time.sleep(0.01)
    assert not api.lines.runs.inside and len(made) <= 4


def test_a_full_line_is_busy_and_the_others_are_not(api, address):
    api.lines.grids.max_waiting = -api.lines.grids.at_once
    refused = ask(address, "grid", {"across": "seed", "across_values": [1]}, 503)
    assert refused["name"] == "BusyError" and refused["message"].startswith("The server is busy")
    assert messages(address, "denoise", GOOD)[-1]["done"]


def test_a_live_picture_is_one_step_of_the_run(address, runner):
    steps = list(runner.steps(Request.check(runner.model, GOOD)))
    for at, shown in ((None, 3), (1, 1), (99, 3), (0, 0)):
        found = ask(address, "glance", {"request": GOOD, "at": at})
        assert found["pictures"] == [steps[shown].to_list()]
        assert (found["settings"], found["steps"]) == (GOOD, 3)


@pytest.mark.parametrize("format", ["gif", "png"])
def test_a_file_is_made_when_it_is_asked_for_and_nothing_stays(address, tmp_path, format):
    body = {"request": GOOD, "format": format, "scale": 2}
    answer = httpx.post(f"{address}engine/file", json=body, timeout=60)
    assert answer.headers["content-type"] == f"image/{format}"
    name = answer.headers["content-disposition"].rpartition("'")[2]
    assert name == f"7-seed-5.{format}"
    (tmp_path / name).write_bytes(answer.content)
    assert read_settings(tmp_path / name).items() >= GOOD.items()
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("denoise", GOOD | {"steps": 101}, "Steps must be a whole number from 1 to 100"),
        ("denoise", [7], "A call must be a JSON object"),
        ("grid", {"across": "size"}, "What differs must be one of"),
        ("morph", {"morph": ["3:1"]}, "Points must be a list of 2 to 6 points"),
        ("glance", {}, "values by their names"),
        ("look", {"picture": 7}, "Picture must be text"),
        ("check", {"kind": "paint"}, "kind must be one of denoise, morph, grid"),
        ("file", {"request": GOOD, "format": "tiff"}, "format must be one of gif, png"),
        ("paint", {}, "There is no engine/paint, only denoise, grid, morph"),
        ("denoise", {"model": "other"}, "There is no model 'other' here"),
    ],
)
def test_what_is_refused_has_a_sentence(address, name, body, said):
    refused = ask(address, name, body, 422)
    assert refused["name"] == "InputError" and said in refused["message"]


def test_what_is_no_json_is_refused(address):
    for content in (b"\xff", b"[" * 100_000):
        answer = httpx.post(f"{address}engine/denoise", content=content)
        assert answer.status_code == 422
        assert "must be JSON" in answer.json()["error"]["message"]


def test_a_fault_of_the_program_is_told_without_its_details(address, monkeypatch, caplog):
    monkeypatch.setattr(Runner, "preview", lambda *_: 1 / 0)
    found = ask(address, "glance", {"request": GOOD}, 500)
    assert found == {"name": "ServerError", "message": page_api.AT_FAULT}
    monkeypatch.setattr(Runner, "steps", lambda *_: (1 / 0 for _ in [0]))
    *_, last = messages(address, "denoise", GOOD)
    assert last == {"error": found}
    assert "ZeroDivisionError" in caplog.text


def test_examples_are_drawn_once_and_are_pictures_of_requests(address, runner, monkeypatch):
    get = lambda name: httpx.get(f"{address}data/{name}.json", timeout=60).json()
    more = get("more")
    request = Request.check(runner.model, more["settings"])
    assert [seed for seed, _ in more["pictures"]] == list(range(7, 15))
    images = runner.images(request, list(range(7, 15)))
    assert all((greys(text) == one).all() for (_, text), one in zip(more["pictures"], images))
    grid, morph, drawn = get("compare"), get("morph"), get("draw")
    assert len(grid["pictures"]) == len(grid["cells"]) == 28
    assert len(morph["pictures"]) == morph["steps"] + 1 == 24
    assert drawn == {} or drawn["run"]["pictures"]
    assert (
        "<table" in get("training")["html"] or "There is no training.gif" in get("training")["html"]
    )
    monkeypatch.setattr(Runner, "images", lambda *_: pytest.fail("it is drawn again"))
    assert get("more") == more
    assert get("nothing")["error"]["message"].startswith("There is no 'nothing', only more")


def test_an_example_that_a_busy_server_gave_up_is_drawn_later(small_model, tmp_path, serve):
    models = models_of(small_model)
    models.first.deadline_s = -1
    address = serve(Api(models, tmp_path))
    said = httpx.get(f"{address}data/compare.json", timeout=60).json()
    assert "too busy" in said["error"]["message"]
    models.first.deadline_s = 60
    assert httpx.get(f"{address}data/compare.json", timeout=60).json()["pictures"]


def test_weights_that_draw_no_picture_have_no_example(runner, monkeypatch):
    def fail(*_):
        raise NonFiniteError("no numbers")

    monkeypatch.setattr(LatentDiffusion, "decode", fail)
    assert example("more", runner) == {}


def test_modules_are_served_as_modules(address):
    module = httpx.get(f"{address}web/gradio.js")
    assert "javascript" in module.headers["content-type"]
    assert module.headers["cache-control"] == "no-cache"
    again = httpx.get(module.url, headers={"If-None-Match": module.headers["etag"]})
    assert again.status_code == 304
    for path in ("web/../api.py", "web/%2e%2e/api.py", "web/"):
        assert httpx.get(f"{address}{path}").status_code == 404


def test_one_page_serves_several_models(small_model, tmp_path, serve):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for file in ("vae", "unet"):
            (tmp_path / name / f"{file}.safetensors").touch()
    of_name = {"a": small_model, "b": model_of("caf\udce9", "star")}
    models = Models(tmp_path, lambda folder, name: Runner(of_name[name], name, folder))
    address = serve(Api(models, tmp_path / "files"))
    assert ask(address, "models", {}) == [{"name": n, "problem": ""} for n in ("a", "b")]
    about = httpx.get(f"{address}about.json?model=b").json()
    assert (about["model"], about["class_names"]) == ("b", ["caf\udce9", "star"])
    first, *_ = messages(address, "denoise", {"label": "star", "steps": 1, "model": "b"})
    assert first["settings"]["label"] == "star" and first["settings"]["model"] == "b"
    grid = {"across": "seed", "across_values": [1], "fixed": first["settings"]}
    assert messages(address, "grid", grid)[-1]["done"]
    refused = ask(address, "denoise", {"label": "star", "steps": 1}, 422)
    assert "Label must be one of 0, 1" in refused["message"]
