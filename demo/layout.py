"""What the pages share: files of demo/web, and the order and the names of what is on them."""

import re
from pathlib import Path

from ldm_core.model.vocabulary import STYLES

WEB = Path(__file__).parent / "web"
GENERATE, STOP, NEW_SEED = "Generate", "Stop", "New seed"
SLIDERS = (*STYLES, "guidance_scale", "steps")  # beside a prompt, before what is folded away
FOLD = "Sampler and negative prompt"  # what is folded away
MAX_SLIDER = 1000  # with more values than this, a slider cannot be set to each of them


def read(name: str) -> str:
    return (WEB / name).read_text(encoding="utf-8")


def script(name: str) -> str:
    """A module and all that it imports, as one plain script: what they export is known to the page.
    Only files that lie beside it are imported."""
    text = read(name)
    for imported in re.findall(r'^import .* from "\./(.*)";\n', text, flags=re.MULTILINE):
        text = script(imported) + text
    return re.sub(r"^export |^import .*\n", "", text, flags=re.MULTILINE)
