"""What may be asked of one image: what is let in, what is refused, and with which small_model."""

import json
import re

import pytest

from demo.request import Request, labels, start_of
from demo.run import Runner
from ldm_core import SAMPLERS, InputError, SamplingSettings, checks
from ldm_core.inputs import MAX_SEED

from .values import GOOD, model_of

HOW = {name: value for name, value in GOOD.items() if name != "label"}


@pytest.fixture
def check(small_model):
    return lambda **changes: Request.check(small_model, GOOD | changes)


@pytest.fixture
def ask(small_model):
    return lambda **given: Request.check(small_model, HOW | given)


@pytest.fixture
def tuned_model():
    """A model whose weights bring their own defaults."""
    model = model_of("circle", "five-pointed star")
    given = {"guidance_scale": 2.0, "steps": 5, "sampler": "ddim", "spacing": "karras", "eta": 0.5}
    model.defaults = SamplingSettings(**given)
    return model


def test_good_request(check, small_model):
    request = check()
    assert request.settings() == GOOD
    assert request.prompted(small_model) == 7
    assert request.header() == {"settings": GOOD, "name": "7-seed-5", "steps": 3}


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("label", ["any"]),
        ("guidance_scale", [0, 10]),
        ("steps", [1, 100]),
        ("seed", [0, MAX_SEED]),
        ("sampler", [name for name in SAMPLERS if name != "student"]),
    ],
)
def test_limits_are_allowed(check, name, values):
    for value in values:
        assert check(**{name: value}).settings() == GOOD | {name: value}


def test_whole_numbers_may_come_as_floats_and_labels_as_numbers(check):
    request = check(steps=20.0, seed=6.0, label=3, guidance_scale=2)
    assert json.dumps(list(request.settings().values())) == '["3", 2.0, 20, "ddim", 6]'
    assert request.file.sampling.guidance_scale == 2.0


