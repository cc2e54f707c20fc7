"""Requests for one image: a label or a prompt, a style, and how it is drawn."""

import dataclasses
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

from ldm_core import SAMPLERS, DenoisingStep, InputError, LatentDiffusion
from ldm_core.inputs import MAX_SEED
from ldm_core.model.class_names import ANY, find_label, label_text
from ldm_core.model.conditioning import Prompt
from ldm_core.output.steps import steps_of

from .values import OF_WORDS, Amount, Choice, Number, Values, Whole, Words, described

MAX_NAME_BYTES = 80  # of a label or a prompt in the name of a file; file systems take 255 in all
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


def labels(model: LatentDiffusion) -> dict[str, str]:
    """What a label may be: the text for each class, last the text for no label, with titles."""
    texts = [label_text(index, model.class_names) for index in range(len(model.class_names))]
    nothing = label_text(None, model.class_names)
    return {text: text for text in texts} | {nothing: nothing if nothing == ANY else "no label"}


def class_label(model: LatentDiffusion, index: int) -> str:
    """The label of a class; after the last class comes the first again."""
    return label_text(index % len(model.class_names), model.class_names)


@dataclass(frozen=True)
class Label(Choice):
    """A class, written as the command line takes it too, or no label.

    may_be_left_out: None is allowed, since a prompt says it too.
    """

    word = "label"
    may_be_left_out: bool = False

    def check(self, title: str, value: Any, model: LatentDiffusion) -> str | None:
        if value is None and self.may_be_left_out:
            return None
        if isinstance(value, int) and not isinstance(value, bool):  # scripts say 7, too
            value = str(value)
        if isinstance(value, str):
            with suppress(InputError):  # refused below, where all labels are named
                return label_text(find_label(value, model.class_names), model.class_names)
        return super().check(title, value, model)


@dataclass(frozen=True)
class Request(Values):
    """A request for one image, checked for one model, which knows labels only."""

    label: str = described(
        title="Label",
        info="What to draw; the last key leaves it to the model.",
        kind=Label(labels, keys=True),
        start=lambda model: class_label(model, FIRST_LABEL),
        in_line="label {}",
        says_what=True,
    )
    guidance_scale: float = described(
        title="Guidance scale",
        info="How strongly the prompt pulls; 0 ignores it.",
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

    of_file: ClassVar[dict[str, Any]] = {"count": 1}

    def check_together(self, model: LatentDiffusion) -> None:
        model.denoise([self.prompted(model)], seeds=[self.seed], **self.file.options)

    def begin(self, model: LatentDiffusion) -> Iterator[DenoisingStep]:
        return steps_of(model, self.file, [self.prompted(model)], [self.seed])

    def prompted(self, model: LatentDiffusion) -> Prompt:
        """The prompt for `model.denoise`: the index of a class, None for no label, or words."""
        return self.file.images.prompts(model.class_names)[0]

    def file_name(self) -> str:
        return f"{name_part(self.what())}-seed-{self.seed}"

    def what(self) -> str:
        """What to draw, in words."""
        return self.label


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
        kind=Label(labels, keys=True, may_be_left_out=True),
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

    def settled(self, model: LatentDiffusion) -> Request:
        """Raises InputError where label and prompt differ."""
        reading = model.vocabulary.read(self.prompt)
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
        """Without words that say nothing, so that a label alone is stored as without words."""
        said = super().settings()
        if self.prompt:
            del said["label"]
        return {name: value for name, value in said.items() if value or name not in OF_WORDS}

    def what(self) -> str:
        return self.prompt or self.label


def request_type(model: LatentDiffusion) -> type[Request]:
    """What may be asked of this model."""
    return PromptRequest if model.vocabulary else Request


def name_part(text: str) -> str:
    """Text as a part of a file's name. A class may have a name that no file can have."""
    return re.sub(r"\W+", "-", text).encode()[:MAX_NAME_BYTES].decode(errors="ignore")


def _class_word(model: LatentDiffusion, index: int) -> str:
    """A class as a prompt writes it; after the last class comes the first again."""
    row = model.vocabulary.class_row(index % len(model.class_names))
    return model.vocabulary.write((row,))
