"""What is asked of a file."""

import json

import numpy as np
import pytest

from ldm_core.output.file_settings import (
    STRENGTH,
    FileSettings,
    ask,
    asked_of,
    picture_text,
    read_picture_text,
    settle,
    split_point,
)

PICTURE = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
TEXT = picture_text(PICTURE)
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


# Pictures to start from, and morphs


def test_a_picture_in_settings_comes_back():
    assert np.array_equal(read_picture_text("start_from", TEXT), PICTURE)
    mask = PICTURE > 127
    assert np.array_equal(read_picture_text("mask", picture_text(mask)), mask * 255)
    assert len(TEXT) == 1048


def test_what_a_start_leaves_open_is_filled_in_and_can_be_stored():
    cases = {
        (): (STRENGTH, None),
        ("mask",): (1.0, 5),
        ("mask", "strength"): (0.3, 5),
        ("mask", "resample"): (1.0, 2),
        ("invert",): (None, None),
        ("invert", "mask"): (None, 5),
    }
    values = {"mask": TEXT, "strength": 0.3, "resample": 2, "invert": "a bold 7"}
    for names, expected in cases.items():
        settings = FileSettings(start_from=TEXT, **{name: values[name] for name in names})
        assert (settings.strength, settings.resample) == expected
        assert FileSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert FileSettings().strength is None


def test_a_morph_is_stored_too_and_has_no_seed_of_its_own():
    settings = FileSettings(morph=("3:7", "8:11"), frames=4, loop=True)
    assert settle(settings, [], CLOTHES) == settings
    assert FileSettings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


@pytest.mark.parametrize(
    ("point", "parts"),
    [("3:7", ("3", 7)), ("a bold 7:0", ("a bold 7", 0)), (":5", ("", 5)), ("a:b:4", ("a:b", 4))],
)
def test_a_point_is_what_to_draw_and_a_seed(point, parts):
    assert split_point(point) == parts


def test_what_is_asked_in_a_word_is_a_label_if_it_can_be():
    asked = {"bag": 2, "1": 1, "any": None, "*": None, "a bold bag": "a bold bag", "": "", "9": "9"}
    assert {text: ask(text, CLOTHES) for text in asked} == asked


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"strength": 0.5}, "strength is about a picture to start from: give start_from"),
        ({"invert": "7"}, "invert is about a picture to start from"),
        ({"mask": TEXT}, "mask is about a picture to start from"),
        ({"resample": 3}, "resample is about a picture to start from"),
        ({"start_from": TEXT, "resample": 3}, "resample is about what a mask leaves to draw"),
        ({"start_from": TEXT, "strength": 1.1}, "strength must be a number from 0 to 1, not 1.1"),
        ({"start_from": TEXT, "strength": "1"}, "strength must be a number from 0 to 1, not '1'"),
        ({"start_from": TEXT, "strength": 1, "invert": "7"}, "strength and invert both say how"),
        ({"start_from": TEXT, "invert": 7}, "invert must be text, not 7"),
        ({"start_from": TEXT, "mask": TEXT, "resample": 0}, "resample must be a whole number"),
        ({"start_from": TEXT[4:]}, "start_from must be a picture of 28 x 28 greys in base64, not"),
        ({"start_from": "nö"}, "start_from must be a picture of 28 x 28 greys in base64"),
        ({"start_from": 7}, "start_from must be a picture of 28 x 28 greys in base64, not 7"),
        ({"start_from": TEXT, "mask": "!" + TEXT[1:]}, "mask must be a picture of 28 x 28 greys"),
        ({"morph": ("3:7", "8")}, "a colon and a seed, as \"3:7\", not '8'"),
        ({"morph": ("3:7", "8:x")}, "a colon and a seed"),
        ({"morph": ("3:7", "8:-1")}, "a colon and a seed"),
        ({"morph": ("3:7", 8)}, 'a colon and a seed, as "3:7", not 8'),
        ({"morph": "3:7"}, "morph must be a list of points"),
        ({"morph": ("3:7", "8:4294967296")}, "The seed of a point must be a whole number from 0"),
        ({"morph": ("3:7", "8:11"), "label": "3"}, "The points of a morph .*: leave out label"),
        ({"morph": ("3:7", "8:11"), "seed": 3}, "The points of a morph .*: leave out seed"),
        ({"morph": ("3:7", "8:11"), "start_from": TEXT}, "leave out start_from"),
        ({"morph": ("3:7", "8:11"), "frames": 0}, "frames must be a whole number from 1 to 1000"),
        ({"loop": 1}, "loop must be true or false, not 1"),
    ],
)
def test_starts_and_morphs_that_cannot_be_meant_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        FileSettings.from_dict(values)
