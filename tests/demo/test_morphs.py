"""A morph: what may be asked, its messages, its files."""

import copy

import numpy as np
import pytest
from PIL import Image

from demo.morphs import MorphRequest, drawn, example, given_by_page, messages
from demo.runs import Runner
from ldm_core import InputError, LatentDiffusion, UserError, read_settings
from ldm_core.runtime.backends import make_backend

from .values import with_words

SETTINGS = {"frames": 3, "steps": 2, "guidance_scale": 1.5, "sampler": "ddim"}


@pytest.fixture(params=["labels", "words"])
def model(request, label_model):
    return label_model if request.param == "labels" else with_words()


@pytest.fixture
def runner(model, tmp_path):
    return Runner(model, tmp_path)


@pytest.fixture
def ask(model):
    def ask(*points, **given):
        return MorphRequest.check(model, {"morph": list(points)} | SETTINGS | given)

    return ask


@pytest.mark.parametrize("backend, greys", [("torch", 1), ("onnxruntime", 0)])
def test_a_point_is_the_picture_of_its_own_request(model, tmp_path, ask, backend, greys):
    """To the bit with ONNX Runtime; with PyTorch, a grey may round to the next one in a batch."""
    model = copy.copy(model)
    model.backend = make_backend(backend, model, model.device)
    runner, request = Runner(model, tmp_path), ask("3:1", "8:2", loop=False)
    *_, last = messages(runner, request)
    assert len(last["pictures"]) == request.count == last["steps"] + 1 == 4
    images = np.asarray(Image.open(last["png"]["path"]))
    options = {name: SETTINGS[name] for name in ("steps", "guidance_scale", "sampler")}
    for at, label, seed in ((0, 3, 1), (3, 8, 2)):
        alone = model.generate([label], seeds=[seed], **options)[0].numpy().astype(int)
        scale = images.shape[0] // 28
        strip = images[::scale, ::scale]
        gap = (strip.shape[1] - 4 * 28) // 3
        left = at * (28 + gap)
        assert np.abs(strip[:, left : left + 28] - alone).max() <= greys


def test_messages(runner, ask):
    request = ask("3:1", "8:2", loop=True)
    first, *between, last = messages(runner, request)
    assert first["pictures"] == [] and len(between) == 2
    assert {message["steps"] for message in (first, *between, last)} == {5}
    assert [picture["index"] for picture in last["pictures"]] == list(range(6))
    captions = [picture["caption"] for picture in last["pictures"]]
    assert captions[:2] == ["3:1", "3:1 → 8:2, 33%"] and captions[4] == "8:2 → 3:1, 33%"
    assert last["line"].startswith("3:1 → 8:2 → 3:1 · 3 frames · ")
    with Image.open(last["gif"]["path"]) as gif:
        assert gif.n_frames == 6
    assert read_settings(last["gif"]["path"])["morph"] == ["3:1", "8:2"]


def test_no_work_before_the_first_message(runner, ask, monkeypatch):
    request = ask("3:1", "8:2")
    monkeypatch.setattr(LatentDiffusion, "morph", lambda *_, **__: pytest.fail("it worked"))
    assert next(messages(runner, request))["pictures"] == []


def test_what_the_settings_say_makes_the_same_request(ask, model):
    request = ask("3:1", "8:2", "0:7")
    assert MorphRequest.check(model, request.settings()) == request


def test_a_run_that_takes_too_long_is_ended(model, tmp_path, ask):
    with pytest.raises(UserError, match="ended at step 0 of 2"):
        drawn(Runner(model, tmp_path, deadline_s=-1), ask("3:1", "8:2"))


def test_the_page_opens_with_a_morph(runner):
    message = example(runner)
    assert len(message["pictures"]) == message["steps"] + 1
    assert "gif" not in message


@pytest.mark.parametrize(
    ("points", "given", "said"),
    [
        (["3:1"], {}, "Points must be a list of 2 to 6 points, not 1"),
        (["3:1"] * 7, {}, "Points must be a list of 2 to 6 points, not 7"),
        (["3:1", "8"], {}, "Point 2 must be what to draw, a colon and a seed, as 3:7"),
        (["3:1", 8], {}, "Point 2 must be what to draw"),
        (["3:1", "dog:8"], {}, "Point 2.*dog"),
        (["3:1", "8:99999999999"], {}, "Seed 2 must be a whole number from 0 to"),
        (["3:1", "8:2"], {"frames": 25}, "In-between frames must be a whole number from 2 to 24"),
        (["3:1", "8:2"], {"loop": 1}, "Loop must be true or false, not int"),
    ],
)
def test_refusals(ask, points, given, said):
    with pytest.raises(InputError, match=said):
        ask(*points, **given)


def test_what_stands_on_the_page(model):
    request = given_by_page(model, [3, False, 1.5, 2, "3", 1, " ", 7, "8", 2, None, None])
    assert request.morph == ("3:1", "8:2")
    assert not request.loop
    with pytest.raises(InputError, match="Seed 2 must be a whole number"):
        given_by_page(model, [3, False, 1.5, 2, "3", 1, "8", None])
    with pytest.raises(InputError, match="a list of 2 to 6 points, not 1"):
        given_by_page(model, [3, False, 1.5, 2, "3", 1, "", 7])
