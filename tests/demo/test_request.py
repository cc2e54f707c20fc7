"""What may be asked of one image: what is let in, what is refused, and with which words."""

import json
import math
import re

import pytest

from demo.request import PromptRequest, Request, labels, request_type
from demo.run import Runner
from demo.values import MAX_PROMPT, OF_WORDS
from ldm_core import SAMPLERS, InputError, LatentDiffusion, SamplingSettings, checks
from ldm_core.inputs import MAX_SEED

from ..conftest import small_parts
from .values import GOOD, with_words

STEPS, GUIDANCE = (Request.values()[name].kind for name in ("steps", "guidance_scale"))
HOW = {name: value for name, value in GOOD.items() if name != "label"}


@pytest.fixture
def check(label_model):
    return lambda **changes: Request.check(label_model, GOOD | changes)


@pytest.fixture(scope="module")
def words():
    return with_words()


@pytest.fixture
def ask(words):
    return lambda **given: PromptRequest.check(words, HOW | given)


@pytest.fixture
def tuned_model():
    """A model whose weights bring their own defaults."""
    model = LatentDiffusion(small_parts(("circle", "five-pointed star")))
    given = {"guidance_scale": 2.0, "steps": 5, "sampler": "ddim", "spacing": "karras", "eta": 0.5}
    model.defaults = SamplingSettings(**given)
    return model


def test_good_request(check, label_model):
    request = check()
    assert request.settings() == GOOD
    assert request.prompted(label_model) == 7
    assert request.line() == "label 7 · guidance 1.5 · 3 steps · ddim · seed 5"
    assert " · 1 step · " in check(steps=1).line()


@pytest.mark.parametrize(
    "changes",
    [
        {"label": "any"},
        {"guidance_scale": GUIDANCE.low},
        {"guidance_scale": GUIDANCE.high},
        {"steps": STEPS.low},
        {"steps": STEPS.high},
        {"seed": 0},
        {"seed": MAX_SEED},
        *({"sampler": name} for name in SAMPLERS),
    ],
)
def test_limits_are_allowed(check, changes):
    assert check(**changes).settings() == GOOD | changes


def test_whole_numbers_may_come_as_floats_and_labels_as_numbers(check):
    request = check(steps=20.0, seed=6.0, label=3, guidance_scale=2)
    assert json.dumps(list(request.settings().values())) == '["3", 2.0, 20, "ddim", 6]'


