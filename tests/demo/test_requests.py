"""What may be asked: what is let in, what is refused, and with which words."""

import dataclasses
import math
import re

import pytest

from demo.requests import Request, labels
from ldm_core import SAMPLERS, InputError, LatentDiffusion, SamplingSettings
from ldm_core.inputs import MAX_SEED

from ..conftest import small_parts
from .values import GOOD, WithEta

STEPS, GUIDANCE = (Request.values()[name].kind for name in ("steps", "guidance_scale"))


@pytest.fixture
def check(label_model):
    def check(**changes):
        return Request.check(label_model, GOOD | changes)

    return check


@pytest.fixture
def tuned_model():
    """A model whose weights bring defaults of their own."""
    model = LatentDiffusion(small_parts(("circle", "five-pointed star")))
    model.defaults = SamplingSettings(
        guidance_scale=2.0, steps=5, sampler="ddim", spacing="karras", eta=0.5
    )
    return model


def test_good_request(check, label_model):
    request = check()
    assert request.to_dict() == GOOD
    assert request.asked(label_model) == 7
    assert request.line() == "label 7 · guidance 1.5 · 3 steps · ddim · seed 5"
    assert Request.check(label_model, list(GOOD.values())) == request


def test_one_step_is_not_steps(check):
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
    assert check(**changes).to_dict() == GOOD | changes


def test_whole_numbers_may_come_as_floats_and_labels_as_numbers(check):
    request = check(steps=20.0, seed=6.0, label=3)
    assert request.steps == 20 and isinstance(request.steps, int)
    assert request.seed == 6 and isinstance(request.seed, int)
    assert request.label == "3"


def test_any_is_unconditional(check, label_model):
    assert check(label="any").asked(label_model) is None


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
        ({"seed": None}, "Seed must be a whole number from 0 to 4294967295, not empty."),
        ({"guidance_scale": 11}, "Guidance scale must be a number from 0 to 10, not 11."),
        ({"label": "10"}, "Label must be one of 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, any, not '10'."),
    ],
)
def test_messages_say_what_was_wrong_and_what_is_allowed(check, changes, message):
    with pytest.raises(InputError, match=re.escape(message)):
        check(**changes)


def test_values_that_do_not_go_together_are_refused_before_the_run(label_model):
    with pytest.raises(InputError, match="eta works with the sampler ddim or dpmpp_2m only"):
        WithEta.check(label_model, GOOD | {"sampler": "euler", "eta": 0.5})


def test_a_link_may_hold_any_of_the_values(label_model):
    assert Request.from_link(label_model, {}) is None
    assert Request.from_link(label_model, {"__theme": "dark"}) is None
    query = {"label": "4", "steps": "20", "seed": str(MAX_SEED)}
    request = Request.from_link(label_model, query)
    asked = {"label": "4", "steps": 20, "seed": MAX_SEED}
    assert request.to_dict() == Request.start(label_model) | asked


@pytest.mark.parametrize("query", [{"steps": "many"}, {"steps": "nan"}, {"sampler": "magic"}])
def test_a_bad_link_is_refused(label_model, query):
    with pytest.raises(InputError):
        Request.from_link(label_model, query)


def test_classes_are_asked_for_by_their_names(tuned_model):
    request = Request.check(tuned_model, GOOD | {"label": "five-pointed star"})
    assert request.asked(tuned_model) == 1
    with pytest.raises(InputError, match="one of circle, five-pointed star, any, not '7'"):
        Request.check(tuned_model, GOOD)


def test_the_model_says_what_the_page_starts_with_and_what_is_not_asked_for(tuned_model):
    start = Request.start(tuned_model)
    assert (start["guidance_scale"], start["steps"], start["sampler"]) == (2.0, 5, "ddim")
    settings = Request.check(tuned_model, {"steps": 7}).file_settings(tuned_model)
    assert settings.sampling == tuned_model.settings(steps=7)


def test_the_page_starts_within_its_own_limits(tuned_model):
    tuned_model.defaults = SamplingSettings(guidance_scale=20.0, steps=1000)
    start = Request.start(tuned_model)
    assert (start["guidance_scale"], start["steps"]) == (GUIDANCE.high, STEPS.high)


def test_what_is_left_out_is_as_the_page_starts(label_model):
    start = Request.start(label_model)
    assert Request.check(label_model, {}).to_dict() == start
    assert Request.check(label_model, []).to_dict() == start
    assert Request.check(label_model, ["4", 2.5]).to_dict() == start | {
        "label": "4",
        "guidance_scale": 2.5,
    }


@pytest.mark.parametrize(
    ("names", "wanted", "title"),
    [(("0", "1"), "any", "any"), (("any", "1"), "*", "no label"), (("Any", "b"), "*", "no label")],
)
def test_no_label_cannot_be_confused_with_a_class(names, wanted, title):
    model = LatentDiffusion(small_parts(names))
    assert labels(model) == {name: name for name in names} | {wanted: title}
    asked = [Request.check(model, {"label": text}) for text in labels(model)]
    assert [request.asked(model) for request in asked] == [0, 1, None]
    assert [request.file_settings(model).images.label for request in asked] == [*names, wanted]


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


@pytest.mark.parametrize("text", ["0-1", "\uff21", "5"])
def test_a_label_that_is_no_single_class_is_refused(text):
    model = LatentDiffusion(small_parts(("A", "a", "b")))
    with pytest.raises(InputError, match="Label must be one of A, a, b, any, not"):
        Request.check(model, {"label": text})


def test_a_class_may_have_a_name_that_is_no_text():
    model = LatentDiffusion(small_parts(("caf\udce9", "b")))  # a name in Latin-1
    texts = list(labels(model))
    assert texts == ["caf\\udce9", "b", "any"] and all(text.encode() for text in texts)
    request = Request.check(model, {"label": texts[0]})
    assert request.asked(model) == 0
    assert request.file_settings(model).images.label == texts[0]


@pytest.mark.parametrize("name", ["é" * 120, "x" * 240, "字" * 80, "caf\udce9", "a/b\0c\n"])
def test_any_class_gives_its_files_a_name_that_a_file_can_have(name, tmp_path):
    model = LatentDiffusion(small_parts((name, "1")))
    (tmp_path / Request.check(model, {"label": next(iter(labels(model)))}).file_name()).touch()


def test_a_new_value_is_one_field(label_model):
    asked = GOOD | {"eta": 0.25}
    request = WithEta.check(label_model, asked)
    assert request.to_dict() == asked
    assert request.line().endswith("seed 5 · eta 0.25")
    assert request.file_settings(label_model).sampling.eta == 0.25
    query = {name: str(value) for name, value in asked.items()}
    assert WithEta.from_link(label_model, query) == request
    with pytest.raises(InputError, match="Fresh noise must be a number from 0 to 1, not 2"):
        WithEta.check(label_model, GOOD | {"eta": 2})


def test_every_value_has_a_description():
    assert all(dataclasses.asdict(value)["info"] for value in Request.values().values())
