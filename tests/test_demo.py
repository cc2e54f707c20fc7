"""The page's server side, without a browser: what is let in, and what comes out."""

import base64
import io
import math
import re
import socket

import gradio as gr
import numpy as np
import pytest
import torch
from PIL import Image

from demo import app, generation
from demo.generation import MAX_GUIDANCE_SCALE, MAX_STEPS, RequestError, check_link, check_request
from ldm_core import MAX_SEED, SAMPLERS, LatentDiffusion
from ldm_core.files.metadata import read_settings

DIGITS = tuple("0123456789")
GOOD = {"label": "7", "guidance_scale": 1.5, "steps": 3, "sampler": "ddim", "seed": 5}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return LatentDiffusion().eval().requires_grad_(False)


def check(**changes):
    return check_request(DIGITS, **GOOD | changes)


def test_good_request():
    request = check()
    assert request.label_index == 7
    assert request.to_dict() == GOOD


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "any"},
        {"guidance_scale": 0},
        {"guidance_scale": MAX_GUIDANCE_SCALE},
        {"steps": 1},
        {"steps": MAX_STEPS},
        {"seed": 0},
        {"seed": MAX_SEED},
        *({"sampler": name} for name in SAMPLERS),
    ],
)
def test_limits_are_allowed(changes):
    assert check(**changes).to_dict() == GOOD | changes


def test_whole_numbers_may_come_as_floats_and_labels_as_numbers():
    request = check(steps=20.0, seed=6.0, label=3)
    assert request.settings.steps == 20 and isinstance(request.settings.steps, int)
    assert request.seed == 6 and isinstance(request.seed, int)
    assert request.label == "3"


def test_any_is_unconditional():
    assert check(label="any").label_index is None


@pytest.mark.parametrize("name", list(GOOD))
@pytest.mark.parametrize(
    "value",
    [None, True, math.nan, math.inf, -math.inf, -1, 10**30, [], ["7"], {}, "", "x" * 10**6],
    ids=lambda value: repr(value)[:12],
)
def test_bad_values_are_refused_with_a_message(name, value):
    with pytest.raises(RequestError) as error:
        check(**{name: value})
    message = str(error.value)
    assert message.startswith(name.replace("_", " ").capitalize() + " must be ")
    assert ", not " in message and len(message) < 250


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 20.5}, "Steps must be a whole number from 1 to 100, not 20.5."),
        ({"steps": "20"}, "Steps must be a whole number from 1 to 100, not '20'."),
        ({"seed": None}, "Seed must be a whole number from 0 to 4294967295, not empty."),
        ({"guidance_scale": 11}, "Guidance scale must be a number from 0 to 10, not 11."),
        ({"label": "10"}, "Label must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, any, not '10'."),
    ],
)
def test_messages_say_what_was_wrong_and_what_is_allowed(changes, message):
    with pytest.raises(RequestError, match=re.escape(message)):
        check(**changes)


def test_a_link_may_hold_any_of_the_five_values():
    assert check_link(DIGITS, {}) is None
    assert check_link(DIGITS, {"__theme": "dark"}) is None
    request = check_link(DIGITS, {"label": "4", "steps": "20", "seed": str(MAX_SEED)})
    assert request.to_dict() == generation.default_values(DIGITS) | {
        "label": "4",
        "steps": 20,
        "seed": MAX_SEED,
    }


@pytest.mark.parametrize("query", [{"steps": "many"}, {"steps": "nan"}, {"sampler": "magic"}])
def test_a_bad_link_is_refused(query):
    with pytest.raises(RequestError):
        check_link(DIGITS, query)


def test_frames_are_the_model_s_own(model):
    frames = list(generation.denoise_frames(model, check()))
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert frames[0].x_0 is None
    assert frames[0].noise_level == pytest.approx((1 - 0.01**2) ** 0.5)
    assert frames[-1].noise_level == 0
    levels = [frame.noise_level for frame in frames]
    assert levels == sorted(levels, reverse=True)
    options = {"guidance_scale": 1.5, "steps": 3, "sampler": "ddim"}
    generated = model.generate([7], seeds=[5], **options)[0].numpy()
    assert (frames[-1].x_t == generated).all()