@pytest.mark.parametrize("name", list(GOOD))
@pytest.mark.parametrize(
    "value",
    [None, True, math.nan, math.inf, -math.inf, -1, 10**30, [], ["7"], {}, "", "x" * 10**6],
    ids=lambda value: repr(value)[:12],
)
def test_bad_values_are_refused_with_a_message(check, name, value):
    with pytest.raises(InputError) as error:
        check(**{name: value})
    message = str(error.value)
    assert message.startswith(name.replace("_", " ").capitalize() + " must be ")
    assert ", not " in message and len(message) < 250


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 20.5}, "Steps must be a whole number from 1 to 100, not 20.5."),
        ({"steps": "20"}, "Steps must be a whole number from 1 to 100, not '20'."),
        ({"steps": 101}, "Steps must be a whole number from 1 to 100, not 101."),
        ({"seed": None}, "Seed must be a whole number from 0 to 4294967295, not empty."),
        ({"guidance_scale": 10.5}, "Guidance scale must be a number from 0 to 10, not 10.5."),
        ({"label": "10"}, "Label must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, any, not '10'."),
        ({"lable": "7"}, "There is no lable here, only label, guidance_scale,"),
    ],
)
def test_messages_say_what_was_wrong_and_what_is_allowed(check, changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check(**changes)


def test_settings_are_values_by_name(label_model):
    for given in (None, [], "7"):
        with pytest.raises(InputError, match="values by their names"):
            Request.check(label_model, given)


def test_a_value_is_checked_once_on_its_way_to_the_unet(label_model, monkeypatch):
    seen, number = [], checks._number
    monkeypatch.setattr(checks, "_number", lambda value: seen.append(value) or number(value))
    request = Request.check(label_model, GOOD | {"guidance_scale": 2.345})
    *_, last = Runner(label_model).steps(request)
    assert last.index == 3 and seen.count(2.345) == 1
    assert request.file.sampling.guidance_scale == 2.345


def test_classes_are_asked_for_by_their_names(tuned_model):
    request = Request.check(tuned_model, GOOD | {"label": "five-pointed star"})
    assert request.prompted(tuned_model) == 1
    with pytest.raises(InputError, match="one of circle, five-pointed star, any, not '7'"):
        Request.check(tuned_model, GOOD)


def test_the_model_says_what_the_page_starts_with_and_what_is_not_asked_for(tuned_model):
    start = Request.start(tuned_model)
    assert (start["guidance_scale"], start["steps"], start["sampler"]) == (2.0, 5, "ddim")
    assert Request.check(tuned_model, {}).settings() == start
    request = Request.check(tuned_model, {"steps": 7})
    assert request.file.sampling == tuned_model.settings(steps=7)


def test_the_page_starts_within_its_own_limits(tuned_model):
    tuned_model.defaults = SamplingSettings(guidance_scale=20.0, steps=1000)
    start = Request.start(tuned_model)
    assert (start["guidance_scale"], start["steps"]) == (GUIDANCE.high, STEPS.high)


@pytest.mark.parametrize(
    ("names", "wanted", "title"),
    [(("0", "1"), "any", "any"), (("any", "1"), "*", "no label"), (("Any", "b"), "*", "no label")],
)
def test_no_label_cannot_be_confused_with_a_class(names, wanted, title):
    model = LatentDiffusion(small_parts(names))
    assert labels(model) == {name: name for name in names} | {wanted: title}
    asked = [Request.check(model, {"label": text}) for text in labels(model)]
    assert [request.prompted(model) for request in asked] == [0, 1, None]
    assert [request.file.images.label for request in asked] == [*names, wanted]


@pytest.mark.parametrize(
    ("text", "names", "label"),
    [
        ("CIRCLE", ("circle", "star"), "circle"),
        ("a", ("A", "a"), "a"),
        (1, ("circle", "star"), "star"),
        (2, tuple("123"), "2"),
        ("*", ("circle", "star"), "any"),
    ],
)
def test_labels_may_be_written_as_on_the_command_line(text, names, label):
    model = LatentDiffusion(small_parts(names))
    assert Request.check(model, {"label": text}).label == label


@pytest.mark.parametrize("text", ["0-1", "5"])
def test_a_label_that_is_no_single_class_is_refused(text):
    model = LatentDiffusion(small_parts(("A", "a", "b")))
    with pytest.raises(InputError, match="Label must be one of A, a, b, any, not"):
        Request.check(model, {"label": text})


@pytest.mark.parametrize("name", ["é" * 120, "x" * 240, "字" * 80, "caf\udce9", "a/b\0c\n", ".."])
def test_any_class_gives_its_files_a_name_that_a_file_can_have(name, tmp_path):
    model = LatentDiffusion(small_parts((name, "1")))
    request = Request.check(model, {"label": next(iter(labels(model)))})
    assert request.prompted(model) == 0 and request.label.encode()
    (tmp_path / request.file_name()).touch()
    assert len(list(tmp_path.iterdir())) == 1


# Words


def test_what_may_be_asked_depends_on_the_weights(words, label_model):
    assert request_type(words) is PromptRequest
    assert request_type(label_model) is Request
    assert set(OF_WORDS) == PromptRequest.values().keys() - Request.values().keys()


def test_a_request_is_checked_without_the_text_encoder(words, ask):
    runs = []
    hook = words.conditioning.encoder.register_forward_hook(lambda *_: runs.append(1))
    request = ask(prompt="a bold 7", negative_prompt="thin")
    assert runs == []
    list(Runner(words).steps(request))
    hook.remove()
    assert runs == [1]


def test_a_label_alone_is_stored_and_shown_as_ever(ask, words, label_model):
    ever = Request.check(label_model, GOOD)
    for asked in ({"label": "7"}, {"prompt": "7"}, {"prompt": " Seven! "}, {"label": 7}):
        request = ask(**asked)
        assert request.settings() == ever.settings() == GOOD
        assert (request.line(), request.file_name()) == (ever.line(), ever.file_name())
        assert request.prompted(words) == 7
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
def test_a_prompt_says_the_label(ask, words, prompt, label):
    request = ask(prompt=f" {prompt} ")
    assert (request.prompt, request.label) == (prompt, label)
    assert ask(prompt=prompt, label=label) == request
    assert request.prompted(words) == prompt
    assert request.settings() == {"prompt": prompt} | HOW
    assert request.line().startswith(f"“{prompt}” · guidance 1.5 · ")


def test_white_space_of_a_prompt_is_one_space(ask):
    request = ask(prompt="\n a bold\r\n seven\u3000leaning\tleft ", negative_prompt="thin\nwide")
    assert (request.prompt, request.negative_prompt) == ("a bold seven leaning left", "thin wide")


@pytest.mark.parametrize("prompt", ["", None, " ", ",.!"])
def test_an_empty_prompt_says_nothing(ask, words, prompt):
    assert ask(prompt=prompt) == ask(label="7")  # what the page starts with
    assert ask(prompt=prompt, label="any").prompted(words) is None
    assert ask(prompt=prompt, label="any").settings() == {"label": "any"} | HOW


@pytest.mark.parametrize(
    ("label", "prompt", "said"),
    [("4", "bold seven", "not 4 and 7"), ("any", "seven", "not any and 7"), ("4", "bold", "any")],
)
def test_a_label_and_a_prompt_that_differ_are_refused(ask, label, prompt, said):
    with pytest.raises(InputError, match=f"Label and Prompt must say the same.*{said}"):
        ask(label=label, prompt=prompt)


def test_a_slider_that_says_the_same_as_the_prompt_is_left_out(ask):
    request = ask(prompt="a bold upright seven", stroke=1, lean=0, width=0.5)
    assert (request.stroke, request.lean, request.width) == (0, 0, 0.5)
    assert request.settings() == {"prompt": "a bold upright seven", "width": 0.5} | HOW
    assert " · width 0.5 · " in request.line()


def test_a_slider_that_contradicts_the_prompt_is_refused_before_the_run(ask):
    with pytest.raises(InputError, match="The prompt says bold, and style says stroke 0.5"):
        ask(prompt="bold seven", stroke=0.5)


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a bol seven", "rompt: The prompt has the unknown word 'bol' (the nearest known one is"),
        ("seven eight", "rompt: A prompt names one class at most, not seven and eight."),
        (7, f"rompt must be text of at most {MAX_PROMPT} characters, not int."),
        (["seven"], f"rompt must be text of at most {MAX_PROMPT} characters, not list."),
        ("x " * 10**6, "rompt must be text of at most 500 characters, not 2000000 characters."),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_bad_prompts_are_refused_with_a_message(ask, name, value, message):
    with pytest.raises(InputError, match=re.escape(message)):
        ask(**{name: value})


@pytest.mark.parametrize("name", ["stroke", "lean", "width"])
@pytest.mark.parametrize("value", [True, math.nan, math.inf, 1.1, -2, "bold", [1]])
def test_bad_amounts_are_refused_with_a_message(ask, name, value):
    with pytest.raises(InputError, match=f"{name.capitalize()} must be a number from -1 to 1, not"):
        ask(**{name: value})


def test_a_negative_prompt_needs_guidance(ask):
    assert ask(negative_prompt=" bold ").settings()["negative_prompt"] == "bold"
    with pytest.raises(InputError, match="needs guidance"):
        ask(negative_prompt="bold", guidance_scale=1)


def test_a_property_that_the_model_has_no_words_for_is_refused():
    model = with_words(("medium", "b"))
    assert PromptRequest.check(model, {"lean": 0.5}).lean == 0.5
    with pytest.raises(InputError, match="style may have lean, width, not 'stroke'"):
        PromptRequest.check(model, {"stroke": 0.5})


@pytest.mark.parametrize("name", OF_WORDS)
def test_weights_of_labels_say_that_they_know_no_words(label_model, name):
    with pytest.raises(InputError, match=f"These weights know labels only, and no {name}"):
        Request.check(label_model, {"label": "7", name: "0"})


def test_what_is_left_out_is_as_the_page_starts(words):
    start = PromptRequest.start(words)
    assert (start["label"], start["prompt"]) == ("7", "seven")
    assert PromptRequest.check(words, {}) == PromptRequest.check(words, start)
    assert PromptRequest.check(words, {"prompt": "bold"}).label == "any"


def test_files_are_named_by_their_prompts(ask, tmp_path):
    assert ask(prompt="a bold seven, leaning left").file_name().startswith("a-bold-seven-leaning")
    (tmp_path / ask(prompt="seven" + "," * 400 + "wide").file_name()).touch()
