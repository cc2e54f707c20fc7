"""What may be asked of the page: the one definition of every value.

The controls, links to the page, the HTTP endpoint, the settings in files and the line of text under
the player are all made from the fields of `Request`. A new value is a new field; its name is that
of a field of `FileSettings`, which says what the value does.
"""

import dataclasses
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from ldm_core import SAMPLERS, InputError, LatentDiffusion
from ldm_core.checks import check_choice, check_number, check_whole
from ldm_core.inputs import MAX_SEED
from ldm_core.model.class_names import ANY, find_label, label_text
from ldm_core.model.vocabulary import STYLES
from ldm_core.output.file_settings import SCALE, FileSettings

MAX_NAME_BYTES = 80  # of a label or a prompt in the name of a file; file systems take 255 in all
OF_WORDS = ("prompt", "negative_prompt", *STYLES)  # see `prompts.py`
FIRST_LABEL, FIRST_SEED = 7, 6  # what the page starts with; labels by their index
SAMPLER_TITLES = {
    "ddpm": "DDPM",
    "ddim": "DDIM",
    "euler": "Euler",
    "heun": "Heun",
    "dpmpp_2m": "DPM-Solver++ (2M)",
    "dpmpp_2m_sde": "DPM-Solver++ (2M, SDE)",
    "unipc": "UniPC",
}

# The kinds of values. `read` takes the text in a link; what it cannot read stays text, and `check`
# refuses it by name. `check` takes anything that JSON can bring, and raises InputError.


@dataclass(frozen=True)
class Number:
    """A number from low to high. step: the smallest move of its slider."""

    low: float
    high: float
    step: float

    def read(self, text: str) -> float | str:
        with suppress(ValueError):
            return float(text)
        return text

    def check(self, title: str, value: Any, model: LatentDiffusion) -> float:
        return check_number(title, value, self.low, self.high)

    def nearest(self, value: float) -> float:
        """The model's default, or the limit of the page that comes nearest to it."""
        return min(max(value, self.low), self.high)


@dataclass(frozen=True)
class Whole(Number):
    """A whole number from low to high."""

    low: int
    high: int
    step: int = 1

    def check(self, title: str, value: Any, model: LatentDiffusion) -> int:
        if isinstance(value, float) and value.is_integer():  # JSON does not tell 20.0 from 20
            value = int(value)
        return check_whole(title, value, self.low, self.high)


