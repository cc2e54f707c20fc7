"""From a prompt to known words, and to what they say."""

import random
import time
import unicodedata

import pytest

from ldm_core.checks import InputError
from ldm_core.model.vocabulary import HIGH, LOW, STYLES, Vocabulary, make_vocabulary

DIGITS = tuple("0123456789")
CLOTHES = ("T-shirt/top", "boot", "ankle boot", "Bag")
ODD = ("a", "A", "left", "Bold", "z", "z ", "-", ", .", "été", "c++ (new)", "Straße", "1")
ACCENT = "caf\u00e9"


def vocabulary(names=DIGITS, places=12) -> Vocabulary:
    return Vocabulary(make_vocabulary(names), len(names), places)


def says(prompt: str, names=DIGITS):
    reading = vocabulary(names).read(prompt)
    return reading.label, reading.style


@pytest.mark.parametrize(
    ("prompt", "label", "style"),
    [
        ("", None, {}),
        (" ,. \n", None, {}),
        ("7", 7, {}),
        ("bold-seven", 7, {"stroke": HIGH}),
        ("thick and heavy", None, {"stroke": HIGH}),
        ("a picture of a thin seven slanted to the left", 7, {"stroke": LOW, "lean": LOW}),
        ("leaning", None, {}),  # to which side is said by the word that follows
        ("left", None, {"lean": LOW}),
        # white space of any kind is one space
        ("seven\nleaning left", 7, {"lean": LOW}),
        ("\ta\u00a0bold\r\n seven\u3000", 7, {"stroke": HIGH}),
        # what phones write by themselves
        ("\u201ca bold seven\u201d", 7, {"stroke": HIGH}),
        ("bold\u2013seven \u2014 thick", 7, {"stroke": HIGH}),
        ("bold\u20267", 7, {"stroke": HIGH}),
        ("\uff42\uff4f\uff4c\uff44\uff0c\uff17\uff0e", 7, {"stroke": HIGH}),
        ("bold-7. Wide", 7, {"stroke": HIGH, "width": HIGH}),
    ],
)
def test_a_prompt_says(prompt, label, style):
    assert says(prompt) == (label, style)


def test_every_phrase_of_style_says_its_third():
    words = vocabulary()
    for name, thirds in STYLES.items():
        for third, phrases in thirds.items():
            assert [words.write(phrase) for phrase in words.phrases(name, third)] == list(phrases)
            for phrase in phrases:
                assert words.read(phrase).style == {name: third}


def test_each_word_is_one_row_whatever_its_spelling():
    words = vocabulary()
    assert words.read("seven").rows == words.read("7").rows == (words.class_row(7),)
    assert words.read("a seven").rows == (words.row("a"), words.class_row(7))
    assert words.row("seven") is None  # a class is no other word
    assert words.row("sofa") is None
    rows = make_vocabulary(DIGITS)
    assert rows[0] == ()
    assert rows[8] == ("seven", "7")
    spellings = [spelling for row in rows for spelling in row]
    assert len(spellings) == len(set(spellings))


@pytest.mark.parametrize(
    ("names", "prompt", "label"),
    [
        (CLOTHES, "a bold Ankle Boot", 2),
        (CLOTHES, "t-shirt/TOP, thin", 0),
        # an exact spelling goes before others
        (ODD, "a", 0),
        # names that are words of style or small words elsewhere
        (ODD, "left", 2),
        # separators in names
        (ODD, "z ", 5),
        (ODD, "wide , .", 7),
        # characters that mean something in a pattern
        (ODD, "thin c++ (NEW)", 9),
        # Unicode forms and letters of another case
        (ODD, unicodedata.normalize("NFD", "thin ÉTÉ"), 8),
        (ODD, "thin STRASSE", 10),
        # a name may be how another class is spelled as a number
        (("7", "seven"), "seven", 1),
        (("7", "Seven"), "seven", 1),
        # a name may be the words of a phrase
        (("leaning left", "b"), "leaning left", 0),
        (("caf\udce9", "b"), r"thin caf\udce9", 0),
        # white space, quotes, dashes and full-width characters as people type them
        (CLOTHES, "a bold ankle\n  boot", 2),
        (CLOTHES, "thin T\u2013shirt\uff0ftop", 0),
        (("women's", "v1.5"), "thin women\u2019s", 0),
    ],
)
def test_names_of_classes_go_first_and_are_one_word(names, prompt, label):
    reading = vocabulary(names).read(prompt)
    assert reading.label == label
    assert [row for row in reading.rows if row <= len(names)] == [1 + label]


@pytest.mark.parametrize("names", [DIGITS, CLOTHES, ODD, ("leaning left", "thin", "medium")])
def test_every_class_is_found_by_its_name_and_by_what_is_written_of_it(names):
    words = vocabulary(names)
    for label, name in enumerate(names):
        assert words.read(name).label == label
        assert words.read(words.write((words.class_row(label),))).label == label


