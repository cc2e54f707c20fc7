"""The files of demo/web, which both pages are made of: templates, styles and ES modules."""

import json
import re
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

WEB = Path(__file__).parent / "web"
STYLES = (  # of both pages, in the order in which they count
    *("theme.css", "layout.css", "controls.css", "player.css", "watch.css", "draw.css"),
    *("compare.css", "inside.css", "train.css", "models.css"),
)
IMPORT = re.compile(r'^(?:import|export)\b[^;"]*"(\.{1,2}/[^"]+)";', re.MULTILINE)

TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(WEB),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def read(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def render(name: str, **known) -> str:
    """Fill in a template of demo/web."""
    return TEMPLATES.get_template(name).render(**known)


def script_json(value: Any) -> Markup:
    """JSON as it may stand in a <script>."""
    return Markup(json.dumps(value, separators=(",", ":")).replace("<", "\\u003c"))


def modules(entry: str) -> list[str]:
    """A module and all that it imports, directly or not: their paths in demo/web. Modules that are
    imported later, by `import()`, are not among them, nor are npm packages."""
    found, new = [], [entry]
    while new:
        name = new.pop()
        found.append(name)
        for path in IMPORT.findall(read(name)):
            there = (WEB / name).parent.joinpath(path).resolve().relative_to(WEB).as_posix()
            if there not in (*found, *new) and not there.startswith("packages/"):
                new.append(there)
    return found
