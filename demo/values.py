"""Values that people may ask for: what is allowed, and how each is shown.

Controls, links, HTTP endpoints, the settings in files and the line of text under the player are
all made from the values in `request.py`.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from ldm_core import InputError
from ldm_core.checks import brief, check_bool, check_choice, check_number, check_whole
from ldm_core.inputs import MAX_SEED
from ldm_core.model.class_names import find_label, label_text, one_line
from ldm_core.model.vocabulary import STYLES, Vocabulary

MAX_PROMPT = 500  # characters; a prompt has room for about a dozen words
MAX_POINTS = 6  # of a morph
OF_WORDS = ("prompt", "negative_prompt", *STYLES)  # 0 or empty says nothing


@dataclass(frozen=True)
class Kind:
    """What a value may be. word: the name of the kind in the page's JavaScript. type and allowed:
    what scripts and assistants are told of it."""

    word: ClassVar[str]
    type: ClassVar[type] = str
    allowed: ClassVar[str]

    def check(self, title: str, value: Any) -> Any:
        """Return what a request holds for a value of any type that JSON has.

        Raises InputError, which calls it by title.
        """
        raise NotImplementedError

    def read(self, text: str) -> Any:
        """Read a value from text, such as that of a link. Unreadable text is left to `check`."""
        return text


@dataclass(frozen=True)
class Number(Kind):
    """A number from low to high. step: the smallest move of its slider."""

    word = "number"
    type = float
    low: float
    high: float
    step: float

    @property
    def allowed(self) -> str:
        return f"{self.low} to {self.high}"

    def check(self, title: str, value: Any) -> float:
        if type(value) not in (int, float) or not self.low <= value <= self.high:
            value = check_number(title, value, self.low, self.high)
        return float(value)

    def read(self, text: str) -> float | str:
        with suppress(ValueError):
            return float(text)
        return text

    def nearest(self, value: float) -> float:
        """The allowed value nearest to a model's default."""
        return min(max(value, self.low), self.high)


