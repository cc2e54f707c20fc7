"""What is asked of a file."""

import pytest

from ldm_core.output.file_settings import parse_label


@pytest.mark.parametrize(
    ("text", "labels"),
    [(None, [0, 1, 2]), ("any", [None]), ("ANY", [None]), ("trouser", [1]), ("T-shirt/top", [0])]
    + [("2", [2]), ("0-1", [0, 1]), ("2-2", [2])],
)
def test_labels_have_names_numbers_and_ranges(text, labels):
    assert parse_label(text, ("T-shirt/top", "Trouser", "Bag")) == labels


@pytest.mark.parametrize("text", ["", "3", "2-1", "0-3", "-1", "1-", "bags", "١", "1" * 30])
def test_a_label_that_is_none_names_the_classes(text):
    with pytest.raises(ValueError, match="Trouser.*from 0 to 2.*or any, not"):
        parse_label(text, ("T-shirt/top", "Trouser", "Bag"))
