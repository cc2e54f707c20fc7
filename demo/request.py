"""Requests: what may be asked of a model, and how it is told once it is checked.

A request is values by name. A new value is a new line in WORDS, NAMES and `_allowed`; its name is
that of a field of `FileSettings`, which says what the value does.
"""

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ldm_core import SAMPLERS, DenoisingStep, InputError, LatentDiffusion
from ldm_core.inputs import MAX_SEED
from ldm_core.model.class_names import ANY, label_text
from ldm_core.model.conditioning import Prompt
from ldm_core.model.vocabulary import STYLES
from ldm_core.output.file_settings import STRENGTH, FileSettings, Look
from ldm_core.output.steps import steps_of, steps_of_morph

from .draw import Mask, Picture
from .values import (
    OF_WORDS,
    Amount,
    Boolean,
    Choice,
    Kind,
    Label,
    Names,
    Number,
    Points,
    Value,
    Whole,
    Words,
    refuse_unknown,
)

STUDENT = "student"  # the sampler that not all weights have
MAX_NAME_BYTES = 80  # of a label or a prompt in the name of a file; file systems take 255 in all
FIRST_LABEL, FIRST_SEED = 7, 6  # what the page starts with; labels by their index
FIRST_POINTS = ((3, 1), (8, 2))  # of a morph: class and seed
MAX_FRAMES = 24  # from a point to the next: at most 144 pictures, which are drawn at once
SAMPLER_TITLES = {
    "ddpm": "DDPM",
    "ddim": "DDIM",
    "euler": "Euler",
    "heun": "Heun",
    "dpmpp_2m": "DPM-Solver++ (2M)",
    "dpmpp_2m_sde": "DPM-Solver++ (2M, SDE)",
    "unipc": "UniPC",
    STUDENT: "Student (1 to 4 steps)",
}
WORDS = {  # of each value its title, what it does to the picture, and its words in the line
    "label": ("Label", "The last key leaves it to the model.", "label {}"),
    "guidance_scale": (
        *("Guidance scale", "How strongly the prompt pulls; 0 ignores it.", "guidance {}"),
    ),
    "steps": ("Steps", "More steps take longer and give cleaner strokes.", "{} step{s}"),
    "sampler": ("Sampler", "The rule that takes each step towards the picture.", "{}"),
    "seed": ("Seed", "The same seed and settings draw the same picture.", "seed {}"),
    "prompt": ("Prompt", "", "“{}”"),
    "negative_prompt": ("Negative prompt", "What guidance leads away from.", "not “{}”"),
    "stroke": ("Stroke", "thin to bold", "stroke {}"),
    "lean": ("Lean", "left to right", "lean {}"),
    "width": ("Width", "narrow to wide", "width {}"),
    "eta": ("Eta", "Fresh noise in each step, with DDIM and DPM-Solver++ (2M).", "eta {}"),
    "start_from": ("Picture", "The digit to start from.", ""),
    "strength": (
        *("Strength", "How much noise the digit gets: 0 keeps it, 1 forgets it.", "strength {}"),
    ),
    "mask": ("Mask", "White is kept, black is redrawn.", ""),
    "invert": ("It shows", "What the digit is now; empty leaves it open.", ""),
    "morph": ("Points", "What to draw and its seed.", ""),
    "frames": ("In-between frames", "Pictures from each point to the next.", "{} frames"),
    "loop": ("Loop", "Go back to the first point at the end.", ""),
    "off": ("Off", "Parts of the system to switch off.", "without {}"),
}
SAYS_WHAT = ("label", *OF_WORDS, "morph")  # and not how; people read such values first
OF_IMAGE = ("label", "guidance_scale", "steps", "sampler", "seed", *OF_WORDS)
NAMES = {  # of the values of each kind of request, in the order of controls and endpoints
    "denoise": (*OF_IMAGE, "off"),
    "draw": (*OF_IMAGE, "start_from", "strength", "mask", "invert", "off"),
    "cell": (*OF_IMAGE, "eta"),  # of a grid
    "morph": ("morph", "frames", "loop", "guidance_scale", "steps", "sampler"),
}


