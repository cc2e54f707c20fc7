"""What may be asked of a model that knows words."""

import json
import math
import re

import pytest

from demo.prompts import MAX_PROMPT, PromptRequest, asks_of
from demo.requests import OF_WORDS, Request
from demo.runs import Runner
from ldm_core import InputError
from ldm_core.files.weights import save_unet, save_vae
from ldm_core.sample import main

from .values import GOOD, with_words

HOW = {name: value for name, value in GOOD.items() if name != "label"}


@pytest.fixture(scope="module")
def model():
    return with_words()


@pytest.fixture
def check(model):
    def check(**given):
        return PromptRequest.check(model, HOW | given)

    return check


def test_what_may_be_asked_depends_on_the_weights(model, label_model):
    assert asks_of(model) is PromptRequest
    assert asks_of(label_model) is Request
    assert set(OF_WORDS) == PromptRequest.values().keys() - Request.values().keys()


def test_a_request_is_checked_without_the_text_encoder(model, tmp_path):
    runs = []
    encoder = model.conditioning.encoder
    hook = encoder.register_forward_hook(lambda *_: runs.append(1))
    request = PromptRequest.check(model, HOW | {"prompt": "a bold 7", "negative_prompt": "thin"})
    assert runs == []
    list(Runner(model, tmp_path).steps(request))
    hook.remove()
    assert runs == [1]


def test_a_label_alone_is_stored_and_shown_as_ever(check, model, label_model):
    ever = Request.check(label_model, GOOD)
    for asked in ({"label": "7"}, {"prompt": "7"}, {"prompt": " Seven! "}, {"label": 7}):
        request = check(**asked)
        assert request.settings() == ever.settings() == GOOD
        assert (request.line(), request.file_name()) == (ever.line(), ever.file_name())
        assert request.asked(model) == 7
        assert request.file_settings(model).to_dict() == ever.file_settings(model).to_dict()


def test_values_may_be_given_in_the_order_that_they_had_before_there_were_prompts(model):
    assert PromptRequest.check(model, list(GOOD.values())).settings() == GOOD


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
def test_a_prompt_says_the_label(check, model, prompt, label):
    request = check(prompt=f" {prompt} ")
    assert (request.prompt, request.label) == (prompt, label)
    assert check(prompt=prompt, label=label) == request
    assert request.asked(model) == prompt
    assert request.settings() == {"prompt": prompt} | HOW
    assert request.line().startswith(f"“{prompt}” · guidance 1.5 · ")
    assert request.file_settings(model).images.prompt == prompt
    assert request.file_settings(model).images.label is None


@pytest.mark.parametrize("prompt", ["", None, " ", ",.!"])
def test_an_empty_prompt_says_nothing(check, model, prompt):
    assert check(prompt=prompt) == check(label="7")  # what the page starts with
    assert check(prompt=prompt, label="any").asked(model) is None
    assert check(prompt=prompt, label="any").settings() == {"label": "any"} | HOW


@pytest.mark.parametrize(
    ("label", "prompt", "said"),
    [("4", "bold seven", "not 4 and 7"), ("any", "seven", "not any and 7"), ("4", "bold", "any")],
)
def test_a_label_and_a_prompt_that_differ_are_refused(check, label, prompt, said):
    with pytest.raises(InputError, match=f"Label and Prompt must say the same.*{said}"):
        check(label=label, prompt=prompt)


def test_on_the_page_the_prompt_says_it_all(model):
    values = PromptRequest.start(model) | GOOD | {"label": "4", "prompt": "bold seven"}
    request = PromptRequest.from_page(model, list(values.values()))
    assert (request.label, request.prompt) == ("7", "bold seven")
    values["prompt"] = ""
    assert PromptRequest.from_page(model, list(values.values())).label == "4"


def test_a_slider_that_says_the_same_as_the_prompt_is_left_out(check):
    request = check(prompt="a bold upright seven", stroke=1, lean=0, width=0.5)
    assert (request.stroke, request.lean, request.width) == (0, 0, 0.5)
    assert request.settings() == {"prompt": "a bold upright seven", "width": 0.5} | HOW
    assert " · width 0.5 · " in request.line()


def test_a_slider_that_contradicts_the_prompt_is_refused_before_the_run(check):
    with pytest.raises(InputError, match="The prompt says bold, and style says stroke 0.5"):
        check(prompt="bold seven", stroke=0.5)


def test_amounts_are_floats_so_that_files_are_as_those_of_the_command_line(check, model):
    stored = check(label="7", stroke=1, lean=-0.0, width=0).file_settings(model).to_dict()
    assert json.dumps([stored[name] for name in ("stroke", "lean", "width")]) == "[1.0, 0.0, 0.0]"


