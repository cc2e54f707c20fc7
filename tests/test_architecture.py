"""Imports run one way: each module knows only those above it."""

import ast
from pathlib import Path

import pytest

from .conftest import ROOT

# In the order in which data flows. A module may import from lines above its own.
LAYERS = [
    "config",
    "files",
    "checkpoint",
    "image_folder",
    "datasets",
    "randomness",
    "noise_schedule",
    "samplers",
    "settings",
    "sampling_options",
    "vae",
    "attention",
    "unet",
    "conditioning",
    "onnx_graph",
    "onnx_networks",
    "backends",
    "latent_diffusion",
    "images",
    "formats",
    "animation",
    "training_data",
    "averaging",
    "muon",
    "memory",
    "processes",
    "training_state",
    "training_loop",
    "training_progress",
    "training",
    "classifier",
    "training_run",
    "metrics",
    "evaluate",
    "sample_files",
    "sample",
]
CORE = sorted((ROOT / "ldm_core").glob("*.py"))


def imports(path: Path) -> set[str]:
    """Modules that a file imports, relative ones as "ldm_core.name"."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = f"ldm_core.{node.module}" if node.level else node.module
            found.add(base)
    return found


@pytest.mark.parametrize("path", [p for p in CORE if p.stem != "__init__"], ids=lambda p: p.stem)
def test_core_modules_import_upwards_only(path):
    allowed = {f"ldm_core.{name}" for name in LAYERS[: LAYERS.index(path.stem)]}
    inside = {name for name in imports(path) if name.startswith("ldm_core.")}
    assert inside <= allowed


@pytest.mark.parametrize("path", CORE, ids=lambda p: p.stem)
def test_the_core_knows_no_page(path):
    assert not {name for name in imports(path) if name.split(".")[0] in ("gradio", "demo")}


@pytest.mark.parametrize("path", sorted((ROOT / "demo").rglob("*.py")), ids=lambda p: p.stem)
def test_the_page_uses_the_public_api_alone(path):
    inside = {name for name in imports(path) if name.startswith("ldm_core.")}
    assert inside <= {"ldm_core.animation", "ldm_core.images", "ldm_core.sample_files"}
