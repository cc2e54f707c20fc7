"""The story of a model's training as HTML: samples, curves, tables, commands."""

import json
import shlex
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from .curves import curve
from .runs import data_uri
from .training import Stage, Story, number, whole

TITLES = {"vae": "VAE", "unet": "U-Net"}
DAMAGED = "evaluation.json is damaged."
# What the figures of an evaluation mean, in the order of the table.
FIGURES = {
    "accuracy": (
        "Accuracy",
        "Share in which the judge sees the class that was asked for. The judge is a classifier "
        "that sampling never uses.",
    ),
    "frechet_distance": (
        "Fréchet distance",
        "Between all samples and the training digits, as the judge sees them. Lower is nearer.",
    ),
    "kernel_distance": (
        "Kernel distance",
        "The same, measured in another way. Near 0 it may come out negative.",
    ),
    "precision": ("Precision", "Share of samples that lie among real digits: do they look real?"),
    "recall": (
        "Recall",
        "Share of real digits that lie among samples: is all of the variety there?",
    ),
    "density": ("Density", "Like precision, not fooled by outliers."),
    "coverage": ("Coverage", "Like recall, not fooled by outliers."),
    "nearest_distance": (
        "Nearest distance",
        "To the nearest training digit, on average. A model that copies would be far below real "
        "digits.",
    ),
}
FACTS = {  # of a record: what it is called, and how it is written
    "dataset": "Data set",
    "steps": "Steps",
    "seconds": "Time",
    "loss": "Loss at the end",
    "test_psnr_db": "PSNR on test digits",
    "date": "Date",
}
OWN = """python train.py --out models/mine    # ten minutes on two cores
python -m demo --weights models      # models/mine is on the menu"""


def story_html(story: Story) -> str:
    parts = [
        _section("Samples on the way", _samples(story)),
        _section("Loss", _curves(story)),
        _section("How good its samples are", _evaluation(story)),
        _section("Its settings", _settings(story)),
        _section("Train your own", _own()),
    ]
    return f'<div class="training">{"".join(parts)}</div>'


def _section(title: str, inside: str) -> str:
    return f"<section><h2>{title}</h2>{inside}</section>"


def _samples(story: Story) -> str:
    if not story.samples:
        return _lack(story, "samples")
    rows = "".join(
        f'<tr><th scope="row">{step:,}</th><td><img src="{data_uri(row)}" width="{row.shape[1]}" '
        f'height="{row.shape[0]}" alt="The samples after {step:,} steps"></td></tr>'
        for step, row in story.samples
    )
    return (
        "<p>One sample of each class, from the same noise each time, while the U-Net learned. "
        "Before the first step it knows nothing.</p>"
        f'<table class="grown"><thead><tr><th scope="col">Step</th><th scope="col">Samples</th>'
        f"</tr></thead><tbody>{rows}</tbody></table>"
    )


def _curves(story: Story) -> str:
    drawn = [_curve(stage) for stage in story.stages if stage.losses]
    silent = [f"{s.name}.safetensors" for s in story.stages if not s.losses]
    if not drawn:
        return _p("These weights came without their losses.")
    said = "How wrong a network is, on average over a batch of digits. Lower is better."
    missing = _p(f"{' and '.join(silent)} holds no losses.") if silent else ""
    return f'<p>{said}</p><div class="curves">{"".join(drawn)}</div>{missing}'


def _curve(stage: Stage) -> str:
    title = TITLES[stage.name]
    first, last = stage.losses[0][1], number(stage.record.get("loss")) or stage.losses[-1][1]
    says = f"from {first:.3g} at the start to {last:.3g} at the end"
    drawing = curve(stage.losses, f"Loss of the {stage.name}, {says}")
    return f"<figure><figcaption><b>{title}</b>: {says}</figcaption>{drawing}</figure>"


def _evaluation(story: Story) -> str:
    if story.evaluation is None:
        return _lack(story, "evaluation")
    try:
        return _figures(story.evaluation)
    except (KeyError, TypeError, ValueError, AttributeError):
        return _p(DAMAGED)


def _figures(report: dict[str, Any]) -> str:
    samples, real, settings = report["samples"], report["real"], report["settings"]
    about = (
        f"{report['count']:,} samples, seeds from {report['seed']}, none of them picked: "
        f"{settings['sampler']}, {settings['steps']} steps, guidance {settings['guidance_scale']}. "
        f"The VAE alone gives test digits back with {report['reconstruction_psnr_db']:.2f} dB PSNR."
    )
    rows = [
        [f"{title}<small>{escape(meaning)}</small>"]
        + [_figure(part[name]) for part in (samples, real)]
        for name, (title, meaning) in FIGURES.items()
    ]
    classes = [
        [escape(name), _figure(share), _figure(real["accuracy_by_class"][name])]
        for name, share in samples["accuracy_by_class"].items()
    ]
    head = ("Samples", "Real digits")
    html = _p(about) + _table(("Measure", *head), rows)
    html += _fold("Class by class", _table(("Class: accuracy", *head), classes))
    if words := report.get("words"):
        html += _fold("Words of style", _words(words))
    return html


