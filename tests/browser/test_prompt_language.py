"""demo/web/prompt.js: it reads as `Vocabulary.read` does, and writes what both read."""

import random
import re
import unicodedata

import pytest

from demo.layout import script
from ldm_core import InputError
from ldm_core.checks import brief
from ldm_core.model.vocabulary import ADVISED, STYLES, Vocabulary, make_vocabulary

PLACES = 8
CLASSES = [
    tuple("0123456789"),
    ("T-shirt/top", "boot", "Ankle boot", "Boot", "bag (small)"),
    ("Café", "caf\u0065\u0301s", "STRASSE", "straße", "ΣΊΣΥΦΟΣ", "bold", "to"),
    ("seven", "7", "any", "a.b", "x y", "ıi"),
]
SEPARATORS = [" "] * 6 + ["  ", ", ", "-", ". ", "\n", "\u3000", "\x1f", "\x85", "\ufeff"]
READ = """(prompts) => prompts.map((prompt) => {
  const { rows, label, style, problems } = language.read(prompt);
  return { rows, label, style, problems };
})"""


@pytest.fixture(scope="module", params=CLASSES, ids=lambda names: names[0])
def vocabulary(request):
    return Vocabulary(make_vocabulary(request.param), len(request.param), PLACES)


@pytest.fixture
def page(browser, vocabulary):
    page = browser.new_page()
    page.add_script_tag(content=script("prompt.js"))
    page.evaluate("(vocabulary) => { language = promptLanguage(vocabulary) }", vocabulary.to_dict())
    yield page
    page.close()


def random_prompt(vocabulary, draw):
    words = [spelling for row in vocabulary.rows for spelling in row]
    words += [phrase for thirds in STYLES.values() for third in thirds.values() for phrase in third]
    return "".join(
        varied(draw.choice(words), draw) + draw.choice(SEPARATORS)
        for _ in range(draw.choice([0, 1, 2, 3, 4, 5, PLACES + 1]))
    )


def varied(word, draw):
    """The word in another form, or with a mistake."""
    at = draw.randrange(len(word))
    return draw.choice(
        [word] * 12
        + [word.upper(), word.lower(), word.title(), word.casefold()]
        + [unicodedata.normalize(form, word) for form in ("NFC", "NFD")]
        + [word[:at] + word[at + 1 :], word[:at] + "q" + word[at:]][: draw.random() < 0.3]
    )


def test_the_browser_reads_as_python_does(page, vocabulary):
    draw = random.Random(0)
    prompts = [random_prompt(vocabulary, draw) for _ in range(1500)]
    kinds = set()
    for prompt, found in zip(prompts, page.evaluate(READ, prompts), strict=True):
        kinds.add(compare(prompt, found, vocabulary))
    assert kinds >= {"good", "unknown", "class", "style", "length"}


def compare(prompt, found, vocabulary):
    problems = found["problems"]
    try:
        reading = vocabulary.read(prompt)
    except InputError as error:
        message = str(error)
    else:
        assert not problems, prompt
        assert (tuple(found["rows"]), found["label"]) == reading[:2], prompt
        assert found["style"] == reading.style, prompt
        return "good"
    assert problems, (prompt, message)
    kind = problems[0]["kind"]
    if kind == "unknown":
        unknown = [one for one in problems if one["kind"] == "unknown"]
        wanted = list(dict.fromkeys((one["word"], one["nearest"]) for one in unknown))[:ADVISED]
        for word, nearest in wanted:
            said = f"the unknown word {brief(word)} (the nearest known one is {brief(nearest)})"
            assert said in message, (prompt, message)
        assert message.count("the unknown word") == len(wanted), (prompt, message)
        for one in unknown:
            assert utf16(prompt)[2 * one["start"] : 2 * one["end"]] == utf16(one["word"])
        return kind
    if kind == "class":  # the names may be joined in another way
        assert message.startswith("A prompt names one class at most, not "), prompt
    else:
        assert problems[0]["text"] == message, prompt
    return kind


def utf16(text):
    return text.encode("utf-16-le")


