"""Words: which ones a model knows, and how a prompt becomes a sequence of them.

Each word is a row of the embedding table. Row 0 is the empty word. The rows after it are the
classes in their order, one each, even where a name consists of several words. The rest are words of
style and small words. A row may have several spellings, such as "seven" and "7".
"""

import difflib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from ..checks import InputError, brief
from .class_names import composed, folded, typed, written

EMPTY = 0  # the row of the empty word
LOW, MIDDLE, HIGH = -1, 0, 1  # the thirds of a measurement; a slider ends at LOW and at HIGH

# What can be said of the style of a picture: for each property, the phrases of its lowest, middle
# and highest third. The last word of a phrase decides. The first phrase is the one to write.
STYLES = {
    "stroke": {
        LOW: ("thin", "light", "fine"),
        MIDDLE: ("medium",),
        HIGH: ("bold", "thick", "heavy"),
    },
    "lean": {
        LOW: ("leaning left", "slanted left", "tilted left"),
        MIDDLE: ("upright", "vertical"),
        HIGH: ("leaning right", "slanted right", "tilted right"),
    },
    "width": {LOW: ("narrow", "slim"), MIDDLE: ("normal",), HIGH: ("wide", "broad")},
}
# Words that carry no style; they are known so that a prompt may be a sentence.
SMALL_WORDS = ("a", "an", "the", "of", "and", "with", "to", "picture", "strokes")
NUMBER_NOUNS = ("digit", "number")  # of models whose classes are all numbers
FIGURES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
NUMBER_WORDS = {str(figure): word for figure, word in enumerate(FIGURES)}
# Dots and a colon before a figure separate nothing: "bold:1.1" must not name a 1.
SEPARATOR = r"""(?:[\s,;!?\-'"…]|\.\.+|[.:](?![-+]?\.?[0-9]))"""
GAP = re.compile(SEPARATOR)
UNKNOWN = re.compile(rf"(?:(?!{SEPARATOR}).)+", re.DOTALL)
ADVISED = 3  # unknown words that an error names

Phrase = tuple[int, ...]  # its words, as rows


