"""The lesson of the tab Inside, as docs/lesson.md holds it."""

import re
from pathlib import Path
from urllib.parse import parse_qsl

LESSON = Path(__file__).resolve().parents[1] / "docs" / "lesson.md"
STEP = re.compile(
    r"^## \d+\. (?P<title>.+)\n\n(?P<says>(?:.+\n)+)\n\*\*(?P<press>.+)\*\* `(?P<state>.+)`$",
    re.MULTILINE,
)


def lesson() -> list[dict]:
    """The steps: `title`, what it `says`, the button to `press`, and the `state` in which that
    leaves the page, by name."""
    steps = STEP.finditer(LESSON.read_text(encoding="utf-8"))
    return [_step(**step.groupdict()) for step in steps]


def _step(title: str, says: str, press: str, state: str) -> dict:
    values = dict(parse_qsl(state, strict_parsing=True))
    return {"title": title, "says": " ".join(says.split()), "press": press, "state": values}