@dataclass(frozen=True)
class Choice:
    """One of several texts. titles: for a model, each text and the title that people see.

    keys: the control shows all of them, each as a key; otherwise it is a list that opens.
    """

    titles: Callable[[LatentDiffusion], Mapping[str, str]]
    keys: bool = False

    def read(self, text: str) -> str:
        return text

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str:
        return check_choice(title, value, self.titles(model))

    def nearest(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class Label(Choice):
    """A class, written as the command line takes it too, or no label."""

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str:
        if isinstance(value, int) and not isinstance(value, bool):  # scripts say 7, too
            value = str(value)
        if isinstance(value, str):
            with suppress(InputError):  # refused below, where all labels are named
                return label_text(find_label(value, model.class_names), model.class_names)
        return super().check(title, value, model)


@dataclass(frozen=True)
class Value:
    """What the page knows about one value of a request.

    title: its name for people. info: what it does to the picture. kind: what is allowed.
    start: gives, for a model, the value with which the page starts. in_line: the words in the line
    under the player: {} is the value, {s} the ending of a plural. says_what: it says what to draw,
    and not how; people read such values first.
    """

    title: str
    info: str
    kind: Number | Choice
    start: Callable[[LatentDiffusion], Any]
    in_line: str
    says_what: bool = False

    def words(self, value: Any) -> str:
        text = f"{value:g}" if isinstance(value, float) else str(value)
        return self.in_line.format(text, s="" if value == 1 else "s")


def described(**description) -> Any:
    """A field of a request, with its `Value`."""
    return dataclasses.field(metadata={Value: Value(**description)})


@dataclass(frozen=True)
class Values:
    """Values, checked together for one model. `check` and `from_link` make them."""

    @classmethod
    def values(cls) -> dict[str, Value]:
        """All values that can be asked for, by name, in the order of controls and endpoint."""
        return {field.name: field.metadata[Value] for field in dataclasses.fields(cls)}

    @classmethod
    def start(cls, model: LatentDiffusion) -> dict[str, Any]:
        """What the page starts with: the defaults of the model, within the limits of the page."""
        return {n: value.kind.nearest(value.start(model)) for n, value in cls.values().items()}

    @classmethod
    def left_out(cls, model: LatentDiffusion) -> dict[str, Any]:
        """The values that are meant where none are given."""
        return cls.start(model)

    @classmethod
    def check(cls, model: LatentDiffusion, given: Mapping[str, Any] | Sequence[Any]) -> "Values":
        """The request for values of any type whatever; raises InputError.

        given: by name or in order. What is left out is as the page starts.
        """
        if not isinstance(given, Mapping):
            given = dict(zip(cls.values(), given))
        given = (cls.left_out(model) | given).values()
        pairs = zip(cls.values().items(), given, strict=True)
        request = cls(**{n: value.kind.check(value.title, v, model) for (n, value), v in pairs})
        request = request.settled(model)
        request.check_together(model)
        return request

    @classmethod
    def from_page(cls, model: LatentDiffusion, given: Sequence[Any]) -> "Values":
        """The request for the values of the controls, in order."""
        return cls.check(model, given)

    @classmethod
    def from_link(cls, model: LatentDiffusion, query: Mapping[str, str]) -> "Values | None":
        """The request in the query string of a link, None if it holds no value of a request.

        What the link leaves out is as the page starts. Raises InputError.
        """
        values = cls.values()
        if refusal := refused_words(query, values):
            raise InputError(refusal)
        given = {
            name: values[name].kind.read(text) for name, text in query.items() if name in values
        }
        return cls.check(model, given) if given else None

    def settled(self, model: LatentDiffusion) -> "Values":
        """The same request, written in the one way in which it is stored; raises InputError."""
        return self

    def check_together(self, model: LatentDiffusion) -> None:
        """Raise InputError where two values may be allowed, but not together; no step is done."""

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def settings(self) -> dict[str, Any]:
        """The values that make this request again, in the order in which people read them."""
        values = sorted(self.values().items(), key=lambda item: not item[1].says_what)
        return {name: getattr(self, name) for name, _ in values}

    def file_settings(self, model: LatentDiffusion, **others: Any) -> FileSettings:
        """All that makes a file of this request; other values are the model's defaults. others:
        settings of a file that are no values of a request, such as scale."""
        given = self.settings() | {"scale": SCALE} | others
        return FileSettings.from_dict(model.defaults.to_dict() | given)

    def line(self) -> str:
        """The values as one line of text."""
        values = self.values()
        return " · ".join(values[n].words(value) for n, value in self.settings().items())

    def remark(self, model: LatentDiffusion) -> str:
        """What there is to say when the run is over."""
        return ""


@dataclass(frozen=True)
class Request(Values):
    """A request for one image, checked for one model."""

    label: str = described(
        title="Label",
        info="What to draw; the last key leaves it to the model.",
        kind=Label(lambda model: labels(model), keys=True),
        start=lambda model: class_label(model, FIRST_LABEL),
        in_line="label {}",
        says_what=True,
    )
    guidance_scale: float = described(
        title="Guidance scale",
        info="How strongly what is asked pulls; 0 ignores it.",
        kind=Number(0, 10, step=0.1),
        start=lambda model: model.defaults.guidance_scale,
        in_line="guidance {}",
    )
    steps: int = described(
        title="Steps",
        info="More steps take longer and give cleaner strokes.",
        kind=Whole(1, 100),
        start=lambda model: model.defaults.steps,
        in_line="{} step{s}",
    )
    sampler: str = described(
        title="Sampler",
        info="The rule that takes each step towards the picture.",
        kind=Choice(lambda model: {name: SAMPLER_TITLES.get(name, name) for name in SAMPLERS}),
        start=lambda model: model.defaults.sampler,
        in_line="{}",
    )
    seed: int = described(
        title="Seed",
        info="The same seed and settings draw the same picture.",
        kind=Whole(0, MAX_SEED),
        start=lambda model: FIRST_SEED,
        in_line="seed {}",
    )

    def check_together(self, model: LatentDiffusion) -> None:
        """Raise InputError where two values may be allowed, but not together: the call refuses
        that, and does no step."""
        options = self.file_settings(model).options
        model.denoise([self.asked(model)], seeds=[self.seed], **options)

    def asked(self, model: LatentDiffusion) -> int | str | None:
        """What `model.denoise` is to draw: the index of a class, None for no label."""
        return find_label(self.label, model.class_names)

    def file_settings(self, model: LatentDiffusion, **others: Any) -> FileSettings:
        return super().file_settings(model, count=1, **others)

    def file_name(self) -> str:
        """A name for files, without an ending. A class may have a name that no file can have."""
        what = re.sub(r"\W+", "-", self.what()).encode()[:MAX_NAME_BYTES].decode(errors="ignore")
        return f"{what}-seed-{self.seed}"

    def what(self) -> str:
        """What to draw, in words."""
        return self.label


def refused_words(given: Iterable[str], known: Collection[str]) -> str | None:
    """What to say to names of values that only models with words have; None if there are none."""
    words = [name for name in given if name in OF_WORDS and name not in known]
    if not words:
        return None
    return (
        f"These weights know labels only, and no {', '.join(words)}. Take a label, or weights that "
        "know words."
    )


def labels(model: LatentDiffusion) -> dict[str, str]:
    """What a label may be: the text for each class, last the text for no label, with titles."""
    texts = [label_text(index, model.class_names) for index in range(len(model.class_names))]
    nothing = label_text(None, model.class_names)
    return {text: text for text in texts} | {nothing: nothing if nothing == ANY else "no label"}


def class_label(model: LatentDiffusion, index: int) -> str:
    """The label of a class; after the last class comes the first again."""
    return label_text(index % len(model.class_names), model.class_names)
