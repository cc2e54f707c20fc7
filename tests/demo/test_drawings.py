"""What may be asked beside a drawing, and what comes of it."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from demo.drawings import EMPTY, asks_of, given_by_page, seen
from demo.runs import Runner, data_uri
from ldm_core import InputError, read_settings
from ldm_core.files.drawings import as_digit
from ldm_core.output.file_settings import picture_text

from .values import with_words


def drawing(side=336):
    """A seven, white on black, in a corner."""
    grey = np.zeros((side, side), np.uint8)
    grey[side // 8 : side // 6, side // 8 : side // 2] = 255
    grey[side // 8 : side // 2, side // 2 : side // 2 + side // 20] = 255
    return grey


def half_mask():
    mask = np.ones((28, 28), bool)
    mask[14:] = False
    return mask


SETTINGS = {"steps": 3, "seed": 5, "guidance_scale": 1.5}


@pytest.fixture(params=["labels", "words"])
def model(request, label_model):
    return label_model if request.param == "labels" else with_words()


@pytest.fixture
def ask(model):
    """ask(...): a request of this model for the drawing."""

    def ask(**given):
        given = {"start_from": data_uri(drawing()), "label": "7"} | SETTINGS | given
        return asks_of(model).check(model, given)

    return ask


def test_a_drawing_is_centred_as_mnist_is(ask):
    stored = base64.b64decode(ask(strength=0.5).start_from)
    digit = np.frombuffer(stored, np.uint8).reshape(28, 28)
    assert (digit == as_digit(drawing())).all()


def test_what_the_settings_say_makes_the_same_request(ask, model):
    for given in ({"strength": 0.5}, {"mask": picture_text(half_mask())}, {"invert": "7"}):
        request = ask(**given)
        settings = request.settings()
        assert asks_of(model).check(model, settings) == request
        assert settings.keys() >= given.keys() | {"start_from"}
        others = {"strength", "mask", "invert"} - given.keys()
        assert not settings.keys() & others


def test_strength_0_gives_what_the_vae_makes_of_the_drawing(ask, model, tmp_path):
    *_, last = Runner(model, tmp_path).steps(ask(strength=0))
    assert (last.index, last.steps) == (0, 0)
    _, _, back, _ = seen(model, data_uri(drawing()))
    assert (last.x_t == back).all()


def test_a_re_imagined_drawing_has_fewer_steps(ask, model, tmp_path):
    messages = list(Runner(model, tmp_path).messages(ask(strength=0.4)))
    assert messages[0]["steps"] == 3 and messages[0]["pictures"] == []
    assert {message["steps"] for message in messages[1:]} == {1}
    assert len(messages[-1]["pictures"]) == 2
    assert messages[-1]["line"].startswith("a digit re-imagined · label 7 · ")
    settings = read_settings(messages[-1]["png"]["path"])
    assert settings["strength"] == 0.4
    assert settings["start_from"] == picture_text(as_digit(drawing()))


def test_an_edit_says_how_exact_the_way_back_is(ask, model, tmp_path):
    *_, last = Runner(model, tmp_path).messages(ask(invert="7", sampler="ddim"))
    assert last["line"].startswith("a digit edited")
    assert " grey levels on average." in last["remark"]


def test_what_is_seen_of_a_drawing(model):
    digit, latent, back, error = seen(model, data_uri(drawing()))
    pixels = torch.from_numpy(digit.copy())[None]
    assert (latent == model.encode(pixels)[0].numpy()).all()
    assert (back == model.decode(model.encode(pixels))[0].numpy()).all()
    assert error == pytest.approx(np.abs(back.astype(float) - digit).mean())


def photograph():
    """A dark digit on grey paper, as a JPEG."""
    file = io.BytesIO()
    Image.fromarray(200 - (drawing() // 255) * np.uint8(150)).save(file, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def test_a_photograph_is_read(model):
    digit, *_ = seen(model, photograph())
    assert np.abs(digit.astype(float) - as_digit(drawing())).mean() < 8


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"start_from": ""}, EMPTY),
        ({"start_from": data_uri(np.zeros((90, 90), np.uint8))}, "^The picture is blank"),
        ({"start_from": "data:image/png;base64,aGVsbG8="}, "^The file cannot be read as a picture"),
        ({"start_from": "a,b"}, "Picture must be a picture in base64"),
        ({"start_from": "aGVsbG8="}, "Picture must be 28 x 28 greys"),
        ({"start_from": 7}, "Picture must be text of at most 1,400,000 characters"),
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


def on_page(model, way, mask=None, what="7"):
    name = "prompt" if model.vocabulary else "label"
    names = [name, "strength", "invert", "guidance_scale", "steps", "seed"]
    easel = {"digit": data_uri(drawing()), "mask": mask}
    values = [easel, way, what, 0.6, "7", 1.5, 3, 5]
    return given_by_page(asks_of(model), model, names, values)


def test_the_page_sends_what_its_way_needs(model):
    anew = on_page(model, "reimagine")
    assert (anew.strength, anew.mask, anew.invert) == (0.6, None, None)
    completed = on_page(model, "complete", picture_text(half_mask()))
    assert (completed.strength, completed.invert) == (None, None)
    assert completed.mask == picture_text(half_mask())
    edited = on_page(model, "edit")
    assert (edited.strength, edited.mask, edited.invert) == (None, None, "7")
    assert edited.sampler == "ddim"


def test_complete_needs_something_to_draw(model):
    with pytest.raises(InputError, match="Nothing is rubbed out yet"):
        on_page(model, "complete")


def test_an_empty_prompt_leaves_it_to_the_model():
    assert on_page(with_words(), "reimagine", what="").label == "any"
