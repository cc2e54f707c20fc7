"""One rule for what people write, at all entrances."""

import unicodedata

import pytest

from ldm_core.model.class_names import find_label, find_labels, label_text

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "Trouser", "Bag")
ACCENT = "caf\u00e9"


@pytest.mark.parametrize(
    ("text", "names", "labels"),
    [
        ("7", DIGITS, [7]),
        ("3-5", DIGITS, [3, 4, 5]),
        ("any", DIGITS, [None]),
        # case, where it decides nothing
        ("trouser", CLOTHES, [1]),
        # numbers count classes where no name is a number
        ("0-1", CLOTHES, [0, 1]),
        # an exact name wins
        ("A", ("a", "A"), [1]),
        ("0-1", ("b", "0-1", "a"), [1]),
        ("any", ("any", "b"), [0]),
        ("*", ("any", "b"), [None]),
        # numbers mean names where names are numbers
        ("1-3", tuple("123456789"), [0, 1, 2]),
        # the other Unicode form
        (unicodedata.normalize("NFD", ACCENT), ("tea", ACCENT), [1]),
        (ACCENT.upper(), ("tea", unicodedata.normalize("NFD", ACCENT)), [1]),
        ("STRASSE", ("Straße", "Weg"), [0]),
    ],
)
def test_a_text_means(text, names, labels):
    assert find_labels(text, names) == labels


@pytest.mark.parametrize(
    ("text", "names", "message"),
    [
        *((text, CLOTHES, r"a class \(T-shirt/top, Trouser, Bag\)") for text in ("", "3", "2-1")),
        *((text, CLOTHES, "its number from 0 to 2") for text in ("0-3", "-1", "1-", "bags", "１")),
        ("1" * 30, CLOTHES, "a range such as 0-2, or any, not"),
        ("0", tuple("123456789"), "a range of them, or any, not '0'"),
        ("aB", ("AB", "ab"), r"a class \(AB, ab\).* not 'aB'"),
        ("b", ("any", "c"), r"or \*, not 'b'"),
    ],
)
def test_what_is_no_class_is_refused(text, names, message):
    with pytest.raises(ValueError, match=message):
        find_labels(text, names)


def test_one_label_is_no_range():
    assert find_label("1", DIGITS) == 1
    with pytest.raises(ValueError, match="must be one class, not the range '1-2'"):
        find_label("1-2", DIGITS)


@pytest.mark.parametrize(
    "names",
    [DIGITS, CLOTHES, ("A", "a"), ("any", "ANY", "0"), ("Any", "b"), tuple("123"), ("0-1", "1")]
    + [("caf\udce9", "b")],
)
def test_what_is_stored_is_found_again(names):
    """A class, or none, comes back from the text that files and links store."""
    for label in [None, *range(len(names))]:
        assert find_label(label_text(label, names), names) == label