def make_vocabulary(class_names: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The rows of a model for these classes, each with its spellings, first the one to write.

    The names of classes go first: a word of style or a small word with the same letters is left
    out, so that a word never has two meanings. Raises InputError for two names that differ in
    their Unicode form only.
    """
    names = list(map(written, class_names))
    if twins := [name for name in names if names.count(name) > 1]:
        raise InputError(f"Two classes are both called {brief(twins[0])}: rename one.")
    alike = set(map(folded, names))
    number_word = {n: word for n, word in NUMBER_WORDS.items() if word not in alike}
    classes = [(number_word[name], name) if name in number_word else (name,) for name in names]
    others = [*SMALL_WORDS, *(NUMBER_NOUNS if all(map(str.isdecimal, names)) else ())]
    for thirds in STYLES.values():
        others += [word for phrases in thirds.values() for p in phrases for word in p.split()]
    taken = {folded(spelling) for row in classes for spelling in row}
    return ((), *classes, *((word,) for word in dict.fromkeys(others) if word not in taken))


class Reading(NamedTuple):
    """What a prompt says. rows: its words, in their order. label: the class that it names, or None.
    style: LOW, MIDDLE or HIGH, for each property of which it speaks."""

    rows: Phrase
    label: int | None
    style: dict[str, int]


class Vocabulary:
    """The words of one model. n_positions: how many words a prompt may have."""

    def __init__(self, rows: Sequence[Sequence[str]], n_classes: int, n_positions: int):
        self.rows, self.n_classes, self.n_positions = rows, n_classes, n_positions
        spellings = [(spelling, i) for i, row in enumerate(rows) for spelling in row]
        # Two classes may differ only in case: the exact spelling goes first.
        self._tables = [(form, _table(form, spellings)) for form in (composed, folded)]
        self._known = _pattern(spelling for spelling, _ in spellings)
        self._phrases = {
            (name, third): found
            for name, thirds in STYLES.items()
            for third, phrases in thirds.items()
            if (found := [rows for phrase in phrases if (rows := self._phrase(phrase))])
        }
        # The properties of which every third can be said.
        self.styles = tuple(
            name for name in STYLES if all((name, t) in self._phrases for t in (LOW, MIDDLE, HIGH))
        )
        self._meaning = {
            phrase[-1]: (name, third)
            for (name, third), phrases in self._phrases.items()
            for phrase in phrases
            if name in self.styles
        }

    def phrases(self, name: str, third: int) -> list[Phrase]:
        """All phrases for the third of a property; the first is the one to write."""
        return self._phrases[name, third]

    def write(self, phrase: Phrase) -> str:
        return " ".join(self.rows[row][0] for row in phrase)

    def row(self, word: str) -> int | None:
        """The row of a word that is no class; None where this model lacks it."""
        rows = self._tables[0][1].get(word, [EMPTY])
        return rows[0] if rows[0] > self.n_classes else None

    def class_row(self, label: int) -> int:
        return 1 + label

    def to_dict(self) -> dict[str, Any]:
        """All that `read` goes by, for JSON: the page reads prompts in the browser too.

        styles: for each property the phrases of its lowest, middle and highest third. small: the
        rows of the small words.
        """
        return {
            "rows": self.rows,
            "n_classes": self.n_classes,
            "places": self.n_positions,
            "styles": {
                name: [self.phrases(name, third) for third in (LOW, MIDDLE, HIGH)]
                for name in self.styles
            },
            "small": [row for word in SMALL_WORDS if (row := self.row(word))],
        }

    def read(self, prompt: str) -> Reading:
        """The words of a prompt and what they say.

        Raises InputError, which says all that is wrong: words that are not known, with the nearest
        ones that are; too many words; two classes, or two thirds of one property.
        """
        tokens = list(self._tokens(prompt))
        rows = tuple(row for row, _ in tokens if row)
        problems = list(self._unknown([text for row, text in tokens if not row]))
        if not problems and len(rows) > self.n_positions:
            problems.append(f"A prompt has at most {self.n_positions} words, not {len(rows)}.")
        # "two sevens" names two: who mends the unknown word should not meet the next refusal.
        named = (row or self._singular(text) for row, text in tokens)
        classes = list(dict.fromkeys(row for row in named if row and row <= self.n_classes))
        if len(classes) > 1:
            first, second = (self.write((row,)) for row in classes[:2])
            problems.append(
                f"A prompt names one class at most, not {first} and {second}. "
                f"Write {brief(first)} or {brief(second)}."
            )
        style: dict[str, int] = {}
        differ = {}  # of a property: the first two thirds that are said
        for name, third in (self._meaning[row] for row in rows if row in self._meaning):
            if style.setdefault(name, third) != third:
                differ.setdefault(name, (style[name], third))
        for name, thirds in differ.items():
            said = " and ".join(self.write(self.phrases(name, third)[0]) for third in thirds)
            problems.append(f"A prompt says one thing about {name}, not {said}.")
        if problems:
            raise InputError(" ".join(problems))
        return Reading(rows, classes[0] - 1 if classes else None, style)

    def _tokens(self, prompt: str) -> Iterator[tuple[int | None, str]]:
        """Each word as its row and its text; the row of an unknown word is None."""
        text, at = typed(prompt), 0
        while at < len(text):
            known = self._known.match(text, at)
            if known and (row := self._row(prompt[at : known.end()])):
                yield row, prompt[at : known.end()]
                at = known.end()
            elif match := GAP.match(text, at):
                at = match.end()
            else:
                end = UNKNOWN.match(text, at).end()
                yield None, prompt[at:end]
                at = end

    def _unknown(self, words: Sequence[str]) -> Iterator[str]:
        words = list(dict.fromkeys(words))
        if words:
            said = list(map(self._advice, words[:ADVISED]))
            said += [f"{len(words) - ADVISED} more"] if len(words) > ADVISED else []
            yield f"The prompt has {' and '.join(said)}."

    def _singular(self, word: str) -> int | None:
        """The row of the class of which a word is the plural."""
        return next(
            (row for end in ("s", "es") if (row := self._row(word.removesuffix(end)))), None
        )

    def _row(self, spelling: str) -> int | None:
        for form, table in self._tables:
            found = table.get(form(spelling), [])
            if len(found) == 1:
                return found[0]
        return None

    def _advice(self, word: str) -> str:
        spellings = [spelling for row in self.rows for spelling in row]
        likeness = difflib.SequenceMatcher(b=folded(word))

        def score(spelling: str) -> float:
            likeness.set_seq1(folded(spelling))
            return likeness.ratio()

        nearest = max(spellings, key=score)
        return f"the unknown word {brief(word)} (the nearest known one is {brief(nearest)})"

    def _phrase(self, phrase: str) -> Phrase | None:
        """A phrase of style as rows; None where this model lacks one of its words, or where a class
        has this name."""
        rows = tuple(map(self.row, phrase.split()))
        is_class = any(row <= self.n_classes for row in self._tables[-1][1].get(phrase, []))
        return None if is_class or None in rows else rows


def _table(form, spellings: Sequence[tuple[str, int]]) -> dict[str, list[int]]:
    """form(spelling) -> the rows that have such a spelling."""
    table: dict[str, list[int]] = {}
    for spelling, row in spellings:
        rows = table.setdefault(form(spelling), [])
        if row not in rows:
            rows.append(row)
    return table


def _pattern(spellings) -> re.Pattern:
    """Any of the spellings as a whole word, in any case, Unicode form and white space. The longest
    goes first: a class "boot" must not hide a class "ankle boot"."""
    decomposed = partial(unicodedata.normalize, "NFD")
    forms = {
        typed(form(spelling)) for spelling in spellings for form in (composed, decomposed, folded)
    }
    ordered = sorted(forms, key=len, reverse=True)
    escaped = [r"\s+".join(map(re.escape, re.split(r"\s+", form))) for form in ordered]
    return re.compile(f"(?:{'|'.join(escaped)})(?={SEPARATOR}|$)", re.IGNORECASE)
