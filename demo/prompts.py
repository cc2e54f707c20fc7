"""What may be asked of a model that knows words: a prompt beside the label, and the style."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ldm_core import InputError, LatentDiffusion
from ldm_core.model.class_names import label_text

from .requests import (
    FIRST_LABEL,
    OF_WORDS,
    Label,
    Number,
    Request,
    class_label,
    described,
    labels,
)

MAX_PROMPT = 500  # characters; a prompt has room for about a dozen words


def asks_of(model: LatentDiffusion) -> type[Request]:
    """What may be asked of this model."""
    return PromptRequest if model.vocabulary else Request


@dataclass(frozen=True)
class AgreedLabel(Label):
    """A label that may be left out: a prompt says it too."""

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str | None:
        return None if value is None else super().check(title, value, model)


@dataclass(frozen=True)
class Words:
    """A prompt, in the words that the model knows; empty says nothing."""

    def read(self, text: str) -> str:
        return text

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str:
        if value is None:  # as files store it
            return ""
        if not isinstance(value, str) or len(value) > MAX_PROMPT:
            raise InputError(
                f"{title} must be text of at most {MAX_PROMPT} characters, not {_kind(value)}."
            )
        try:
            rows = model.vocabulary.read(value).rows
        except InputError as error:
            raise InputError(f"{title}: {error}") from error
        return value.strip() if rows else ""

    def nearest(self, value: str) -> str:
        return value


@dataclass(frozen=True)
class Amount(Number):
    """How much of a property of style, from the word for its lowest third to that for its highest;
    0 says nothing."""

    low: float = -1
    high: float = 1
    step: float = 0.1

    def check(self, title: str, value: Any, model: LatentDiffusion) -> float:
        # Files are the same to the byte only where -0.0 and 1 are what the command line stores.
        return float(super().check(title, value, model)) + 0.0


def _amount(name: str, ends: str) -> Any:
    return described(
        title=name.capitalize(),
        info=ends,
        kind=Amount(),
        start=lambda model: 0.0,
        in_line=f"{name} {{}}",
        says_what=True,
    )


@dataclass(frozen=True)
class PromptRequest(Request):
    """A request to a model that knows words.

    Once checked, it is written in one way. label is the class that the prompt names. prompt is
    empty where the label says all of it; so a request for a label is stored as ever. A property of
    style is 0 where the prompt says the same.
    """

    label: str | None = described(
        title="Label",
        info="The last key leaves it to the model.",
        kind=AgreedLabel(lambda model: labels(model), keys=True),
        start=lambda model: class_label(model, FIRST_LABEL),
        in_line="label {}",
        says_what=True,
    )
    prompt: str = described(
        title="Prompt",
        info="",
        kind=Words(),
        start=lambda model: _class_word(model, FIRST_LABEL),
        in_line="“{}”",
        says_what=True,
    )
    negative_prompt: str = described(
        title="Negative prompt",
        info="What guidance leads away from.",
        kind=Words(),
        start=lambda model: "",
        in_line="not “{}”",
        says_what=True,
    )
    stroke: float = _amount("stroke", "thin to bold")
    lean: float = _amount("lean", "left to right")
    width: float = _amount("width", "narrow to wide")

    @classmethod
    def left_out(cls, model: LatentDiffusion) -> dict[str, Any]:
        return cls.start(model) | {"label": None, "prompt": ""}

    @classmethod
    def from_page(cls, model: LatentDiffusion, given: Sequence[Any]) -> Request:
        """On the page the prompt says it all, where there is one: the keys only follow it."""
        by_name = dict(zip(cls.values(), given))
        return cls.check(model, by_name | ({"label": None} if by_name.get("prompt") else {}))

    def settled(self, model: LatentDiffusion) -> Request:
        """Raises InputError where label and prompt differ."""
        vocabulary = model.vocabulary
        reading = vocabulary.read(self.prompt)
        label = label_text(reading.label, model.class_names)
        if not reading.rows:
            label = class_label(model, FIRST_LABEL) if self.label is None else self.label
        elif self.label not in (None, label):
            raise InputError(
                f"Label and Prompt must say the same, not {self.label} and {label}: "
                "leave one of them out."
            )
        names_only = reading.label is not None and len(reading.rows) == 1
        said = {n: 0.0 for n, third in reading.style.items() if getattr(self, n) == third}
        prompt = "" if names_only else self.prompt
        return dataclasses.replace(self, label=label, prompt=prompt, **said)

    def settings(self) -> dict[str, Any]:
        """Without what says nothing: a link or a file of a label alone is as it always was."""
        said = super().settings()
        if self.prompt:
            del said["label"]
        return {name: value for name, value in said.items() if value or name not in OF_WORDS}

    def asked(self, model: LatentDiffusion) -> int | str | None:
        return self.prompt or super().asked(model)

    def what(self) -> str:
        return self.prompt or self.label


def _class_word(model: LatentDiffusion, index: int) -> str:
    """A class as a prompt writes it; after the last class comes the first again."""
    row = model.vocabulary.class_row(index % len(model.class_names))
    return model.vocabulary.write((row,))


def _kind(value: Any) -> str:
    return f"{len(value)} characters" if isinstance(value, str) else type(value).__name__
