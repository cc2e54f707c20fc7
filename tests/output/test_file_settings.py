"""The settings of a file: typed where they are used, flat where they are stored."""

import json

import numpy as np
import pytest

from ldm_core import SamplingSettings
from ldm_core.output.file_settings import (
    BLANK,
    STRENGTH,
    FileSettings,
    FromPicture,
    Images,
    Look,
    Morph,
    Words,
    picture_text,
    prompt_of,
    read_picture_text,
    split_point,
)

PICTURE = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
TEXT = picture_text(PICTURE)
CLOTHES = ("T-shirt/top", "Trouser", "Bag")


def again(settings: FileSettings) -> FileSettings:
    return FileSettings.from_dict(json.loads(json.dumps(settings.to_dict())))


@pytest.mark.parametrize(
    ("text", "stored", "count"),
    [("TROUSER", "Trouser", 1), ("2", "Bag", 1), ("Any", "any", 1), ("0-1", "0-1", 2)]
    + [(None, None, 3)],
)
def test_settled_images_have_the_exact_name_of_a_class_a_count_and_a_seed(text, stored, count):
    images = Images(label=text)
    settled = images.settled(CLOTHES)
    assert (settled.label, settled.count) == (stored, count)
    assert settled.prompts(CLOTHES) == images.prompts(CLOTHES)
    assert settled.settled(CLOTHES) == settled
    assert settled.seed != images.settled(CLOTHES).seed


def test_each_kind_of_request_is_flat_in_json_and_comes_back():
    cases = [
        ({}, FileSettings()),
        (
            {"guidance_scale": 2.0, "guidance_interval": [0.1, 0.5]},
            FileSettings(SamplingSettings(guidance_scale=2, guidance_interval=(0.1, 0.5))),
        ),
        (
            {"negative_prompt": "thin", "stroke": 0.5, "prompt": "a bag", "count": 2, "seed": 3},
            FileSettings(
                words=Words("thin", stroke=0.5), images=Images(prompt="a bag", count=2, seed=3)
            ),
        ),
        ({"show": "both", "scale": 3}, FileSettings(look=Look("both", scale=3))),
        (
            {"start_from": TEXT, "strength": 0.3, "label": "2"},
            FileSettings(images=Images(label="2", start=FromPicture(TEXT, strength=0.3))),
        ),
        (
            {"start_from": TEXT, "invert": "a bag", "mask": TEXT, "resample": 2},
            FileSettings(images=Images(start=FromPicture(TEXT, None, "a bag", TEXT, 2))),
        ),
        (
            {"morph": ["3:7", "8:11"], "frames": 4, "loop": True},
            FileSettings(images=Morph(("3:7", "8:11"), 4, True)),
        ),
    ]
    for flat, settings in cases:
        stored = json.loads(json.dumps(settings.to_dict()))
        assert stored == json.loads(json.dumps(BLANK)) | flat
        assert list(stored) == list(BLANK)
        assert FileSettings.from_dict(flat) == FileSettings.from_dict(stored) == settings


@pytest.mark.parametrize(
    ("given", "strength", "resample"),
    [
        ({}, STRENGTH, None),
        ({"mask": TEXT}, 1.0, 5),
        ({"mask": TEXT, "strength": 0.3}, 0.3, 5),
        ({"mask": TEXT, "resample": 2}, 1.0, 2),
        ({"invert": "a bold 7"}, None, None),
        ({"invert": "a bold 7", "mask": TEXT}, None, 5),
    ],
)
def test_what_a_start_leaves_open_is_filled_in(given, strength, resample):
    settings = FileSettings.from_dict({"start_from": TEXT} | given)
    stored = settings.to_dict()
    assert (stored["strength"], stored["resample"]) == (strength, resample)
    assert again(settings) == settings


def test_options_are_those_of_denoise():
    settings = FileSettings(SamplingSettings(steps=3), Words("thin", np.float32(0.5), lean=-1))
    assert settings.options == {
        "negative": "thin",
        "style": {"stroke": 0.5, "lean": -1},
        "settings": settings.sampling,
    }
    assert FileSettings().options["style"] == {}


def test_numbers_of_numpy_can_be_stored():
    given = {"count": np.int64(2), "seed": np.uint32(3), "scale": np.int8(4), "eta": np.float32(0)}
    assert again(FileSettings.from_dict(given)).images.seed == 3


def test_a_picture_in_settings_comes_back():
    assert np.array_equal(read_picture_text("start_from", TEXT), PICTURE)
    mask = PICTURE > 127
    assert np.array_equal(read_picture_text("mask", picture_text(mask)), mask * 255)
    picture = FromPicture(TEXT, mask=picture_text(mask), resample=3)
    assert np.array_equal(picture.pixels(2), np.stack([PICTURE] * 2))
    assert np.array_equal(picture.keep(2).mask[1], mask)
    assert picture.keep(2).resample == 3 and FromPicture(TEXT).keep(1) is None


@pytest.mark.parametrize(
    ("point", "parts"),
    [("3:7", ("3", 7)), ("a bold 7:0", ("a bold 7", 0)), (":5", ("", 5)), ("a:b:4", ("a:b", 4))],
)
def test_a_point_is_a_prompt_and_a_seed(point, parts):
    assert split_point(point) == parts


def test_a_text_is_a_label_if_it_can_be():
    prompts = {"bag": 2, "1": 1, "any": None, "*": None, "a bold bag": "a bold bag", "": ""}
    assert {text: prompt_of(text, CLOTHES) for text in prompts} == prompts


START, POINTS = {"start_from": TEXT}, {"morph": ("3:7", "8:11")}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"height": 1}, "have no height; they have guidance_scale, steps"),
        ({"stroke": -1.1}, "stroke must be a number from -1 to 1, not -1.1"),
        ({"strength": 0.5}, "strength has no effect without start_from"),
        ({"frames": 3}, "frames has no effect without morph"),
        (START | {"resample": 3}, "resample has no effect without mask"),
        (START | {"strength": 1, "invert": "7"}, "strength has no effect beside invert"),
        ({"start_from": TEXT[4:]}, "start_from must be a picture of 28 x 28 greys in base64, not"),
        ({"morph": ("3:7", "8")}, "a colon and a seed, as \"3:7\", not '8'"),
        ({"morph": ("3:7", "8:4294967296")}, "The seed of a point must be a whole number from 0"),
        (POINTS | {"label": "3"}, "label has no effect on a morph"),
        (POINTS | START, "start_from has no effect on a morph"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        FileSettings.from_dict(values)
