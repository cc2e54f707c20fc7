"""The front matter of a Space's README.md, and what else goes wrong only when the Space is built.

`hf upload` has the Hub check the front matter before it sends anything; this is the rest. Sources:
the Hub's documentation of Spaces and of ZeroGPU, as of August 2026.
"""

from pathlib import Path

import yaml
from huggingface_hub import SpaceCard, SpaceCardData
from packaging.requirements import Requirement

from ldm_core import UserError

PYTHONS = ("3.12.12", "3.10.13")  # those of ZeroGPU
TORCHES = ("2.8.0", "2.9.1", "2.10.0", "2.11.0")  # likewise


def read_card(folder: Path, sdk: str) -> SpaceCardData:
    """Read the front matter of folder/README.md. Raises UserError for another sdk, and for an
    app_file or, with Gradio, a Python that is not there."""
    readme = folder / "README.md"
    try:
        card = SpaceCard.load(readme).data
    except (ValueError, yaml.YAMLError) as error:
        raise UserError(f"{readme}: the front matter is damaged: {error}") from error
    if card.sdk != sdk:
        raise UserError(f"{readme} must say sdk: {sdk}, not {card.sdk}.")
    if not card.app_file or not (folder / card.app_file).is_file():
        raise UserError(f"{readme}: the app_file {card.app_file} is not there.")
    if sdk == "gradio" and card.python_version not in PYTHONS:
        raise UserError(
            f"{readme}: python_version must be {' or '.join(PYTHONS)}, as ZeroGPU has it, not "
            f"{card.python_version!r}."
        )
    return card


def check_requirements(folder: Path, gradio_version: str) -> None:
    """Raise UserError unless requirements.txt agrees with what a Space installs itself: this
    version of Gradio, `spaces`, and on ZeroGPU any of `TORCHES`."""
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    lines = filter(None, (line.partition("#")[0].strip() for line in lines))
    needs = {need.name: need.specifier for need in map(Requirement, lines)}
    if "spaces" in needs:
        raise UserError("requirements.txt must not name spaces: a Space installs its own version.")
    if not needs["gradio"].contains(gradio_version):
        raise UserError(
            f"requirements.txt asks for gradio{needs['gradio']}, sdk_version is {gradio_version}."
        )
    if refused := [version for version in TORCHES if not needs["torch"].contains(version)]:
        raise UserError(
            f"requirements.txt must allow torch {', '.join(refused)}, which ZeroGPU may have."
        )
