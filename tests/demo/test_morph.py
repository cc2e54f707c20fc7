"""A morph: what may be asked, and its messages."""

import copy

import numpy as np
import pytest

from demo.reproduce import checked
from demo.run import Runner
from ldm_core import InputError
from ldm_core.runtime.backends import make_backend

from .values import greys

SETTINGS = {"frames": 3, "steps": 2, "guidance_scale": 1.5, "sampler": "ddim"}


@pytest.fixture
def ask(small_model):
    return lambda *points, **given: checked(
        small_model, "morph", {"morph": list(points)} | SETTINGS | given
    )


@pytest.mark.parametrize(("backend", "levels"), [("torch", 1), ("onnxruntime", 0)])
def test_a_point_is_the_picture_of_its_own_request(small_model, ask, backend, levels):
    """To the bit with ONNX Runtime; with PyTorch, a grey may round to the next one in a batch."""
    model = copy.copy(small_model)
    model.backend = make_backend(backend, model, model.device)
    *_, last = Runner(model).morph(ask("3:1", "8:2", loop=False))
    assert len(last["images"]) == len(last["noises"]) == 4
    options = {name: SETTINGS[name] for name in ("steps", "guidance_scale", "sampler")}
    for at, label, seed in ((0, 3, 1), (3, 8, 2)):
        alone = model.generate([label], seeds=[seed], **options)[0].numpy().astype(int)
        assert np.abs(greys(last["images"][at]) - alone).max() <= levels


def test_messages(runner, ask):
    request = ask("3:1", "8:2", loop=True)
    assert request.header().items() >= {"steps": 5, "name": "morph-3-1-8-2"}.items()
    *between, last = runner.morph(request)
    assert between == [{"index": index, "steps": 2} for index in range(3)]
    assert len(last["images"]) == 6 and last["done"]
    assert greys(last["noises"][0], 4, 8, 8).std() > 20


def test_what_the_settings_say_makes_the_same_request(ask, small_model):
    request = ask("3:1", "8:2", "0:7")
    assert checked(small_model, "morph", request.settings()) == request


@pytest.mark.parametrize(
    ("points", "given", "said"),
    [
        (["3:1"], {}, "Points must be a list of 2 to 6 points, not 1"),
        (["3:1", "8"], {}, "Point 2 must be what to draw, a colon and a seed, as 3:7"),
        (["3:1", "8:99999999999"], {}, "Seed 2 must be a whole number from 0 to"),
        (["3:1", "8:2"], {"frames": 25}, "In-between frames must be a whole number from 2 to 24"),
        (["3:1", "8:2"], {"loop": 1}, "Loop must be true or false, not 1"),
    ],
)
def test_refusals(ask, points, given, said):
    with pytest.raises(InputError, match=said):
        ask(*points, **given)
