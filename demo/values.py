"""Values that people may ask for: what is allowed, and how each is shown.

Controls, links, HTTP endpoints, the settings in files and the line of text under the player are
all made from the fields of a `Values`. A new value is a new field; its name is that of a field of
`FileSettings`, which says what the value does.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from ldm_core import DenoisingStep, InputError, LatentDiffusion
from ldm_core.checks import check_bool, check_choice, check_number, check_whole
from ldm_core.model.class_names import one_line
from ldm_core.model.vocabulary import STYLES
from ldm_core.output.file_settings import FileSettings, Look

MAX_PROMPT = 500  # characters; a prompt has room for about a dozen words
OF_WORDS = ("prompt", "negative_prompt", *STYLES)  # only models that know words have these


@dataclass(frozen=True)
class Kind:
    """What a value may be. word: the name of the kind in the page's JavaScript."""

    word: ClassVar[str]

    def check(self, title: str, value: Any, model: LatentDiffusion) -> Any:
        """Check what `FileSettings` cannot, as it knows no model; return what it takes.

        value: of any type that JSON has. Raises InputError, which calls it by title.
        """
        return value

    def refuse(self, title: str, value: Any) -> None:
        """Raise InputError for a value that is not allowed, in the page's words."""

    def read(self, text: str) -> Any:
        """Read a value from text, such as that of a link. Unreadable text is left to `check`."""
        return text

    def nearest(self, value: Any) -> Any:
        """The allowed value nearest to a model's default."""
        return value


@dataclass(frozen=True)
class Number(Kind):
    """A number from low to high. step: the smallest move of its slider."""

    word = "number"
    low: float
    high: float
    step: float

    def read(self, text: str) -> float | str:
        with suppress(ValueError):
            return float(text)
        return text

    def refuse(self, title: str, value: Any) -> None:
        check_number(title, value, self.low, self.high)

    def nearest(self, value: float | None) -> float | None:
        return None if value is None else min(max(value, self.low), self.high)


@dataclass(frozen=True)
class Whole(Number):
    """A whole number from low to high."""

    word = "whole"
    low: int
    high: int
    step: int = 1

    def check(self, title: str, value: Any, model: LatentDiffusion) -> int:
        is_whole = isinstance(value, float) and value.is_integer()
        return int(value) if is_whole else value  # JSON does not tell 20.0 from 20

    def refuse(self, title: str, value: Any) -> None:
        check_whole(title, value, self.low, self.high)


@dataclass(frozen=True)
class Boolean(Kind):
    """Yes or no."""

    word = "boolean"

    def read(self, text: str) -> bool | str:
        return {"true": True, "false": False}.get(text.lower(), text)

    def refuse(self, title: str, value: Any) -> None:
        check_bool(title, value)


@dataclass(frozen=True)
class Choice(Kind):
    """One of several texts. titles: for a model, each text and the title that people see.

    keys: the control shows all of them, each as a key; otherwise it is a list that opens.
    """

    word = "choice"
    titles: Callable[[LatentDiffusion], Mapping[str, str]]
    keys: bool = False

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str:
        return check_choice(title, value, self.titles(model))


@dataclass(frozen=True)
class Words(Kind):
    """A prompt, in words that the model knows; an empty one says nothing."""

    word = "words"

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str:
        if value is None:  # as files store it
            return ""
        if not isinstance(value, str) or len(value) > MAX_PROMPT:
            found = f"{len(value)} characters" if isinstance(value, str) else type(value).__name__
            raise InputError(
                f"{title} must be text of at most {MAX_PROMPT} characters, not {found}."
            )
        try:
            rows = model.vocabulary.read(value).rows
        except InputError as error:
            raise InputError(f"{title}: {error}") from error
        return one_line(value).strip() if rows else ""


@dataclass(frozen=True)
class Amount(Number):
    """How much of a property of style: from -1, the word for its lowest third, to 1, that for its
    highest; 0 says nothing."""

    low: float = -1
    high: float = 1
    step: float = 0.1


@dataclass(frozen=True)
class Value:
    """What the page knows about one value.

    title: its name for people. info: what it does to the picture. kind: what is allowed.
    start: gives, for a model, the value with which the page starts. in_line: the words in the line
    under the player: {} is the value, {s} the ending of a plural. says_what: it says what to draw,
    and not how; people read such values first.
    """

    title: str
    info: str
    kind: Kind
    start: Callable[[LatentDiffusion], Any]
    in_line: str = ""
    says_what: bool = False

    def words(self, value: Any) -> str:
        text = f"{value:g}" if isinstance(value, float) else str(value)
        return self.in_line.format(text, s="" if value == 1 else "s")