def test_the_student_is_offered_where_there_is_one(check, taught_model):
    with pytest.raises(InputError, match="Sampler must be one of ddpm, .*unipc, not"):
        check(sampler="student")
    given = GOOD | {"sampler": "student", "steps": 2}
    assert Request.check(taught_model, given).settings() == given
    with pytest.raises(InputError, match="makes 1 to 4 steps"):
        Request.check(taught_model, given | {"steps": 5})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 20.5}, "Steps must be a whole number from 1 to 100, not 20.5."),
        ({"seed": None}, "Seed must be a whole number from 0 to 4294967295, not empty."),
        ({"guidance_scale": 10.5}, "Guidance scale must be a number from 0 to 10, not 10.5."),
        ({"label": "10"}, "Label must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, any, not '10'."),
        ({"lable": "7"}, "There is no lable here, only label, guidance_scale,"),
    ],
)
def test_messages_say_what_was_wrong_and_what_is_allowed(check, changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check(**changes)


def test_a_value_is_checked_once_on_its_way_to_the_unet(small_model, monkeypatch):
    seen, number = [], checks._number
    monkeypatch.setattr(checks, "_number", lambda value: seen.append(value) or number(value))
    request = Request.check(small_model, GOOD | {"guidance_scale": 2.345})
    *_, last = Runner(small_model).steps(request)
    assert last.index == 3 and seen.count(2.345) == 1
    assert request.file.sampling.guidance_scale == 2.345


def test_the_model_says_what_the_page_starts_with_and_what_is_not_asked_for(tuned_model):
    start = start_of(tuned_model, "denoise")
    assert (start["guidance_scale"], start["steps"], start["sampler"]) == (2.0, 5, "ddim")
    assert Request.check(tuned_model, {}) == Request.check(tuned_model, start)
    request = Request.check(tuned_model, {"steps": 7})
    assert request.file.sampling == tuned_model.settings(steps=7)
    tuned_model.defaults = SamplingSettings(guidance_scale=20.0, steps=1000)
    start = start_of(tuned_model, "denoise")
    assert (start["guidance_scale"], start["steps"]) == (10, 100)  # the limits of the page


@pytest.mark.parametrize(
    ("names", "wanted", "title"),
    [(("0", "1"), "any", "any"), (("any", "1"), "*", "no label"), (("Any", "b"), "*", "no label")],
)
def test_no_label_cannot_be_confused_with_a_class(names, wanted, title):
    model = model_of(*names)
    assert labels(model) == {name: name for name in names} | {wanted: title}
    asked = [Request.check(model, {"label": text}) for text in labels(model)]
    assert [request.prompted(model) for request in asked] == [0, 1, None]
    assert [request.file.images.label for request in asked] == [*names, wanted]


@pytest.mark.parametrize("name", ["é" * 120, "x" * 240, "字" * 80, "caf\udce9", "a/b\0c\n", ".."])
def test_any_class_gives_its_files_a_name_that_a_file_can_have(name, tmp_path):
    model = model_of(name, "1")
    request = Request.check(model, {"label": next(iter(labels(model)))})
    assert request.prompted(model) == 0 and request.values["label"].encode()
    (tmp_path / request.file_name()).touch()
    assert len(list(tmp_path.iterdir())) == 1


# Words


def test_a_request_is_checked_without_the_text_encoder(small_model, ask):
    runs = []
    hook = small_model.conditioning.encoder.register_forward_hook(lambda *_: runs.append(1))
    request = ask(prompt="a bold 7", negative_prompt="thin")
    assert runs == []
    list(Runner(small_model).steps(request))
    hook.remove()
    assert runs == [1]


def test_a_label_alone_is_stored_and_shown_as_ever(check, ask, small_model):
    ever = check()
    for asked in ({"label": "7"}, {"prompt": "7"}, {"prompt": " Seven! "}, {"label": 7}):
        request = ask(**asked)
        assert request.settings() == ever.settings() == GOOD
        assert request.file_name() == ever.file_name()
        assert request.prompted(small_model) == 7
        assert request.file == ever.file


@pytest.mark.parametrize(
    ("prompt", "label"),
    [
        ("a bold seven leaning left", "7"),
        ("thin 8", "8"),
        ("leaning right", "any"),
        ("a", "any"),
        ("seven seven", "7"),
    ],
)
def test_a_prompt_says_the_label(ask, small_model, prompt, label):
    request = ask(prompt=f" {prompt} ")
    assert (request.values["prompt"], request.values["label"]) == (prompt, label)
    assert ask(prompt=prompt, label=label) == request
    assert request.prompted(small_model) == prompt
    assert request.settings() == {"prompt": prompt} | HOW


def test_white_space_of_a_prompt_is_one_space(ask):
    said = ask(
        prompt="\n a bold\r\n seven\u3000leaning\tleft ", negative_prompt="thin\nwide"
    ).values
    assert (said["prompt"], said["negative_prompt"]) == ("a bold seven leaning left", "thin wide")


@pytest.mark.parametrize("prompt", ["", None, " ", ",.!"])
def test_an_empty_prompt_says_nothing(ask, small_model, prompt):
    assert ask(prompt=prompt) == ask(label="7")  # what the page starts with
    assert ask(prompt=prompt, label="any").prompted(small_model) is None
    assert ask(prompt=prompt, label="any").settings() == {"label": "any"} | HOW


def test_what_is_left_out_is_as_the_page_starts(small_model):
    start = start_of(small_model, "denoise")
    assert (start["label"], start["prompt"]) == ("7", "seven")
    assert Request.check(small_model, {}) == Request.check(small_model, start)
    assert Request.check(small_model, {"prompt": "bold"}).values["label"] == "any"


def test_a_slider_that_says_the_same_as_the_prompt_is_left_out(ask):
    request = ask(prompt="a bold upright seven", stroke=1, lean=0, width=0.5)
    assert request.settings() == {"prompt": "a bold upright seven", "width": 0.5} | HOW


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"label": "4", "prompt": "bold seven"}, "Label and Prompt must say the same, not 4 and 7"),
        ({"label": "any", "prompt": "seven"}, "not any and 7"),
        ({"label": "4", "prompt": "bold"}, "not 4 and any"),
        (
            {"prompt": "bold seven", "stroke": 0.5},
            "The prompt says bold, and style says stroke 0.5",
        ),
        ({"negative_prompt": "bold", "guidance_scale": 1}, "needs guidance"),
        ({"prompt": "a bol seven"}, "Prompt: The prompt has the unknown word 'bol' (the nearest"),
        ({"negative_prompt": "bol"}, "Negative prompt: The prompt has the unknown word 'bol'"),
        ({"prompt": ["seven"]}, "Prompt must be text of at most 500 characters, not list."),
        ({"negative_prompt": "x " * 10**6}, "at most 500 characters, not 2000000 characters."),
        ({"lean": 1.1}, "Lean must be a number from -1 to 1, not 1.1."),
    ],
)
def test_words_that_are_refused(ask, given, message):
    with pytest.raises(InputError, match=re.escape(message)):
        ask(**given)


def test_a_property_that_the_model_has_no_words_for_is_refused():
    model = model_of("medium", "b")
    assert Request.check(model, {"lean": 0.5}).values["lean"] == 0.5
    with pytest.raises(InputError, match="style may have lean, width, not 'stroke'"):
        Request.check(model, {"stroke": 0.5})


def test_files_are_named_by_their_prompts(ask, tmp_path):
    assert ask(prompt="a bold seven, leaning left").file_name().startswith("a-bold-seven-leaning")
    (tmp_path / ask(prompt="seven" + "," * 400 + "wide").file_name()).touch()