def labels(model: LatentDiffusion) -> dict[str, str]:
    """What a label may be: the text for each class, last the text for no label, with titles."""
    texts = [label_text(index, model.class_names) for index in range(len(model.class_names))]
    nothing = label_text(None, model.class_names)
    return {text: text for text in texts} | {nothing: nothing if nothing == ANY else "no label"}


def class_label(model: LatentDiffusion, index: int) -> str:
    """The label of a class; after the last class comes the first again."""
    return label_text(index % len(model.class_names), model.class_names)


def values_of(model: LatentDiffusion, *kinds: str) -> dict[str, Value]:
    """All that may be asked of a model in these kinds of requests, by name."""
    known = _allowed(model)
    optional = ("strength", "mask", "invert", "label")
    return {
        name: Value(*WORDS[name], *known[name], name in SAYS_WHAT, name in optional)
        for name in dict.fromkeys(name for kind in kinds for name in NAMES[kind])
    }


def _allowed(model: LatentDiffusion) -> dict[str, tuple[Kind, Any]]:
    """What each value may be, and what the page starts with: what suits the model, within the
    limits of the page."""
    defaults, words = model.defaults, model.vocabulary
    what, row = Words(words), words.class_row(FIRST_LABEL % len(model.class_names))
    guidance, steps, eta = Number(0, 10, 0.1), Whole(1, 100), Number(0, 1, 0.05)
    samplers = [name for name in SAMPLERS if name != STUDENT or model.student]
    samplers = {name: SAMPLER_TITLES.get(name, name) for name in samplers}
    return {
        "label": (Label(labels(model), True, model.class_names), class_label(model, FIRST_LABEL)),
        "guidance_scale": (guidance, guidance.nearest(defaults.guidance_scale)),
        "steps": (steps, steps.nearest(defaults.steps)),
        "sampler": (Choice(samplers), defaults.sampler),
        "seed": (Whole(0, MAX_SEED), FIRST_SEED),
        "eta": (eta, eta.nearest(defaults.eta)),
        "start_from": (Picture(), ""),
        "strength": (Number(0, 1, 0.05), None),
        "mask": (Mask(), None),
        "invert": (what, None),
        "morph": (Points(what), [f"{class_label(model, i)}:{seed}" for i, seed in FIRST_POINTS]),
        "frames": (Whole(2, MAX_FRAMES), 12),
        "loop": (Boolean(), True),
        "prompt": (what, words.write((row,))),
        "negative_prompt": (what, ""),
        **dict.fromkeys(STYLES, (Amount(), 0.0)),
        "off": (Names(model.switches), list(defaults.off)),
    }


def start_of(model: LatentDiffusion, kind: str) -> dict[str, Any]:
    """The values with which the page starts."""
    return {name: value.start for name, value in values_of(model, kind).items()}


# What is meant by values that are not given, where it is not what the page starts with: a prompt
# says the label, too.
LEFT_OUT = {"label": None, "prompt": ""}


