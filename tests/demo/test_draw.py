"""What may be asked beside a drawing, and what comes of it."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from demo.draw import EMPTY, look
from demo.reproduce import checked
from demo.run import Runner
from ldm_core import InputError
from ldm_core.files.drawings import digit_in
from ldm_core.output.file_settings import picture_text

from .values import greys


def drawing(side=336):
    """A seven, white on black, in a corner."""
    grey = np.zeros((side, side), np.uint8)
    grey[side // 8 : side // 6, side // 8 : side // 2] = 255
    grey[side // 8 : side // 2, side // 2 : side // 2 + side // 20] = 255
    return grey


def file_of(picture):
    """A picture as a file in a data URI."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def half_mask():
    mask = np.ones((28, 28), bool)
    mask[14:] = False
    return mask


SETTINGS = {"steps": 3, "seed": 5, "guidance_scale": 1.5}


@pytest.fixture
def ask(small_model):
    """ask(...): a request for the drawing."""
    usual = {"start_from": file_of(drawing()), "label": "7"} | SETTINGS
    return lambda **given: checked(small_model, "draw", usual | given)


def test_a_drawing_is_centred_as_mnist_is(ask):
    assert (greys(ask(strength=0.5).values["start_from"]) == digit_in(drawing()).digit).all()


def test_what_the_settings_say_makes_the_same_request(ask, small_model):
    for given in ({"strength": 0.5}, {"mask": picture_text(half_mask())}, {"invert": "7"}):
        request = ask(**given)
        settings = request.settings()
        assert checked(small_model, "draw", settings) == request
        assert settings.keys() >= given.keys() | {"start_from"}
        assert not settings.keys() & ({"strength", "mask", "invert"} - given.keys())
    assert ask().values["strength"] == 0.7  # where nothing says how, it is re-imagined


def test_strength_0_gives_what_the_vae_makes_of_the_drawing(ask, small_model):
    *_, last = Runner(small_model).steps(ask(strength=0))
    assert (last.index, last.steps) == (0, 0)
    assert (last.x_t == greys(look(small_model, file_of(drawing()))["back"])).all()


def test_a_re_imagined_drawing_has_fewer_steps(ask, small_model):
    request = ask(strength=0.4)
    steps = list(Runner(small_model).steps(request))
    assert [(step.index, step.steps) for step in steps] == [(0, 1), (1, 1)]
    assert request.file.images.start.strength == 0.4
    assert request.file.to_dict()["start_from"] == picture_text(digit_in(drawing()).digit)


def test_an_edit_says_how_exact_the_way_back_is(ask, small_model):
    request = ask(invert="7", sampler="ddim")
    assert " grey levels on average." in Runner(small_model).remark(request)
    assert Runner(small_model).remark(ask()) == ""


def test_a_request_is_checked_without_any_network(ask, small_model, monkeypatch):
    fail = lambda *_, **__: pytest.fail("a network ran")
    monkeypatch.setattr(small_model, "encode", fail)
    monkeypatch.setattr(small_model, "invert", fail)
    for given in ({"strength": 0.5}, {"mask": picture_text(half_mask())}, {"invert": "7"}):
        ask(**given)


def test_a_mask_keeps_what_is_white(ask, small_model):
    request = ask(mask=picture_text(half_mask()))
    assert request.file.images.start.strength == 1
    keep = request.file.images.start.keep(1)
    assert (keep.mask[0].numpy() == half_mask()).all()


def test_what_is_seen_of_a_drawing(small_model):
    seen = look(small_model, file_of(drawing()))
    digit = greys(seen["digit"])
    latent = small_model.encode(torch.from_numpy(digit.copy())[None])
    shown = np.clip(127.5 + 42.5 * latent[0].numpy(), 0, 255)
    assert np.abs(greys(seen["latent"], 4, 8, 8) - shown).max() <= 0.5
    back = greys(seen["back"])
    assert (back == small_model.decode(latent)[0].numpy()).all()
    assert seen["error"] == pytest.approx(np.abs(back.astype(float) - digit).mean(), abs=0.05)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"start_from": ""}, EMPTY),
        ({"start_from": file_of(np.zeros((90, 90), np.uint8))}, "^The picture is blank"),
        ({"start_from": "data:image/png;base64,aGVsbG8="}, "^The file cannot be read as a picture"),
        ({"start_from": "aGVsbG8="}, "Picture must be a picture of 28 x 28 greys"),
        ({"start_from": "A" * 1_400_001}, "Picture must be text of at most"),
        ({"strength": 1.5}, "Strength must be a number from 0 to 1, not 1.5"),
        ({"strength": 0.5, "invert": "7"}, "strength has no effect beside invert"),
        ({"mask": picture_text(np.ones((28, 28), bool))}, "Nothing is rubbed out yet"),
        ({"mask": picture_text(np.zeros((28, 28), bool))}, "All of the picture is rubbed out"),
    ],
)
def test_refusals(ask, given, said):
    with pytest.raises(InputError, match=said):
        ask(**given)
