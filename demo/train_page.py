"""The tab Train: what a model's files say of its training, as HTML.

Only what belongs to the loaded weights is shown. What is missing has a sentence that says so.
"""

import base64
import io
import json
import math
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import TemplateError
from PIL import Image

from ldm_core import LatentDiffusion, UserError, read_settings

from .web_files import render

SIDE = 28
MAX_ROWS = 16  # samples are shown for at most so many of the steps that the file has
MAX_BYTES = 20_000_000  # of training.gif, and of evaluation.json; ours are a third of a megabyte
ANIMATION, EVALUATION = "training.gif", "evaluation.json"
TITLES = {"vae": "VAE", "unet": "U-Net"}
WIDTH, HEIGHT, LEFT, BOTTOM = 400, 230, 52, 40  # of a curve; beside and below it stand numbers


def story_of(model: LatentDiffusion, weights: str, folder: Path | None) -> dict[str, Any]:
    """Read what `folder` says of a model, for JSON: `records` of the checkpoints, `samples`: pairs
    of a step and a row of samples as a data URI, `evaluation` or None, and `lacks`: for each the
    sentence that says what is missing, or "". weights: `weights_of` the model.

    It always comes to an end: what cannot be read is missing.
    """
    records = {name: model.records.get(name) for name in TITLES}
    records = {name: r if isinstance(r, dict) else {} for name, r in records.items()}
    lacks = dict.fromkeys(("records", "samples", "evaluation"), "")
    story = {"weights": weights, "records": records, "samples": [], "evaluation": None}
    story["lacks"] = lacks
    if silent := [f"{name}.safetensors" for name, record in records.items() if not record]:
        how = "do not say how they were" if silent[1:] else "does not say how it was"
        lacks["records"] = f"{' and '.join(silent)} {how} trained."
    for name, read in (("samples", _samples), ("evaluation", _evaluation)):
        try:
            story[name] = read(folder, weights)
        except UserError as missing:
            lacks[name] = str(missing)
    return story


def train_page(model: LatentDiffusion, weights: str, folder: Path | None) -> str:
    """The tab's HTML; arguments as of `story_of`."""
    story = story_of(model, weights, folder)
    known = {"stages": [_stage(name, record) for name, record in story["records"].items()]}
    try:
        return render("training.html", **story, **known)
    except (TemplateError, KeyError, TypeError, ValueError, AttributeError):
        # A report that lacks figures; all else has been checked.
        lacks = story["lacks"] | {"evaluation": f"{EVALUATION} is damaged."}
        return render("training.html", **story | known | {"evaluation": None, "lacks": lacks})


def _file(folder: Path | None, name: str, remedy: str) -> Path:
    path = None if folder is None else folder / name
    if path is None or not path.is_file():
        raise UserError(f"There is no {name} beside these weights. {remedy}")
    if path.stat().st_size > MAX_BYTES:
        raise UserError(f"{name} is too large to be shown.")
    return path


def _samples(folder: Path | None, weights: str) -> list[tuple[int, str]]:
    """The first row of each grid in training.gif: one sample of each class."""
    path = _file(folder, ANIMATION, "train.py writes it at the end of a whole training.")
    try:
        about = read_settings(path)
        if about.get("weights") != weights:
            raise UserError(
                f"{ANIMATION} does not say that it shows the training of these weights."
            )
        rows = list(_rows(path, about["scale"]))
        steps = [int(step) for step in about["steps"]]
        shown = np.unique(np.linspace(0, len(rows) - 1, MAX_ROWS).round().astype(int))
        return [(steps[i], _data_uri(rows[i])) for i in shown]
    except UserError:
        raise
    except Exception as error:  # what damaged pictures raise in Pillow has no end
        raise UserError(f"{ANIMATION} is damaged.") from error


def _rows(path: Path, scale: int) -> Iterator[np.ndarray]:
    with Image.open(path) as animation:
        for i in range(animation.n_frames):
            animation.seek(i)
            yield np.asarray(animation.convert("L"))[::scale, ::scale][:SIDE]


def _data_uri(picture: np.ndarray) -> str:
    png = io.BytesIO()
    Image.fromarray(picture).save(png, "PNG")
    return "data:image/png;base64," + base64.b64encode(png.getvalue()).decode()


