"""What Spaces ask of a folder, checked before anything is uploaded.

Sources: the Spaces configuration reference and the pages on ZeroGPU and Git LFS in the Hub's
documentation, as of August 2026; `huggingface_hub` for the hardware.
"""

import re
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import SpaceHardware
from packaging.requirements import Requirement

from ldm_core import UserError

LARGE = 10_000_000  # bytes; a Space takes larger files by Git LFS only
PYTHONS = ("3.12.12", "3.10.13")  # those of ZeroGPU
TORCHES = ("2.8.0", "2.9.1", "2.10.0", "2.11.0")  # likewise
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")
HARDWARE = tuple(hardware.value for hardware in SpaceHardware)
LINK = re.compile(r"\]\(([^)#:]+)[^):]*\)")  # to another file of the folder, in Markdown

Rule = tuple[Callable[[Any], bool], str]  # whether a value is allowed, and what is


def _one_of(*allowed: str) -> Rule:
    return lambda value: value in allowed, f"one of {', '.join(allowed)}"


def _text(at_most: int) -> Rule:
    def is_allowed(value: Any) -> bool:
        return isinstance(value, str) and 0 < len(value) <= at_most

    return is_allowed, f"text of at most {at_most} characters"


def _is_emoji(value: Any) -> bool:
    is_short = isinstance(value, str) and 0 < len(value) <= 8  # some are made of several characters
    return is_short and not any(one.isascii() or one.isalnum() for one in value)


EITHER: dict[str, Rule] = {
    "title": _text(100),
    "emoji": (_is_emoji, "an emoji"),
    "colorFrom": _one_of(*COLOURS),
    "colorTo": _one_of(*COLOURS),
    "sdk": _one_of("gradio", "static"),
    "app_file": _text(200),
    "short_description": _text(60),
    "tags": (lambda value: isinstance(value, list) and all(map(_text(50)[0], value)), "a list"),
    "license": _text(50),
    "pinned": (lambda value: isinstance(value, bool), "true or false"),
    "fullWidth": (lambda value: isinstance(value, bool), "true or false"),
    "header": _one_of("mini", "default"),
}
GRADIO: dict[str, Rule] = {
    "sdk_version": (
        lambda value: isinstance(value, str) and re.fullmatch(r"\d+\.\d+\.\d+", value) is not None,
        "a version such as 6.31.0",
    ),
    "python_version": (_one_of(*PYTHONS)[0], f"{' or '.join(PYTHONS)}, as ZeroGPU asks"),
    "suggested_hardware": _one_of(*HARDWARE),
    "startup_duration_timeout": (
        lambda value: isinstance(value, str) and re.fullmatch(r"\d+[smh]", value) is not None,
        "a duration such as 30m",
    ),
}
NEEDED = ("title", "emoji", "colorFrom", "colorTo", "sdk", "app_file")
NEEDED_BY_GRADIO = ("sdk_version", "python_version")


def check_front_matter(folder: Path) -> dict[str, Any]:
    """The front matter of folder/README.md. Raises UserError unless a Space takes it: no key that
    Spaces do not know, none missing, every value allowed, and an app_file that is there."""
    readme = folder / "README.md"
    found = re.match(r"---\n(.*?\n)---\n", readme.read_text(encoding="utf-8"), re.DOTALL)
    if found is None:
        raise UserError(f"{readme} must begin with front matter, between two lines of ---.")
    try:
        values = yaml.safe_load(found[1])
    except yaml.YAMLError as error:
        raise UserError(f"{readme}: the front matter is no YAML: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{readme}: the front matter must be lines such as title: Digits.")
    is_gradio = values.get("sdk") == "gradio"
    rules = EITHER | (GRADIO if is_gradio else {})
    for name in NEEDED + (NEEDED_BY_GRADIO if is_gradio else ()):
        if name not in values:
            raise UserError(f"{readme}: the front matter lacks {name}.")
    for name, value in values.items():
        if name not in rules:
            raise UserError(f"{readme}: {name} is no key of this kind of Space.")
        is_allowed, allowed = rules[name]
        if not is_allowed(value):
            raise UserError(f"{readme}: {name} must be {allowed}, not {value!r}.")
    if not (folder / values["app_file"]).is_file():
        raise UserError(f"{readme}: app_file {values['app_file']} is not there.")
    return values


def check_requirements(folder: Path, gradio_version: str) -> None:
    """Raise UserError unless requirements.txt goes together with what a Space installs itself: this
    version of Gradio, `spaces`, and on ZeroGPU a PyTorch that it knows."""
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lines = filter(None, (line.partition("#")[0].strip() for line in lines))
    needs = {need.name: need.specifier for need in map(Requirement, lines)}
    if "spaces" in needs:
        raise UserError("requirements.txt must not name spaces: a Space installs its own version.")
    if "gradio" in needs and not needs["gradio"].contains(gradio_version):
        raise UserError(
            f"requirements.txt asks for gradio{needs['gradio']}, sdk_version is {gradio_version}."
        )
    if refused := [version for version in TORCHES if not needs["torch"].contains(version)]:
        raise UserError(
            f"requirements.txt must allow torch {', '.join(refused)}, which ZeroGPU may have."
        )


def check_sizes(folder: Path) -> None:
    """Raise UserError for a large file that folder/.gitattributes does not give to Git LFS."""
    for path in too_large(folder):
        raise UserError(
            f"{path} has {path.stat().st_size / 1e6:.1f} MB. A Space takes more than "
            f"{LARGE / 1e6:g} MB by Git LFS only: name it in .gitattributes."
        )


def too_large(folder: Path) -> list[Path]:
    """The files that a Space refuses from a plain `git push`; `hf upload` takes them."""
    attributes = folder / ".gitattributes"
    lines = attributes.read_text(encoding="utf-8").splitlines() if attributes.exists() else []
    in_lfs = [line.split()[0] for line in lines if "filter=lfs" in line]
    return [
        path
        for path in files_of(folder)
        if path.stat().st_size > LARGE
        and not any(fnmatch(path.name, pattern) for pattern in in_lfs)
    ]


def check_links(folder: Path) -> None:
    """Raise UserError unless all files are there to which folder/README.md links."""
    for link in LINK.findall((folder / "README.md").read_text(encoding="utf-8")):
        if not (folder / link).exists():
            raise UserError(f"{folder / 'README.md'} links to {link}, which is not there.")


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def summary(folder: Path) -> str:
    files = files_of(folder)
    return f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB"
