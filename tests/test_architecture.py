"""Imports run one way: the folders know each other as this table allows, and in no other way."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ldm_core

from .conftest import ROOT

CORE = ROOT / "ldm_core"
# For each folder and each file beside them: what of `ldm_core` it may import. A folder of its own
# is always allowed. In the order in which data flows: each line knows only lines above it.
ALLOWED = {
    "checks": set(),
    "config": {"checks"},
    "model": {"checks", "config"},
    "diffusion": {"checks", "config", "model"},
    "runtime": {"checks", "config", "model", "diffusion"},
    "files": {"checks", "config", "model", "diffusion"},
    "data": {"checks", "config", "model", "files"},
    "inputs": {"checks", "config", "model"},
    "latent_diffusion": {"checks", "config", "model", "diffusion", "runtime", "files", "inputs"},
    "output": {
        *("checks", "config", "model", "diffusion", "runtime", "files", "inputs"),
        "latent_diffusion",
    },
    "__init__": {"checks", "diffusion", "runtime", "files", "inputs", "latent_diffusion"},
    "evaluation": {
        *("checks", "config", "model", "data", "diffusion", "runtime", "files", "inputs"),
        "latent_diffusion",
    },
    "training": {
        *("checks", "config", "model", "diffusion", "data", "runtime", "files"),
        *("latent_diffusion", "evaluation"),
    },
    "command_line": {"checks", "config", "diffusion", "model", "runtime"},
    "export": {
        *("checks", "config", "model", "diffusion", "runtime", "files", "latent_diffusion"),
        "command_line",
    },
    "sample": {
        *("checks", "files", "inputs", "latent_diffusion", "model", "output", "runtime"),
        "command_line",
    },
    "evaluate": {
        *("checks", "data", "files", "inputs", "latent_diffusion", "evaluation", "runtime"),
        "command_line",
    },
}
# The same for the folders outside, beside the names that `ldm_core` itself offers.
OUTSIDE = {
    "demo": {
        *("checks", "data", "export", "files", "inputs", "model", "output", "runtime"),
        "command_line",
    },
    "hosting": {"command_line"},
    "benchmarks": {"export", "model", "output", "runtime"},
}
# What a network and its mathematics must be readable, and usable, without.
FOREIGN = {"argparse", "pathlib", "os", "json", "PIL", "mutagen", "safetensors", "torchvision"}
MODULES = sorted(CORE.rglob("*.py"))
UNKNOWN = "?"  # a module whose name is computed


def imports(path: Path) -> set[str]:
    """Full names of all modules that a file imports, wherever in it and by any means."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from . import name` and `from package import name` may name modules
            found |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Call) and called(node) in ("import_module", "__import__"):
            name = node.args[0]
            found.add(name.value if isinstance(name, ast.Constant) else UNKNOWN)
    return found


def called(node: ast.Call) -> str | None:
    """The last name of a function that is called."""
    return getattr(node.func, "attr", None) or getattr(node.func, "id", None)


def place(module: str) -> str | None:
    """The line of the table to which a module of `ldm_core` belongs; None for all others."""
    root, _, rest = module.partition(".")
    if root != "ldm_core":
        return None
    name = rest.partition(".")[0]
    return name if (CORE / name).is_dir() or (CORE / f"{name}.py").is_file() else None


def known_places(path: Path) -> set[str]:
    return {found for module in imports(path) if (found := place(module))}


def test_the_table_has_a_line_for_every_folder_and_file_and_no_other():
    folders = {path.relative_to(CORE).parts[0].removesuffix(".py") for path in MODULES}
    assert set(ALLOWED) == folders


def test_the_table_has_no_circle():
    above = set()
    for name, known in ALLOWED.items():
        assert known <= above, name
        above.add(name)


@pytest.mark.parametrize("name", ALLOWED)
def test_a_folder_imports_what_the_table_allows_and_nothing_else(name):
    files = [path for path in MODULES if path.relative_to(CORE).parts[0] in (name, f"{name}.py")]
    known = set().union(*map(known_places, files)) - {name}
    assert known == ALLOWED[name]  # an edge that nobody uses any more goes too


@pytest.mark.parametrize("folder", [p for p in CORE.iterdir() if (p / "__init__.py").exists()])
def test_files_of_a_folder_import_each_other_without_a_circle(folder):
    edges = {
        path.stem: {
            module.removeprefix(f"ldm_core.{folder.name}.")
            for module in imports(path)
            if module.startswith(f"ldm_core.{folder.name}.")
        }
        for path in folder.glob("*.py")
    }
    edges = {name: known & edges.keys() for name, known in edges.items()}
    while edges:
        leaves = {name for name, known in edges.items() if not known}
        assert leaves, f"a circle among {', '.join(sorted(edges))}"
        edges = {name: known - leaves for name, known in edges.items() if name not in leaves}


@pytest.mark.parametrize("folder", ["model", "diffusion"])
def test_networks_and_mathematics_reach_no_files_and_no_command_line(folder):
    for path in (CORE / folder).glob("*.py"):
        outside = {module.partition(".")[0] for module in imports(path)}
        assert not outside & FOREIGN, path.name


def test_the_core_knows_no_page():
    for path in MODULES:
        assert not {name for name in imports(path) if name.split(".")[0] in ("gradio", "demo")}


@pytest.mark.parametrize("folder", OUTSIDE)
def test_folders_outside_import_what_the_table_allows_and_nothing_else(folder):
    known = set().union(*map(known_places, (ROOT / folder).rglob("*.py")))
    assert known == OUTSIDE[folder]


def test_the_library_has_one_door():
    assert len(ldm_core.__all__) <= 15
    assert all(hasattr(ldm_core, name) for name in ldm_core.__all__)


def test_only_the_export_looks_for_modules_that_it_does_not_know():
    """Its formats register themselves."""
    found = [path for path in MODULES if UNKNOWN in imports(path)]
    assert found == [CORE / "export" / "__main__.py"]


def test_library_and_page_load_without_what_only_training_needs():
    """torchvision alone would double the time that `import ldm_core` takes beside torch, and take a
    fifth of the memory of the page. And models under training, which run in PyTorch, do without
    ONNX Runtime."""
    code = (
        "import sys, ldm_core; "
        "print(*{'torchvision', 'torchmetrics', 'imageio_ffmpeg', 'onnxruntime', 'gradio', "
        "'huggingface_hub', 'tqdm'}"
        " & sys.modules.keys()); model = ldm_core.LatentDiffusion.load(backend='torch'); "
        "list(model.denoise([1], steps=1)); assert 'onnxruntime' not in sys.modules; "
        "import demo.app; assert 'torchvision' not in sys.modules"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert found.strip() in ("", "tqdm")