@dataclass(frozen=True)
class Whole(Number):
    """A whole number from low to high."""

    word = "whole"
    type = int
    low: int
    high: int
    step: int = 1

    def check(self, title: str, value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON does not tell 20.0 from 20
        if type(value) is int and self.low <= value <= self.high:
            return value
        return check_whole(title, value, self.low, self.high)


@dataclass(frozen=True)
class Amount(Number):
    """How much of a property of style: from -1, the word for its lowest third, to 1, that for its
    highest; 0 says nothing."""

    low: float = -1
    high: float = 1
    step: float = 0.1


@dataclass(frozen=True)
class Boolean(Kind):
    """Yes or no."""

    word = "boolean"
    type = bool
    allowed = "true or false"

    def check(self, title: str, value: Any) -> bool:
        return check_bool(title, value)


@dataclass(frozen=True)
class Choice(Kind):
    """One of several texts. titles: each text and the title that people see.

    keys: the control shows all of them, each as a key; otherwise it is a list that opens.
    """

    word = "choice"
    titles: Mapping[str, str]
    keys: bool = False

    @property
    def allowed(self) -> str:
        return f"one of: {', '.join(self.titles)}"

    def check(self, title: str, value: Any) -> str:
        return check_choice(title, value, self.titles)


@dataclass(frozen=True)
class Label(Choice):
    """A class, written as the command line takes it too, or no label."""

    word = "label"
    class_names: tuple[str, ...] = ()

    def check(self, title: str, value: Any) -> str:
        text = _as_text(value)
        if isinstance(text, str):
            with suppress(InputError):  # refused below, where all labels are named
                return label_text(find_label(text, self.class_names), self.class_names)
        return super().check(title, value)


@dataclass(frozen=True)
class Words(Kind):
    """A prompt, in words that the model knows; an empty one says nothing."""

    word = "words"
    vocabulary: Vocabulary

    @property
    def allowed(self) -> str:
        words = ", ".join(spelling for row in self.vocabulary.rows for spelling in row)
        return f"at most {self.vocabulary.n_positions} of the words {words}"

    def check(self, title: str, value: Any) -> str:
        value = "" if value is None else _as_text(value)  # None: as files store it
        if not isinstance(value, str) or len(value) > MAX_PROMPT:
            found = f"{len(value)} characters" if isinstance(value, str) else type(value).__name__
            raise InputError(
                f"{title} must be text of at most {MAX_PROMPT} characters, not {found}."
            )
        try:
            rows = self.vocabulary.read(value).rows
        except InputError as error:
            raise InputError(f"{title}: {error}") from error
        return one_line(value).strip() if rows else ""


@dataclass(frozen=True)
class Points(Kind):
    """What to draw and its seed, as "a bold seven:11", from two to MAX_POINTS times."""

    word = "points"
    type = list[str]
    allowed = f"2 to {MAX_POINTS} points, each what to draw, a colon and a seed, as 3:7"
    what: Words

    def check(self, title: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or not 2 <= len(value) <= MAX_POINTS:
            found = len(value) if isinstance(value, (list, tuple)) else type(value).__name__
            raise InputError(f"{title} must be a list of 2 to {MAX_POINTS} points, not {found}.")
        return tuple(self._point(i, point) for i, point in enumerate(value, start=1))

    def _point(self, i: int, point: Any) -> str:
        what, colon, seed = point.rpartition(":") if isinstance(point, str) else ("", "", "")
        if not (colon and seed.isascii() and seed.isdigit()):
            raise InputError(f"Point {i} must be what to draw, a colon and a seed, as 3:7.")
        what = self.what.check(f"Point {i}", what.strip())
        return f"{what}:{check_whole(f'Seed {i}', int(seed), 0, MAX_SEED)}"


@dataclass(frozen=True)
class Names(Kind):
    """Several of the known names: a list, or a text with commas between them."""

    word = "names"
    type = list[str]
    known: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return f"some of: {', '.join(self.known)}"

    def check(self, title: str, value: Any) -> list[str]:
        if isinstance(value, str):
            value = [name for part in value.split(",") if (name := part.strip())]
        if not isinstance(value, (list, tuple)):
            raise InputError(f"{title} must be a list of names, not {brief(value)}.")
        return sorted({check_choice(title, name, self.known) for name in value})


@dataclass(frozen=True)
class Value:
    """What the page knows about one value.

    title: its name for people. info: what it does to the picture. in_line: the words in the line
    under the player: {} is the value, {s} the ending of a plural. kind: what is allowed. start: the
    value with which the page starts. says_what: it says what to draw. is_optional: it may be None.
    """

    title: str
    info: str
    in_line: str
    kind: Kind
    start: Any
    says_what: bool
    is_optional: bool

    def check(self, value: Any) -> Any:
        """Return what a request holds; raises InputError."""
        if value is None and self.is_optional:
            return None
        return self.kind.check(self.title, value)

    def to_dict(self) -> dict[str, Any]:
        """What the page's JavaScript knows of it."""
        said = {"title": self.title, "info": self.info, "kind": self.kind.word}
        said |= {"start": self.start, "in_line": self.in_line, "says_what": self.says_what}
        if isinstance(self.kind, Number):
            said |= {"low": self.kind.low, "high": self.kind.high, "step": self.kind.step}
        if isinstance(self.kind, Choice):
            said |= {"choices": list(self.kind.titles.items()), "keys": self.kind.keys}
        return said


def _as_text(value: Any) -> Any:
    """Scripts say 7 for "7", too."""
    return str(value) if type(value) is int else value


def refuse_unknown(given: Mapping, known: Mapping) -> None:
    """Raise InputError for names that are not known."""
    if unknown := [str(name) for name in given if name not in known]:
        raise InputError(f"There is no {', '.join(unknown):.80} here, only {', '.join(known)}.")