@dataclass(frozen=True)
class Request:
    """A request for one image, checked for one model.

    kind: of NAMES. values: by name, written in one way. label is the class that the prompt names.
    prompt is empty where the label says all of it; so a request for a label is stored in the same
    way by all models. A property of style is 0 where the prompt says the same. file: the same as
    settings of a file, which check them once and are then passed on.
    """

    kind: str
    values: dict[str, Any]
    known: dict[str, Value] = dataclasses.field(repr=False, compare=False)
    file: FileSettings = FileSettings()

    @classmethod
    def check(cls, model: LatentDiffusion, given: Any, kind: str = "denoise") -> "Request":
        """Check values by name, of any type, and make the request of them; raises InputError.

        What is left out is as the page starts. No network runs.
        """
        known = values_of(model, kind)
        if not isinstance(given, Mapping):
            raise InputError("Settings must be values by their names, as /generate returns them.")
        refuse_unknown(given, known)
        given = {name: value.start for name, value in known.items()} | LEFT_OUT | dict(given)
        values = {name: value.check(given[name]) for name, value in known.items()}
        request = cls(kind, cls._settled(model, values), known)
        said = model.defaults.to_dict() | request.settings() | cls._of_file()
        request = dataclasses.replace(request, file=FileSettings.from_dict(said))
        request._check_together(model)
        return request

    @staticmethod
    def _settled(model: LatentDiffusion, values: dict[str, Any]) -> dict[str, Any]:
        """The same values, written in one way; raises InputError where label and prompt differ."""
        reading = model.vocabulary.read(values["prompt"])
        label = label_text(reading.label, model.class_names)
        if not reading.rows:
            given = values["label"]
            label = class_label(model, FIRST_LABEL) if given is None else given
        elif values["label"] not in (None, label):
            raise InputError(
                f"Label and Prompt must say the same, not {values['label']} and {label}: "
                "leave one of them out."
            )
        names_only = reading.label is not None and len(reading.rows) == 1
        said = {n: 0.0 for n, third in reading.style.items() if values[n] == third}
        prompt = "" if names_only else values["prompt"]
        values = values | said | {"label": label, "prompt": prompt}
        if all(values.get(name, 0) is None for name in ("strength", "mask", "invert")):
            values = values | {"strength": STRENGTH}
        return values

    @staticmethod
    def _of_file() -> dict[str, Any]:
        """Settings of a file that are no values of a request."""
        return {"count": 1}

    def _check_together(self, model: LatentDiffusion) -> None:
        """Raise InputError where values are allowed, but not together."""
        prompts, seeds = [self.prompted(model)], [self.values["seed"]]
        model.denoise(prompts, seeds=seeds, **self.file.options)

    def begin(self, model: LatentDiffusion) -> Iterator[DenoisingStep]:
        """Begin to draw: yield the start, then each step."""
        return steps_of(model, self.file, [self.prompted(model)], [self.values["seed"]])

    def prompted(self, model: LatentDiffusion) -> Prompt:
        """The prompt for `model.denoise`: the index of a class, None for no label, or words."""
        return self.file.images.prompts(model.class_names)[0]

    def what(self) -> str:
        """What to draw, in words."""
        return self.values.get("prompt") or self.values["label"]

    def settings(self) -> dict[str, Any]:
        """The values that make this request again, in the order in which people read them, but for
        those that say nothing, and a label that the prompt says."""
        says = lambda n, v: v is not None and (v or n not in (*OF_WORDS, "off"))
        names = sorted(self.values, key=lambda name: not self.known[name].says_what)
        said = {name: self.values[name] for name in names if says(name, self.values[name])}
        return {n: v for n, v in said.items() if n != "label" or "prompt" not in said}

    def shown(self, **look: Any) -> FileSettings:
        """The settings of a file that shows this request. look: fields of `Look`."""
        return dataclasses.replace(self.file, look=Look(**look))

    def file_name(self) -> str:
        """A name for files, without an ending."""
        return f"{_name_part(self.what())}-seed-{self.values['seed']}"

    def header(self) -> dict[str, Any]:
        """What is known before any work."""
        return {
            "settings": self.settings(),
            "name": self.file_name(),
            "steps": self.values["steps"],
        }


class MorphRequest(Request):
    """A request for the images on a way through points. Its steps are its images."""

    @staticmethod
    def _settled(model: LatentDiffusion, values: dict[str, Any]) -> dict[str, Any]:
        return values

    @staticmethod
    def _of_file() -> dict[str, Any]:
        return {}

    def _check_together(self, model: LatentDiffusion) -> None:
        self.begin(model)

    def begin(self, model: LatentDiffusion) -> Iterator[DenoisingStep]:
        return steps_of_morph(model, self.file)

    def file_name(self) -> str:
        return f"morph-{_name_part('-'.join(self.values['morph']))}"

    def header(self) -> dict[str, Any]:
        return super().header() | {"steps": self.file.images.count - 1}


def _name_part(text: str) -> str:
    """Text as a part of a file's name. A class may have a name that no file can have."""
    return re.sub(r"\W+", "-", text).encode()[:MAX_NAME_BYTES].decode(errors="ignore")
