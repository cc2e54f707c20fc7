"""What a model's files say of its training: records, samples on the way, an evaluation.

Only what belongs to the loaded weights is told. What is missing has a sentence that says so.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ldm_core import LatentDiffusion, UserError, read_settings

SIDE = 28
MAX_ROWS = 16  # samples are shown for at most so many of the steps that the file has
MAX_BYTES = 20_000_000  # of training.gif, and of evaluation.json; ours are a third of a megabyte
ANIMATION, EVALUATION = "training.gif", "evaluation.json"


@dataclass(frozen=True)
class Stage:
    """One of the two trainings of a model. name: of the checkpoint's file; record: what that says.

    losses: (step, loss), in equal distances; only numbers.
    """

    name: str
    record: dict[str, Any]
    losses: list[tuple[float, float]]

    @property
    def steps(self) -> int | None:
        return whole(self.record.get("steps"))


@dataclass(frozen=True)
class Story:
    """All that is known of a model's training. samples: (step, uint8 (28, W)), a row of samples
    for each. lacks: for what is missing, its name and the sentence that says so."""

    weights: str
    stages: list[Stage]
    samples: list[tuple[int, np.ndarray]]
    evaluation: dict[str, Any] | None
    lacks: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """For scripts, as JSON."""
        return {
            "weights": self.weights,
            "records": {stage.name: stage.record for stage in self.stages},
            "samples": [step for step, _ in self.samples],
            "evaluation": self.evaluation,
            "lacks": list(self.lacks.values()),
        }


class _Missing(UserError):
    """Something that a model lacks."""


def read_story(model: LatentDiffusion, weights: str, folder: Path | None) -> Story:
    """The story of a model from `folder`. weights: its `weights_of`. It always comes to an end:
    what cannot be read is missing."""
    lacks = {}
    stages = [_stage(name, model.records.get(name)) for name in ("vae", "unet")]
    if silent := [f"{s.name}.safetensors" for s in stages if not s.record]:
        how = "do not say how they were" if silent[1:] else "does not say how it was"
        lacks["records"] = f"{' and '.join(silent)} {how} trained."
    try:
        samples = _samples(folder, weights)
    except _Missing as missing:
        samples, lacks["samples"] = [], str(missing)
    try:
        evaluation = _evaluation(folder, weights)
    except _Missing as missing:
        evaluation, lacks["evaluation"] = None, str(missing)
    return Story(weights, stages, samples, evaluation, lacks)


def whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def number(value: Any) -> float | None:
    """A finite number, or None for whatever else a file may hold."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None


def _stage(name: str, record: Any) -> Stage:
    record = record if isinstance(record, dict) else {}
    given = record.get("losses")
    losses = given if isinstance(given, list) else []
    steps = whole(record.get("steps")) or len(losses)
    points = ((i * steps / len(losses), number(loss)) for i, loss in enumerate(losses))
    return Stage(name, record, [(step, loss) for step, loss in points if loss is not None])


def _file(folder: Path | None, name: str, remedy: str) -> Path:
    path = None if folder is None else folder / name
    if path is None or not path.is_file():
        raise _Missing(f"There is no {name} beside these weights. {remedy}")
    if path.stat().st_size > MAX_BYTES:
        raise _Missing(f"{name} is too large to be shown.")
    return path


def _samples(folder: Path | None, weights: str) -> list[tuple[int, np.ndarray]]:
    """The first row of each grid in training.gif: one sample of each class."""
    path = _file(folder, ANIMATION, "train.py writes it at the end of a whole training.")
    try:
        about = read_settings(path)
        steps = about.get("steps")
        if about.get("weights") != weights:
            raise _Missing(f"{ANIMATION} does not say that it shows the training of these weights.")
        rows = list(_rows(path, about.get("scale")))
        if not isinstance(steps, list) or len(steps) != len(rows) or None in map(whole, steps):
            raise _Missing(f"{ANIMATION} is damaged.")
    except _Missing:
        raise
    except Exception as error:  # what damaged pictures raise in Pillow has no end
        raise _Missing(f"{ANIMATION} is damaged.") from error
    shown = np.unique(np.linspace(0, len(rows) - 1, MAX_ROWS).round().astype(int))
    return [(steps[i], rows[i]) for i in shown]


def _rows(path: Path, scale: int) -> Iterator[np.ndarray]:
    with Image.open(path) as animation:
        for i in range(animation.n_frames):
            animation.seek(i)
            yield np.asarray(animation.convert("L"))[::scale, ::scale][:SIDE]


def _evaluation(folder: Path | None, weights: str) -> dict[str, Any]:
    remedy = "python -m ldm_core.evaluate --save measures how good they are, and writes it."
    path = _file(folder, EVALUATION, remedy)
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _Missing(f"{EVALUATION} is damaged.") from error
    if not isinstance(report, dict) or report.get("weights") != weights:
        raise _Missing(f"{EVALUATION} does not say that it is about these weights.")
    return report