def test_what_keys_and_sliders_write_says_just_that(page, vocabulary):
    """From good prompts: the value that was changed is said, and all others stay."""
    draw = random.Random(1)
    steps = []
    while len(steps) < 600:
        prompt = random_prompt(vocabulary, draw)
        try:
            reading = vocabulary.read(prompt)
        except InputError:
            continue
        key = draw.choice(["label", *vocabulary.styles])
        classes = [None, *range(vocabulary.n_classes)]
        value = draw.choice(classes if key == "label" else [-1, -0.5, 0, 0.3, 1])
        steps.append((prompt, reading, key, value))
    written = page.evaluate(
        """(steps) => steps.map(([prompt, key, value]) => key === "label"
          ? language.pressed({ prompt, label: value }).prompt
          : language.moved({ prompt, [key]: value }, key).prompt)""",
        [[prompt, key, value] for prompt, _, key, value in steps],
    )
    for (prompt, reading, key, value), text in zip(steps, written, strict=True):
        wanted = {"label": reading.label} | reading.style | {key: value}
        if key != "label" and abs(value) != 1:
            del wanted[key]
        try:
            got = vocabulary.read(text)
        except InputError as error:
            assert "at most" in str(error), (prompt, key, value, text)
            continue
        assert {"label": got.label} | got.style == wanted, (prompt, key, value, text)


DIGIT_STEPS = [
    ("", "label", 7, "seven"),
    ("seven", "label", 3, "three"),
    ("A bold 7, leaning left", "label", 8, "A bold eight leaning left"),
    ("A bold 7, leaning left", "label", 7, "A bold 7, leaning left"),
    ("leaning left", "label", 7, "seven leaning left"),
    ("a bold", "label", 7, "a bold seven"),
    ("bold seven", "label", None, "bold"),
    ("a seven", "label", None, ""),
    ("An eight", "label", 1, "a one"),
    ("a one", "label", 8, "an eight"),
    ("seven eight", "label", 2, "two"),
    ("bol sevn", "label", 2, "bol sevn two"),
    ("seven", "stroke", 1, "bold seven"),
    ("wide seven", "stroke", 1, "bold wide seven"),
    ("bold seven", "width", 1, "bold wide seven"),
    ("bold wide seven", "lean", -1, "bold wide seven leaning left"),
    ("a bold seven", "stroke", -1, "a thin seven"),
    ("a heavy seven", "stroke", 1, "a heavy seven"),
    ("a medium seven", "stroke", 0.3, "a seven"),
    ("a seven leaning to the left", "lean", 0.5, "a seven"),
    ("a seven leaning to the left", "lean", 1, "a seven leaning right"),
    ("upright seven", "lean", 0, "seven"),
    ("seven with bold strokes", "stroke", 0, "seven"),
    ("seven with bold and wide strokes", "stroke", 0, "seven with wide strokes"),
    ("bold and wide seven", "stroke", 0, "wide seven"),
    ("bold and wide seven", "width", 0, "bold seven"),
    ("leaning left", "stroke", -1, "thin leaning left"),
    ("bold", "stroke", 0, ""),
]


@pytest.mark.parametrize("vocabulary", [CLASSES[0]], ids=["digits"], indirect=True)
def test_prompts_are_written_as_people_write_them(page):
    for prompt, key, value, wanted in DIGIT_STEPS:
        text = page.evaluate(
            """([prompt, key, value]) => key === "label"
              ? language.pressed({ prompt, label: value }).prompt
              : language.moved({ prompt, [key]: value }, key).prompt""",
            [prompt, key, value],
        )
        assert text == wanted, (prompt, key, value)


@pytest.mark.parametrize("vocabulary", [CLASSES[0]], ids=["digits"], indirect=True)
def test_keys_and_sliders_follow_what_is_typed(page):
    def typed(prompt, **state):
        before = {"label": 7, "stroke": 0, "lean": 0, "width": 0} | state
        after = page.evaluate("language.typed", before | {"prompt": prompt})
        return [after[name] for name in ("label", "stroke", "lean", "width")]

    assert typed("bold seven leaning right") == [7, 1, 1, 0]
    assert typed("narrow", stroke=1, lean=0.4) == [None, 0, 0.4, -1]
    assert typed("medium upright 3", stroke=0.5, lean=-0.5) == [3, 0, 0, 0]
    assert typed("seven eight", label=2) == [2, 0, 0, 0]  # no key is right
    assert typed("bol seven") == [7, 0, 0, 0]


@pytest.mark.parametrize("vocabulary", [CLASSES[0]], ids=["digits"], indirect=True)
def test_sliders_need_room_too(page):
    state = {"prompt": "a a a a a a bold", "stroke": 1, "lean": 0, "width": 0}
    assert page.evaluate("language.problems", state) == []
    (problem,) = page.evaluate("language.problems", state | {"lean": 0.5})
    assert "have 9 words, and there is room for 8" in problem["text"]


def test_all_examples_are_known(page, vocabulary):
    examples = page.evaluate("language.examples()")
    assert len(examples) >= 2
    for prompt in examples:
        assert re.search(r"\w", prompt) and vocabulary.read(prompt)
