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


def test_numbers_of_numpy_can_be_stored():
    settings = FileSettings(count=np.int64(2), seed=np.uint32(3), scale=np.int8(4))
    assert json.loads(json.dumps(settings.to_dict()))["seed"] == 3


def test_a_nested_value_is_refused_by_name():
    with pytest.raises(ValueError, match="steps must be a whole number"):
        FileSettings.from_dict({"steps": {"a": 1}})
