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
from PIL import Image

from ldm_core import LatentDiffusion, UserError, read_settings

from .web_files import render

SIDE = 28
MAX_ROWS = 16  # samples are shown for at most so many of the steps that the file has
ANIMATION, EVALUATION = "training.gif", "evaluation.json"
TITLES = {"vae": "VAE", "unet": "U-Net"}
WIDTH, HEIGHT, LEFT, BOTTOM = 400, 230, 52, 40  # of a curve; beside and below it stand numbers


def story_of(model: LatentDiffusion, weights: str, folder: Path | None) -> dict[str, Any]:
    """What the template shows of a model: the `stages` of its training, `samples`: pairs of a step
    and a row of samples as a data URI, `evaluation` or None, and `lacks`: for each the sentence
    that says what is missing, or "". weights: `weights_of` the model.
    """
    stages = [_stage(name, model.records.get(name, {})) for name in TITLES]
    story = {"stages": stages, "samples": [], "evaluation": None}
    lacks = story["lacks"] = dict.fromkeys(("records", "samples", "evaluation"), "")
    if silent := [stage["file"] for stage in stages if not stage["all"]]:
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
    return render("training.html", **story_of(model, weights, folder))


def _file(folder: Path | None, name: str, remedy: str) -> Path:
    if folder is None or not (folder / name).is_file():
        raise UserError(f"There is no {name} beside these weights. {remedy}")
    return folder / name


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
    except (OSError, ValueError) as error:
        raise UserError(f"{EVALUATION} is damaged.") from error
    if report.get("weights") != weights:
        raise UserError(f"{EVALUATION} does not say that it is about these weights.")
    return report


def _stage(name: str, record: dict[str, Any]) -> dict[str, Any]:
    """What the template shows of one of the two trainings."""
    losses = record.get("losses", [])
    steps = record.get("steps", len(losses))
    points = [(i * steps / len(losses), loss) for i, loss in enumerate(losses)]
    said = f"from {losses[0]:.3g} at the start to {record['loss']:.3g} at the end" if losses else ""
    return {
        "title": TITLES[name],
        "file": f"{name}.safetensors",
        "facts": _facts(record),
        "all": list(_flat({n: v for n, v in record.items() if n != "losses"})),
        "command": _command(name, record),
        "curve": curve(points) if points else None,
        "says": said,
    }


def curve(points: list[tuple[float, float]]) -> dict[str, Any]:
    """What an SVG of (step, loss) needs: the `line`, the `losses` at its ends and between them with
    their y, and the `steps`. The scale is logarithmic, as losses fall far at first."""
    logs = [math.log10(loss) for _, loss in points]
    low, high = min(logs), max(logs)
    last = max(step for step, _ in points) or 1
    x = lambda step: round(LEFT + (WIDTH - LEFT - 12) * step / last, 1)
    y = lambda log: round(10 + (HEIGHT - BOTTOM - 20) * (high - log) / (high - low or 1), 1)
    marks = [low + (high - low) * share for share in ((0, 0.5, 1) if high > low else (0,))]
    return {
        "line": " ".join(f"{x(step)},{y(log)}" for (step, _), log in zip(points, logs)),
        "losses": [(y(mark), f"{10**mark:.2g}") for mark in marks],
        "steps": f"{last:,.0f}",
        "size": (WIDTH, HEIGHT, LEFT),
    }


def _facts(record: dict[str, Any]) -> dict[str, str]:
    """What most people want to know of a training: titles and texts."""
    found = {"Data set": record.get("dataset"), "Date": record.get("date")}
    if "steps" in record:
        found["Steps"] = f"{record['steps']:,.0f}"
    if seconds := record.get("seconds"):
        hours, minutes = divmod(round(seconds / 60), 60)
        long = f"{hours} h {minutes} min" if hours else f"{minutes} min"
        found["Time"] = long if seconds >= 90 else f"{seconds:.0f} s"
    for name, title in (("loss", "Loss at the end"), ("test_psnr_db", "PSNR on test digits")):
        if name in record:
            found[title] = f"{record[name]:g}{' dB' * name.endswith('db')}"
    if around := record.get("environment"):
        said = [str(around[name]) for name in ("device", "machine", "precision") if name in around]
        found["Machine"] = ", ".join([*said, f"PyTorch {around.get('torch', '?')}"])
    found["Stopped early"] = "yes" if record.get("interrupted") else None
    return {title: text for title, text in found.items() if text is not None}


def _flat(values: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, value if isinstance(value, str) else json.dumps(value)


def _command(name: str, record: dict[str, Any]) -> str:
    """The command line that trained it; empty if its record does not say it."""
    if not (settings := record.get("settings")):
        return ""
    amount, unit = settings["length"].split(" ")
    line = ["python", "train.py", "--stage", name, f"--{unit}", amount]
    seed, dataset = settings["training"]["seed"], record.get("dataset", "mnist")
    line += ["--seed", str(seed)] if seed else []
    line += ["--dataset", dataset] if dataset != "mnist" else []
    return shlex.join(line + ["--compile"] * settings.get("compiled", False))
