"""What is asked of a file."""

import json

import numpy as np
import pytest

from ldm_core.output.file_settings import FileSettings, asked_of, settle

CLOTHES = ("T-shirt/top", "Trouser", "Bag")


@pytest.mark.parametrize(
    ("text", "labels"),
    [(None, [0, 1, 2]), ("any", [None]), ("ANY", [None]), ("trouser", [1]), ("T-shirt/top", [0])]
    + [("2", [2]), ("0-1", [0, 1]), ("2-2", [2])],
)
def test_labels_have_names_numbers_and_ranges(text, labels):
    assert asked_of(FileSettings(label=text), CLOTHES) == labels


@pytest.mark.parametrize("text", ["", "3", "2-1", "0-3", "-1", "1-", "bags", "١", "1" * 30])
def test_a_label_that_is_none_names_the_classes(text):
    with pytest.raises(ValueError, match="Trouser.*from 0 to 2.*or any, not"):
        asked_of(FileSettings(label=text), CLOTHES)


@pytest.mark.parametrize(
    ("text", "stored"),
    [("TROUSER", "Trouser"), ("2", "Bag"), ("Any", "any"), ("0-1", "0-1"), (None, None)],
)
def test_a_file_stores_the_very_name_of_a_class(text, stored):
    settings = FileSettings(label=text)
    settled = settle(settings, asked_of(settings, CLOTHES), CLOTHES)
    assert settled.label == stored
    assert asked_of(settled, CLOTHES) == asked_of(settings, CLOTHES)


@pytest.mark.parametrize("prompt", ["", "a bold 7", "  Trouser "])
def test_a_prompt_is_asked_and_stored_as_it_is_written(prompt):
    settings = FileSettings(prompt=prompt, count=None)
    assert asked_of(settings, CLOTHES) == [prompt]
    settled = settle(settings, [prompt], CLOTHES)
    assert (settled.prompt, settled.label, settled.count) == (prompt, None, 1)
    assert FileSettings.from_dict(json.loads(json.dumps(settled.to_dict()))) == settled


def test_options_hold_the_words_that_are_said():
    settings = FileSettings(negative_prompt="thin", stroke=np.float32(0.5), lean=-1)
    assert settings.options["negative"] == "thin"
    assert settings.options["style"] == {"stroke": 0.5, "lean": -1}
    json.dumps(settings.to_dict())
    assert FileSettings().options["negative"] is None
    assert FileSettings().options["style"] == {}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"prompt": 7}, "prompt must be text, not 7"),
        ({"negative_prompt": {"thin": 1}}, "negative_prompt must be text, not {'thin': 1}"),
        ({"label": 7}, "label must be text, not 7"),
        ({"label": "7", "prompt": "7"}, "label and prompt both say what to draw"),
        ({"label": "any", "prompt": ""}, "label and prompt both say what to draw"),
        ({"stroke": -1.1}, "stroke must be a number from -1 to 1, not -1.1"),
        ({"lean": None}, "lean must be a number from -1 to 1, not empty"),
        ({"width": "wide"}, "width must be a number from -1 to 1, not 'wide'"),
        ({"height": 1}, "FileSettings does not know height"),
    ],
)
def test_words_that_cannot_be_meant_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        FileSettings.from_dict(values)


def test_numbers_of_numpy_can_be_stored():
    settings = FileSettings(count=np.int64(2), seed=np.uint32(3), scale=np.int8(4))
    assert json.loads(json.dumps(settings.to_dict()))["seed"] == 3


def test_a_nested_value_is_refused_by_name():
    with pytest.raises(ValueError, match="steps must be a whole number"):
        FileSettings.from_dict({"steps": {"a": 1}})
