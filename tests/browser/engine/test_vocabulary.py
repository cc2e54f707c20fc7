"""vocabulary.js: it reads prompts as `Vocabulary.read` does."""

import random
import re
import unicodedata

import pytest

from ldm_core import InputError
from ldm_core.model.vocabulary import STYLES, Vocabulary, make_vocabulary

PLACES = 8
CLASSES = [
    tuple("0123456789"),
    ("T-shirt/top", "boot", "Ankle boot", "Boot", "bag (small)"),
    ("Café", "caf\u0065\u0301s", "STRASSE", "straße", "ΣΊΣΥΦΟΣ", "bold", "to"),
    ("seven", "7", "any", "a.b", "x y", "ıi"),
]
SEPARATORS = [" "] * 6 + ["  ", ", ", "-", ". ", "\n", "\u3000", "\x1f", "\x85", "\ufeff"]
SEPARATORS += [":", ".", ":-", ": ", "..", "…", ",", "\u2019", "\u201c", "\u2013", "\uff1a"]
TYPED = str.maketrans("07abe.:'- ", "\uff10\uff17\uff41\uff42\uff45\uff0e\uff1a\u2019\u2014\n")
READ = """async ({ promptLanguage }, { vocabulary, prompts }) => {
  const language = promptLanguage(vocabulary);
  const { TextConditioning } = await import(new URL("conditioning.js", process.argv[1]));
  const conditioning = new TextConditioning(vocabulary, language);
  const refusal = (prompt) => {
    try {
      conditioning.places([prompt]);
    } catch ({ message }) {
      return message;
    }
  };
  return prompts.map((prompt) => {
    const { rows, label, style, problems } = language.read(prompt);
    return { rows, label, style, problems, message: refusal(prompt) };
  });
}"""


def vocabulary_of(class_names):
    return Vocabulary(make_vocabulary(class_names), len(class_names), PLACES)


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
        [word] * 16
        + [word.translate(TYPED), word + "s", word + ":1.2", f"({word}:.5)", "3,3", "0.7"]
        + [word.upper(), word.lower(), word.title(), word.casefold()]
        + [unicodedata.normalize(form, word) for form in ("NFC", "NFD")]
        + [word[:at] + word[at + 1 :], word[:at] + "q" + word[at:]][: draw.random() < 0.3]
    )


@pytest.mark.parametrize("class_names", CLASSES, ids=lambda names: names[0])
def test_the_browser_reads_as_python_does(node, class_names):
    vocabulary, draw = vocabulary_of(class_names), random.Random(0)
    prompts = [random_prompt(vocabulary, draw) for _ in range(500)]
    given = {"vocabulary": vocabulary.to_dict(), "prompts": prompts}
    kinds = set()
    for prompt, found in zip(prompts, node("vocabulary.js", READ, given), strict=True):
        kinds.add(compare(prompt, found, vocabulary))
    assert kinds >= {"good", "unknown", "class", "style", "length"}


def compare(prompt, found, vocabulary):
    problems = found["problems"]
    try:
        reading = vocabulary.read(prompt)
    except InputError as error:
        assert problems and unquoted(found["message"]) == unquoted(str(error)), prompt
    else:
        assert not problems, prompt
        assert (tuple(found["rows"]), found["label"]) == reading[:2], prompt
        assert found["style"] == reading.style, prompt
        return "good"
    for one in problems:
        if one["kind"] == "unknown":
            assert utf16(prompt)[2 * one["start"] : 2 * one["end"]] == utf16(one["word"])
    return problems[0]["kind"]


def unquoted(message):
    """An error message without its quotations: each language escapes and shortens in its way."""
    return re.sub(r"'[^']*'|\"[^\"]*\"", "''", message)


def utf16(text):
    return text.encode("utf-16-le")


def test_sliders_need_room_too(node):
    state = {"prompt": "a a a a a a bold", "stroke": 1, "lean": 0, "width": 0}
    find = """({ promptLanguage }, { vocabulary, states }) =>
      states.map((state) => promptLanguage(vocabulary).problems(state))"""
    given = {"vocabulary": vocabulary_of(CLASSES[0]).to_dict()}
    fine, full = node("vocabulary.js", find, given | {"states": [state, state | {"lean": 0.5}]})
    assert fine == [] and len(full) == 1
    assert "have 9 words, and there is room for 8" in full[0]["text"]