def test_two_names_that_look_the_same_are_refused_when_the_vocabulary_is_made():
    with pytest.raises(InputError, match="Two classes are both called 'café': rename one"):
        make_vocabulary(("tea", ACCENT, unicodedata.normalize("NFD", ACCENT)))
    assert vocabulary(("ab", "aB")).read("aB").label == 1


def test_style_needs_words_for_all_thirds():
    assert vocabulary().styles == ("stroke", "lean", "width")
    assert vocabulary(ODD).styles == ("stroke", "width")  # no "left" to lean to
    words = vocabulary(("bold", "normal"))
    assert words.styles == ("stroke", "lean")
    assert words.write(words.phrases("stroke", HIGH)[0]) == "thick"
    assert words.read("narrow") == ((words.row("narrow"),), None, {})
    words = vocabulary(("leaning left", "b"))
    assert words.write(words.phrases("lean", LOW)[0]) == "slanted left"


@pytest.mark.parametrize(
    ("prompt", "names", "message"),
    [
        (
            "a bald sevn",
            DIGITS,
            "The prompt has the unknown word 'bald' (the nearest known one is 'bold') and the "
            "unknown word 'sevn' (the nearest known one is 'seven').",
        ),
        ("fıve", DIGITS, "the unknown word 'fıve' (the nearest known one is 'five')"),
        ("6 and 7", DIGITS, "A prompt names one class at most, not six and seven."),
        ("Bag, ankle boot", CLOTHES, "A prompt names one class at most, not Bag and ankle boot."),
        ("bold thin 3", DIGITS, "A prompt says one thing about stroke, not bold and thin."),
        ("a " * 13, DIGITS, "A prompt has at most 12 words, not 13."),
        ("AB", ("ab", "aB"), "the unknown word 'AB' (the nearest known one is 'ab')"),
    ],
)
def test_what_is_not_understood_is_refused_in_plain_words(prompt, names, message):
    with pytest.raises(InputError) as caught:
        vocabulary(names).read(prompt)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "prompt",
    ["bold:1.1", "bold:-1", "1.1", ".5", "seven:3", "(bold:1.3)", "bold*2", "50%", "3.3, wide"]
    + ["a bold: 1.1", "seven::2", "bold\uff1a1\uff0e1"],
)
def test_weights_and_other_numbers_are_no_words(prompt):
    """Those of another program: the figures must not name a class."""
    with pytest.raises(InputError, match="The prompt has the unknown word"):
        vocabulary().read(prompt)


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("two sevens", ("'sevens'", "not two and seven", "Write 'two' or 'seven'")),
        ("thin bold 3s 4", ("not thin and bold", "'3s'", "Write 'three' or 'four'")),
    ],
)
def test_a_refusal_says_all_that_is_wrong(prompt, said):
    with pytest.raises(InputError) as caught:
        vocabulary().read(prompt)
    for part in said:
        assert part in str(caught.value)


def test_of_many_unknown_words_a_few_are_named():
    prompt = " ".join(f"q{i}" for i in range(50_000)) + "\n" + "x" * 100_000
    start = time.monotonic()
    with pytest.raises(InputError) as caught:
        vocabulary().read(prompt)
    assert time.monotonic() - start < 5
    assert "'q0'" in str(caught.value)
    assert str(caught.value).endswith(" and 49998 more.")
    assert len(str(caught.value)) < 400


ALPHABET = [
    *("seven", "7", "SEVEN", "bold", "leaning", "left", "to", "a", "A", "ankle boot", "été", "É"),
    *(":", ".", "1.1", "\u201c", "\u2019", "\u2013", "\u2026"),
    *(" ", ",", "-", "\n", "\0", "\ud800", "\u0301", "İ", "ı", "ſ", "ß", "７", "🙂", "\u2028", "("),
]


@pytest.mark.parametrize("names", [DIGITS, CLOTHES, ODD], ids=["digits", "clothes", "odd"])
def test_any_text_is_read_or_refused(names):
    """And what is written of a reading reads back the same."""
    chance, words, read = random.Random(0), vocabulary(names), 0
    parts = [*ALPHABET, *names]
    for _ in range(1000):
        prompt = "".join(chance.choice(parts) for _ in range(chance.randrange(8)))
        if chance.random() < 0.7:
            prompt = " ".join(prompt.split())
        if chance.random() < 0.2:
            prompt += chr(chance.randrange(0x110000))
        try:
            reading = words.read(prompt)
        except InputError as error:
            assert str(error).isprintable(), ascii(prompt)  # one line, for any terminal
            continue
        read += bool(reading.rows)
        assert words.read(words.write(reading.rows)) == reading, ascii(prompt)
    assert read > 50
