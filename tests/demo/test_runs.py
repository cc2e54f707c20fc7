"""A run: what the player is told, and which files there are in the end."""

import base64
import io

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from demo.endpoint import add_endpoint
from demo.requests import Request
from demo.runs import Runner, denoise
from ldm_core import LatentDiffusion, UserError, read_settings

from ..conftest import small_parts
from .values import GOOD, WithEta


@pytest.fixture
def request_(label_model):
    return Request.check(label_model, GOOD)


def test_steps_are_the_model_s_own(runner, request_):
    steps = list(runner.steps(request_))
    assert [step.index for step in steps] == [0, 1, 2, 3]
    assert steps[0].x_0 is None
    assert steps[0].noise_level == pytest.approx((1 - 0.01**2) ** 0.5)
    assert steps[-1].noise_level == 0
    levels = [step.noise_level for step in steps]
    assert levels == sorted(levels, reverse=True)
    options = {"guidance_scale": 1.5, "steps": 3, "sampler": "ddim"}
    generated = runner.model.generate([7], seeds=[5], **options)[0].numpy()
    assert (steps[-1].x_t == generated).all()


def test_messages_of_a_run(runner, request_):
    messages = list(runner.messages(request_))
    indices = [[picture["index"] for picture in m["pictures"]] for m in messages]
    assert indices == [[], [0], [0, 1], [0, 1, 2], [1, 2, 3], [0, 1, 2, 3]]
    assert len({message["run"] for message in messages}) == 1
    for message in messages:
        assert (message["steps"], message["settings"]) == (3, GOOD)
        assert (message["line"], message["name"]) == (request_.line(), "7-seed-5")
    assert ["gif" in message for message in messages] == [False] * 5 + [True]
    steps = list(runner.steps(request_))
    for step, picture in zip(steps, messages[-1]["pictures"], strict=True):
        assert picture["index"] == step.index
        assert (_pixels(picture["x_t"]) == step.x_t).all()
        assert step.x_0 is None or (_pixels(picture["x_0"]) == step.x_0).all()
    assert messages[-1]["pictures"][0]["x_0"] is None
    gif, png = (messages[-1][name]["path"] for name in ("gif", "png"))
    assert Image.open(gif).n_frames == 4
    assert (np.asarray(Image.open(png))[::16, ::16] == steps[-1].x_t).all()
    for path in (gif, png):
        assert read_settings(path).items() >= GOOD.items()


def test_a_message_says_what_the_views_show(runner, request_):
    *_, last = runner.messages(request_)
    model = runner.model
    latents = [step.x_t[0].numpy() for step in denoise(model, request_, runner.deadline_s)]
    steps = list(runner.steps(request_))
    assert len(last["pictures"]) == len(latents) == 4
    for picture, latent, before, step in zip(last["pictures"], latents, [None, *steps], steps):
        tiles = _pixels(picture["latent"])
        greys = np.clip(127.5 + 42.5 * latent, 0, 255)
        for channel, (y, x) in enumerate([(0, 0), (0, 8), (8, 0), (8, 8)]):
            assert np.abs(tiles[y : y + 8, x : x + 8] - greys[channel]).max() <= 0.5
        if step.index < 2:
            assert picture["moved"] is None
            continue
        difference = step.x_0.astype(float) - before.x_0
        assert picture["moved"] == pytest.approx((difference**2).mean() ** 0.5, abs=0.005)
    assert last["pictures"][-1]["moved"] > 0


def test_the_first_message_comes_before_any_work(runner, request_, monkeypatch):
    monkeypatch.setattr(LatentDiffusion, "denoise", lambda *_, **__: pytest.fail("it worked"))
    assert next(runner.messages(request_))["pictures"] == []


@pytest.fixture
def full_disk(runner, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("demo.runs.write_animation", fail)


def test_on_a_full_disk_the_picture_stays(runner, request_, full_disk, caplog):
    *_, last = runner.messages(request_)
    assert [picture["index"] for picture in last["pictures"]] == [0, 1, 2, 3]
    assert last["no_files"] == "The files could not be written. The server's log says why."
    assert "gif" not in last and "png" not in last
    assert "No space left on device" in caplog.text


def test_on_a_full_disk_http_says_so(runner, request_, full_disk):
    with gr.Blocks() as page:
        add_endpoint(runner)
    generate = next(fn for fn in page.fns.values() if fn.api_name == "generate")
    with pytest.raises(gr.Error, match="The files could not be written. The server's log says why"):
        generate.fn(*GOOD.values())


def test_the_example_is_a_whole_run(runner):
    example = runner.example()
    assert len(example["pictures"]) == example["steps"] + 1


def test_each_run_has_a_file_of_its_own(runner, request_):
    frames = [np.zeros((28, 28), np.uint8)]
    assert len({runner.save_gif(frames, request_) for _ in range(2)}) == 2


def test_png_holds_the_image_pixel_for_pixel(runner, request_):
    *_, last = runner.steps(request_)
    path = runner.save_png(last.x_t, request_)
    assert (np.asarray(Image.open(path)) == last.x_t).all()
    assert read_settings(path).items() >= GOOD.items()


def test_a_class_may_have_a_name_that_no_file_can_have(tmp_path):
    names = ("T-shirt/top", "five-pointed star", "..")
    runner = Runner(LatentDiffusion(small_parts(names)), tmp_path)
    for name, wanted in zip(names, ("T-shirt-top", "five-pointed-star", "-")):
        request = Request.check(runner.model, GOOD | {"label": name})
        path = runner.save_png(np.zeros((28, 28), np.uint8), request)
        assert path.parent == tmp_path
        assert path.name.startswith(f"{wanted}-seed-5-")
        assert read_settings(path)["label"] == name


def test_a_run_has_a_deadline(label_model, tmp_path, request_):
    steps = Runner(label_model, tmp_path, deadline_s=-1).steps(request_)
    assert next(steps).index == 0
    with pytest.raises(UserError, match="ended at step 1 of 3"):
        next(steps)


def test_a_new_value_reaches_the_run_and_its_files(runner):
    plain, noisier = (
        WithEta.check(runner.model, GOOD | {"eta": eta, "steps": 4}) for eta in (0, 1)
    )
    *_, message = runner.messages(noisier)
    assert message["settings"]["eta"] == 1 and message["line"].endswith("eta 1")
    assert read_settings(message["gif"]["path"])["eta"] == 1
    *_, last = runner.steps(plain)
    assert (last.x_t != _pixels(message["pictures"][-1]["x_t"])).any()


def _pixels(data_uri: str) -> np.ndarray:
    png = base64.b64decode(data_uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(png)))