def _words(words: dict[str, Any]) -> str:
    rows = [
        [escape(", ".join(row.get("words") or [row["word"]]))]
        + [_figure(row["right_side"]), _figure(row["real"]["right_side"])]
        + [_figure(row["label_accuracy"])]
        for row in (*words["single"], *words["pairs"])
    ]
    said = "How many samples are on the right side of the median of their class in the training set"
    html = _p(f"{said}, and how many real digits are there by chance.")
    html += _table(("Word", "Right side", "By chance", "Accuracy"), rows)
    rows = [
        [f"{escape(' to '.join(slider['words']))}<small>{escape(slider['property'])}</small>"]
        + [_figure(mean, 2) for mean in slider["means"]]
        for slider in words["sliders"]
    ]
    if rows:
        positions = [f"{at:g}" for at in words["sliders"][0]["positions"]]
        html += _p("What sliders do: the mean measure at each position.")
        html += _table(("Slider at", *positions), rows)
    if negative := words["negative"]:
        before, after = (_figure(mean, 2) for mean in negative["means"])
        html += _p(
            f"The negative prompt “{escape(negative['word'])}” moves the mean "
            f"{escape(negative['property'])} from {before} to {after}."
        )
    return html


def _settings(story: Story) -> str:
    told = [stage for stage in story.stages if stage.record]
    lack = _lack(story, "records") if "records" in story.lacks else ""
    if not told:
        return lack
    facts = "".join(
        f"<article><h3>{TITLES[stage.name]}</h3><dl>{_facts(stage.record)}</dl>"
        f"{_fold('All that its file says', _all(stage.record))}</article>"
        for stage in told
    )
    commands = [line for stage in told if (line := _command(stage))]
    again = _p("Made with:") + _code("\n".join(commands)) if commands else ""
    return f'{lack}<div class="facts">{facts}</div>{again}'


def _facts(record: dict[str, Any]) -> str:
    found = [(title, _fact(name, record.get(name))) for name, title in FACTS.items()]
    around = record.get("environment")
    if isinstance(around, dict):
        names = ("device", "machine", "precision")
        said = [str(around[name]) for name in names if name in around]
        found.append(("Machine", ", ".join([*said, f"PyTorch {around.get('torch', '?')}"])))
    if record.get("interrupted") is True:
        found.append(("Stopped early", "yes"))
    return "".join(f"<div><dt>{t}</dt><dd>{escape(said)}</dd></div>" for t, said in found if said)


def _fact(name: str, value: Any) -> str:
    if name in ("dataset", "date"):
        return value if isinstance(value, str) else ""
    if (amount := number(value)) is None:
        return ""
    if name == "seconds":
        hours, minutes = divmod(round(amount / 60), 60)
        long = f"{hours} h {minutes} min" if hours else f"{minutes} min"
        return long if amount >= 90 else f"{amount:.0f} s"
    return f"{amount:,.0f}" if name == "steps" else f"{amount:g}{' dB' * (name[-2:] == 'db')}"


def _all(record: dict[str, Any]) -> str:
    rows = [
        (escape(name).replace(".", ".<wbr>"), f'<span class="long">{escape(value)}</span>')
        for name, value in _flat(record)
        if name != "losses"
    ]
    return _table(("Setting", "Value"), rows)


def _flat(values: dict[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{above}{name}.")
        else:
            yield above + name, value if isinstance(value, str) else json.dumps(value)


def _command(stage: Stage) -> str:
    """The command line that trained it, as far as its record tells."""
    settings = stage.record.get("settings")
    if not isinstance(settings, dict):
        return ""
    length = str(settings.get("length")).split(" ")
    training = settings.get("training")
    seed = whole(training.get("seed")) if isinstance(training, dict) else None
    if len(length) != 2 or length[1] not in ("steps", "minutes") or seed is None:
        return ""
    line = ["python", "train.py", "--stage", stage.name, f"--{length[1]}", length[0]]
    line += ["--seed", str(seed)] if seed else []
    dataset = stage.record.get("dataset")
    line += ["--dataset", str(dataset)] if dataset not in ("mnist", None) else []
    return shlex.join(line + ["--compile"] * (settings.get("compiled") is True))


def _own() -> str:
    return _p("Two lines, on this machine or another:") + _code(OWN)


def _lack(story: Story, name: str) -> str:
    return _p(story.lacks[name])


def _p(text: str) -> str:
    return f"<p>{escape(text, quote=False)}</p>"


def _code(text: str) -> str:
    return f'<pre tabindex="0"><code>{escape(text)}</code></pre>'


def _fold(title: str, inside: str) -> str:
    return f"<details><summary>{title}</summary>{inside}</details>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """head: texts; rows: HTML. A row's first cell is its name."""
    columns = "".join(f'<th scope="col">{title}</th>' for title in head)
    body = "".join(
        f'<tr><th scope="row">{name}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for name, *cells in rows
    )
    table = f"<table><thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="{head[0]}">{table}</div>'


def _figure(value: Any, digits: int = 4) -> str:
    return "–" if value is None else f"{float(value):.{digits}f}"