def test_progress_of_a_run(model, tmp_path):
    request = check()
    frames = list(generation.denoise_frames(model, request))
    told = list(generation.progress(iter(frames), request, tmp_path, "0" * 16))
    indices = [[frame["index"] for frame in run["frames"]] for run in told]
    assert indices == [[], [0], [0, 1], [0, 1, 2], [1, 2, 3], [0, 1, 2, 3]]
    assert len({run["run"] for run in told}) == 1
    assert all(run["settings"] == GOOD for run in told)
    assert ["gif" in run for run in told] == [False] * 5 + [True]
    for frame, shown in zip(frames, told[-1]["frames"], strict=True):
        assert shown["index"] == frame.index
        assert (_pixels(shown["x_t"]) == frame.x_t).all()
        assert frame.x_0 is None or (_pixels(shown["x_0"]) == frame.x_0).all()
    assert told[-1]["frames"][0]["x_0"] is None
    gif, png = (told[-1][name]["path"] for name in ("gif", "png"))
    assert Image.open(gif).n_frames == 4
    assert (np.asarray(Image.open(png))[::16, ::16] == frames[-1].x_t).all()
    for path in (gif, png):
        assert read_settings(path).items() >= GOOD.items()


def test_the_first_news_comes_before_any_work(model, tmp_path):
    frames = (1 / 0 for _ in range(1))
    assert next(generation.progress(frames, check(), tmp_path, ""))["frames"] == []


def test_the_page_starts_with_a_whole_run(model):
    example = generation.example(model)
    assert len(example["frames"]) == example["settings"]["steps"] + 1


def test_each_run_has_a_file_of_its_own(model, tmp_path):
    request = check(steps=1)
    frames = [frame.x_t for frame in generation.denoise_frames(model, request)]
    paths = {generation.save_gif(frames, request, tmp_path, "") for _ in range(2)}
    assert len(paths) == 2


def test_png_holds_the_image_pixel_for_pixel(model, tmp_path):
    *_, last = generation.denoise_frames(model, check())
    path = generation.save_png(last.x_t, check(), tmp_path, "")
    assert (np.asarray(Image.open(path)) == last.x_t).all()
    assert read_settings(path).items() >= GOOD.items()


def test_the_page_offers_the_classes_by_their_names():
    names = ("circle", "five-pointed star")
    with gr.Blocks():
        controls = app._controls(names)
    assert [value for _, value in controls.values[0].choices] == [*names, "any"]
    request = check_request(names, **GOOD | {"label": "five-pointed star"})
    assert request.label_index == 1
    with pytest.raises(RequestError, match="one of circle, five-pointed star, any, not '7'"):
        check_request(names, **GOOD)


def test_a_class_may_have_a_name_that_no_file_can_have(tmp_path):
    names = ("T-shirt/top", "five-pointed star", "..")
    for name, wanted in zip(names, ("T-shirt-top", "five-pointed-star", "-")):
        request = check_request(names, **GOOD | {"label": name})
        path = generation.save_png(np.zeros((28, 28), np.uint8), request, tmp_path, "")
        assert path.parent == tmp_path
        assert path.name.startswith(f"{wanted}-seed-5-")
        assert read_settings(path)["label"] == name


def test_a_run_has_a_deadline(model):
    frames = generation.denoise_frames(model, check(), deadline_s=-1)
    assert next(frames).index == 0
    with pytest.raises(RequestError, match="ended at step 1 of 3"):
        next(frames)


def test_missing_weights_end_with_what_to_do(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        app.main(["--weights", str(tmp_path)])
    assert "python train.py" in end.value.code


def test_a_taken_port_is_named(model, monkeypatch):
    monkeypatch.setattr(LatentDiffusion, "load", lambda *_, **__: model)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as end:
            app.main(["--host", "127.0.0.1", "--port", str(port)])
    assert f"127.0.0.1:{port}" in end.value.code and "--port" in end.value.code


@pytest.mark.parametrize("port", ["0", "65536", "x", "-1"])
def test_a_bad_port_is_refused(port, capsys):
    with pytest.raises(SystemExit):
        app.main(["--port", port])
    assert "1 to 65535" in capsys.readouterr().err


def _pixels(data_uri: str) -> np.ndarray:
    png = base64.b64decode(data_uri.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(png)))
