"""The page of the static site: Gradio's page without Gradio, in front of a model that runs in the
visitor's browser. `python -m ldm_core.export --format web` has it written into its folder."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from ldm_core import LatentDiffusion
from ldm_core.files.weights import weights_of
from ldm_core.inputs import MAX_SEED
from ldm_core.output.file_settings import SCALE, stored_settings

from .layout import WEB, read
from .markup import controls
from .prompts import MAX_PROMPT, Amount, Words, asks_of
from .requests import OF_WORDS, Choice, Label, Number, Request, Whole, labels
from .runs import LARGE, Runner

# Of demo/web, in the order in which they count. The site has them at the same paths.
STYLES = (
    *("theme.css", "layout.css", "player.css", "keeping.css", "views.css"),
    *("controls.css", "live.css", "prompt.css", "site/site.css"),
)
MODULES = ("player.js", "views.js", "keeping.js", "live.js", "prompt.js", "prompt_field.js")
# The names that demo/web/site/request.js knows the kinds of values by; the first that fits.
KINDS = {
    Label: "label",
    Choice: "choice",
    Words: "words",
    Amount: "number",
    Whole: "whole",
    Number: "number",
}


def write_page(model: LatentDiffusion, folder: Path) -> None:
    """index.html, and all of demo/web that it needs but for the engine."""
    for name in (*STYLES, *MODULES, *(f"site/{path.name}" for path in (WEB / "site").glob("*.js"))):
        if name != "site/sw.js":  # it lies above all that it keeps
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(WEB / name, target)
    (folder / "index.html").write_text(index(model), encoding="utf-8")


def index(model: LatentDiffusion) -> str:
    asks = asks_of(model)
    about = json.dumps(what_the_page_knows(model, asks)).replace("<", "\\u003c")  # ends no script
    parts = {
        "styles": "\n".join(f'<link rel="stylesheet" href="{name}">' for name in STYLES),
        "header": read("header.html"),
        "player": read("player.html"),
        "controls": controls(model, asks),
        "how": read("how.html"),
        "about": about,
    }
    words = "words" if asks is not Request else ""
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], read("site/index.html"))
    return chosen(page, {"browser", words})


def chosen(template: str, known: set[str]) -> str:
    """A template with what stands for one of the known words: the part of Handlebars that the files
    in demo/web use, and that Gradio reads, too."""
    pattern = r"\{\{#if (\w+)\}\}(.*?)(?:\{\{else\}\}(.*?))?\{\{/if\}\}"
    choose = lambda match: match[2] if match[1] in known else match[3] or ""
    return re.sub(pattern, choose, template, flags=re.DOTALL)


def what_the_page_knows(model: LatentDiffusion, asks: type[Request]) -> dict[str, Any]:
    """For demo/web/site: what may be asked, what files store, and an example to open with."""
    config = model.config.to_dict()
    blank = asks.check(model, {}).file_settings(model)
    return {
        "values": [_described(name, asks, model) for name in asks.values()],
        "left_out": asks.left_out(model),
        "of_words": OF_WORDS,
        "labels": list(labels(model)),
        "max_prompt": MAX_PROMPT,
        "max_seed": MAX_SEED,
        "class_names": model.class_names,
        "vocabulary": model.vocabulary and model.vocabulary.to_dict(),
        "defaults": model.defaults.to_dict(),
        "noise_schedule": config["noise_schedule"],
        "stored": stored_settings(blank, weights_of(model)),
        "scales": {"gif": SCALE, "png": LARGE},
        "example": Runner(model, Path()).example(),
    }


def _described(name: str, asks: type[Request], model: LatentDiffusion) -> dict[str, Any]:
    value = asks.values()[name]
    kind = value.kind
    about = {
        "name": name,
        "title": value.title,
        "kind": next(word for cls, word in KINDS.items() if isinstance(kind, cls)),
        "start": asks.start(model)[name],
        "in_line": value.in_line,
        "says_what": value.says_what,
    }
    if isinstance(kind, Number):
        about |= {"low": kind.low, "high": kind.high}
    if isinstance(kind, Choice):
        about |= {"choices": list(kind.titles(model))}
    return about