def described(**description) -> Any:
    """A field of a request, with its `Value`."""
    return dataclasses.field(metadata={Value: Value(**description)})


@dataclass(frozen=True)
class Values:
    """A request: values for one model, as `check` makes it.

    file: the same values as settings of a file, which check them once and are then passed on.
    """

    file: FileSettings = dataclasses.field(kw_only=True, default=FileSettings(), repr=False)

    of_file: ClassVar[dict[str, Any]] = {}  # settings of a file that are no values of a request

    @classmethod
    def values(cls) -> dict[str, Value]:
        """All values that can be asked for, by name, in the order of controls and endpoint."""
        described = {field.name: field.metadata.get(Value) for field in dataclasses.fields(cls)}
        return {name: value for name, value in described.items() if value}

    @classmethod
    def start(cls, model: LatentDiffusion) -> dict[str, Any]:
        """What the page starts with: the defaults of the model, within the limits of the page."""
        return {n: value.kind.nearest(value.start(model)) for n, value in cls.values().items()}

    @classmethod
    def left_out(cls, model: LatentDiffusion) -> dict[str, Any]:
        """The values that are meant where none are given."""
        return cls.start(model)

    @classmethod
    def check(cls, model: LatentDiffusion, given: Any) -> "Values":
        """Check values by name, of any type, and make the request of them; raises InputError.

        What is left out is as the page starts.
        """
        values = cls.values()
        if not isinstance(given, Mapping):
            raise InputError("Settings must be values by their names, as /generate returns them.")
        refuse_unknown(given, values)
        given = cls.left_out(model) | dict(given)
        asked = {n: value.kind.check(value.title, given[n], model) for n, value in values.items()}
        request = cls(**asked).settled(model)
        said = model.defaults.to_dict() | request.settings() | cls.of_file
        try:
            file = FileSettings.from_dict(said)
        except InputError:
            for name, value in values.items():
                if name in said:
                    value.kind.refuse(value.title, said[name])
            raise
        flat, numbers = file.to_dict(), {}
        for name, value in values.items():
            if isinstance(value.kind, Number) and getattr(request, name) is not None:
                numbers[name] = flat[name]
                if not value.kind.low <= flat[name] <= value.kind.high:
                    value.kind.refuse(value.title, flat[name])
            elif isinstance(value.kind, Number) and value.start(model) is not None:
                value.kind.refuse(value.title, None)
        request = dataclasses.replace(request, file=file, **numbers)
        request.check_together(model)
        return request

    def settled(self, model: LatentDiffusion) -> "Values":
        """The same request, written in the one way in which it is stored; raises InputError."""
        return self

    def check_together(self, model: LatentDiffusion) -> None:
        """Raise InputError where values are allowed, but not together; no network runs."""
        raise NotImplementedError

    def begin(self, model: LatentDiffusion) -> Iterator[DenoisingStep]:
        """Begin to draw: yield the start, then each step."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """The values that make this request again, in the order in which people read them."""
        values = sorted(self.values().items(), key=lambda item: not item[1].says_what)
        return {name: getattr(self, name) for name, _ in values}

    def shown(self, **look: Any) -> FileSettings:
        """The settings of a file that shows this request. look: fields of `Look`."""
        return dataclasses.replace(self.file, look=Look(**look))

    def line(self) -> str:
        """The values as one line of text."""
        values = self.values()
        words = (values[n].words(v) for n, v in self.settings().items() if values[n].in_line)
        return " · ".join(words)

    def file_name(self) -> str:
        """A name for files, without an ending."""
        raise NotImplementedError


def refuse_unknown(given: Mapping, known: Mapping) -> None:
    """Raise InputError for names that are not known; words are named to models without words."""
    if unknown := [str(name) for name in given if name not in known]:
        if words := [name for name in unknown if name in OF_WORDS]:
            raise InputError(
                f"These weights know labels only, and no {', '.join(words)}. Take a label, or "
                "weights that know words."
            )
        raise InputError(f"There is no {', '.join(unknown):.80} here, only {', '.join(known)}.")