@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "a bol seven",
            "rompt: The prompt has the unknown word 'bol' (the nearest known one is",
        ),
        ("seven eight", "rompt: A prompt names one class at most, not seven and eight."),
        (7, f"rompt must be text of at most {MAX_PROMPT} characters, not int."),
        (["seven"], f"rompt must be text of at most {MAX_PROMPT} characters, not list."),
        ("x " * 10**6, "rompt must be text of at most 500 characters, not 2000000 characters."),
    ],
    ids=lambda value: repr(value)[:12],
)
def test_bad_prompts_are_refused_with_a_message(check, name, value, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check(**{name: value})


@pytest.mark.parametrize("name", ["stroke", "lean", "width"])
@pytest.mark.parametrize("value", [None, True, math.nan, math.inf, 1.1, -2, "bold", [1]])
def test_bad_amounts_are_refused_with_a_message(check, name, value):
    with pytest.raises(InputError, match=f"{name.capitalize()} must be a number from -1 to 1, not"):
        check(**{name: value})


def test_a_negative_prompt_needs_guidance(check):
    assert check(negative_prompt=" bold ").settings()["negative_prompt"] == "bold"
    with pytest.raises(InputError, match="needs guidance"):
        check(negative_prompt="bold", guidance_scale=1)


def test_a_property_that_the_model_has_no_words_for_is_refused():
    model = with_words(("medium", "b"))
    assert PromptRequest.check(model, {"lean": 0.5}).lean == 0.5
    with pytest.raises(InputError, match="style may have lean, width, not 'stroke'"):
        PromptRequest.check(model, {"stroke": 0.5})


def test_links_hold_prompts(model):
    query = {"prompt": "bold seven", "lean": "0.5", "negative_prompt": "wide", "steps": "3"}
    request = PromptRequest.from_link(model, query)
    assert (request.label, request.prompt, request.lean) == ("7", "bold seven", 0.5)
    link = {name: str(value) for name, value in request.settings().items()}
    assert "label" not in link and "stroke" not in link
    assert PromptRequest.from_link(model, link) == request
    with pytest.raises(InputError, match="Stroke must be a number"):
        PromptRequest.from_link(model, {"stroke": "bold"})


@pytest.mark.parametrize("name", OF_WORDS)
def test_weights_of_labels_say_that_they_know_no_words(label_model, name):
    with pytest.raises(InputError, match=f"These weights know labels only, and no {name}"):
        Request.from_link(label_model, {"label": "7", name: "0"})


def test_what_is_left_out_is_as_the_page_starts(model):
    start = PromptRequest.start(model)
    assert (start["label"], start["prompt"]) == ("7", "seven")
    shown = PromptRequest.from_page(model, list(start.values()))
    assert PromptRequest.check(model, {}) == PromptRequest.check(model, []) == shown
    assert PromptRequest.check(model, {"prompt": "bold"}).label == "any"


def test_files_are_named_by_their_prompts(check, tmp_path):
    assert check(prompt="a bold seven, leaning left").file_name().startswith("a-bold-seven-leaning")
    (tmp_path / check(prompt="seven" + "," * 400 + "wide").file_name()).touch()


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"prompt": "a bold seven leaning left"}, ["--prompt", "a bold seven leaning left"]),
        (
            {"label": "7", "stroke": 0.7, "negative_prompt": "wide"},
            ["--label", "7", "--stroke", "0.7", "--negative-prompt", "wide"],
        ),
        ({"label": "any", "lean": 1}, ["--label", "any", "--lean", "1"]),
        ({"prompt": "7"}, ["--label", "7"]),
    ],
)
def test_the_page_s_gif_is_that_of_the_command_line_to_the_byte(model, tmp_path, asked, line):
    save_vae(tmp_path / "vae.safetensors", model.vae, {})
    save_unet(tmp_path / "unet.safetensors", model, {})
    loaded = type(model).load(tmp_path)
    runner = Runner(loaded, tmp_path / "runs")
    request = PromptRequest.check(loaded, HOW | asked)
    gif = runner.save_gif([step.x_t for step in runner.steps(request)], request)
    out = tmp_path / "out.gif"
    how = ["--guidance-scale", "1.5", "--steps", "3", "--sampler", "ddim", "--seed", "5"]
    assert main([*line, *how, "--weights", str(tmp_path), "--out", str(out)]) == 0
    assert out.read_bytes() == gif.read_bytes()