def _evaluation(folder: Path | None, weights: str) -> dict[str, Any]:
    remedy = "python -m ldm_core.evaluate --save measures how good they are, and writes it."
    path = _file(folder, EVALUATION, remedy)
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{EVALUATION} is damaged.") from error
    if not isinstance(report, dict) or report.get("weights") != weights:
        raise UserError(f"{EVALUATION} does not say that it is about these weights.")
    return report


def _stage(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """What the template shows of one of the two trainings."""
    losses = record.get("losses") if isinstance(record.get("losses"), list) else []
    steps = _number(record.get("steps")) or len(losses)
    points = [(i * steps / len(losses), _number(loss)) for i, loss in enumerate(losses)]
    points = [(step, loss) for step, loss in points if loss is not None]
    last = _number(record.get("loss")) or (points[-1][1] if points else 0)
    return {
        "title": TITLES[name],
        "file": f"{name}.safetensors",
        "facts": _facts(record),
        "all": list(_flat({n: v for n, v in record.items() if n != "losses"})),
        "command": _command(name, record),
        "curve": curve(points) if points else None,
        "says": f"from {points[0][1]:.3g} at the start to {last:.3g} at the end" if points else "",
    }


def curve(points: list[tuple[float, float]]) -> dict[str, Any]:
    """What an SVG of (step, loss) needs: the `line`, and `ticks`: (x, y, text), with three losses,
    those at the ends and between them, and the steps at the end. The scale is logarithmic, as
    losses fall far at first; only where one is not above zero it is linear."""
    losses = [loss for _, loss in points]
    scale, back = (np.log10, lambda y: 10.0**y) if min(losses) > 0 else (float, float)
    low, high = scale(min(losses)), scale(max(losses))
    last = max(step for step, _ in points) or 1
    height = HEIGHT - BOTTOM - 20

    def y(value: float) -> float:
        return round(10 + height * float(high - value) / (float(high - low) or 1), 1)

    x = lambda step: round(LEFT + (WIDTH - LEFT - 12) * step / last, 1)
    marks = [low + (high - low) * share for share in ((0, 0.5, 1) if high > low else (0,))]
    return {
        "line": " ".join(f"{x(step)},{y(scale(loss))}" for step, loss in points),
        "losses": [(y(mark), f"{back(mark):.2g}") for mark in marks],
        "steps": f"{last:,.0f}",
        "size": (WIDTH, HEIGHT, LEFT),
    }


def _number(value: Any) -> float | None:
    """A finite number, or None for anything else that a file may hold."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if good else None


def _facts(record: dict[str, Any]) -> dict[str, str]:
    """What most people want to know of a training: titles and texts."""
    found = {}
    for name, title in (("dataset", "Data set"), ("date", "Date")):
        if isinstance(record.get(name), str):
            found[title] = record[name]
    if (steps := _number(record.get("steps"))) is not None:
        found["Steps"] = f"{steps:,.0f}"
    if (seconds := _number(record.get("seconds"))) is not None:
        hours, minutes = divmod(round(seconds / 60), 60)
        long = f"{hours} h {minutes} min" if hours else f"{minutes} min"
        found["Time"] = long if seconds >= 90 else f"{seconds:.0f} s"
    for name, title in (("loss", "Loss at the end"), ("test_psnr_db", "PSNR on test digits")):
        if (value := _number(record.get(name))) is not None:
            found[title] = f"{value:g}{' dB' * name.endswith('db')}"
    if isinstance(around := record.get("environment"), dict):
        said = [str(around[name]) for name in ("device", "machine", "precision") if name in around]
        found["Machine"] = ", ".join([*said, f"PyTorch {around.get('torch', '?')}"])
    if record.get("interrupted") is True:
        found["Stopped early"] = "yes"
    return found


def _flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, value if isinstance(value, str) else json.dumps(value)


def _command(name: str, record: dict[str, Any]) -> str:
    """The command line that trained it, as far as its record says; empty if it does not."""
    try:
        settings = record["settings"]
        amount, unit = str(settings["length"]).split(" ")
        seed = int(settings["training"]["seed"])
    except (KeyError, TypeError, ValueError):
        return ""
    line = ["python", "train.py", "--stage", name, f"--{unit}", amount]
    line += ["--seed", str(seed)] if seed else []
    dataset = record.get("dataset")
    line += ["--dataset", str(dataset)] if dataset not in ("mnist", None) else []
    return shlex.join(line + ["--compile"] * (settings.get("compiled") is True))
