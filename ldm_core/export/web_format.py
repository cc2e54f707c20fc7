"""A static page that runs the model in the visitor's browser: --format web.

The folder is all that a host needs. Its page consists of files of demo/web, some of which the
Gradio page has too; its networks are graphs for onnxruntime-web. Paths are relative, so that it
works wherever it is put. Large files are packed here, since hosts differ in what they pack on the
way; the page unpacks them. Their names do not say so, because some hosts would have the browser
unpack a .gz.
"""

import argparse
import gzip
import hashlib
import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..checks import UserError
from ..latent_diffusion import LatentDiffusion
from .graphs import graphs
from .model_json import model_json
from .npm_packages import Package, package_files

WEB = Path(__file__).resolve().parents[2] / "demo" / "web"
SITE = WEB / "site"
PACKED = ".bin"
RUNTIME, WASM = "packages/onnxruntime.js", "packages/onnxruntime.wasm.bin"  # as in packages.json
FRONT_MATTER = {  # of a static Space
    "title": "Miniature Stable Diffusion",
    "emoji": "✏️",
    "colorFrom": "gray",
    "colorTo": "indigo",
    "sdk": "static",
    "app_file": "index.html",
    "pinned": "false",
    "license": "mit",
}
README = """
# Miniature Stable Diffusion, in the browser

A page without a server: any host of static files will do, also in a folder of a larger site. Try it
with `python -m http.server -d FOLDER`. It was made by `python -m ldm_core.export --format web`;
licenses.txt says what it consists of.
"""


def write_web(model: LatentDiffusion, folder: Path, args: argparse.Namespace) -> None:
    """args.runtime: a node_modules folder with the npm packages; None where they are to be fetched.

    Raises UserError where the files of the page or of a package are not to be had.
    """
    if not SITE.is_dir():
        raise UserError(
            "The page is made of files of the repository, which an installed package lacks. Export "
            "from a copy of the repository."
        )
    _write_page(model, folder)
    for package, places in packages():
        for path, content in package_files(package, args.runtime).items():
            _write(folder / places[path], content)
    _copy(SITE / "licenses.txt", folder / "licenses.txt")
    _write_model(model, folder)
    # The last, because it lists all others.
    files = {name: _sha256((folder / name).read_bytes()) for name in _names(folder)}
    worker = (SITE / "sw.js").read_text(encoding="utf-8")
    _write(folder / "sw.js", f"const FILES = {json.dumps(files, indent=1)};\n\n{worker}".encode())
    header = "".join(f"{key}: {value}\n" for key, value in FRONT_MATTER.items())
    _write(folder / "README.md", f"---\n{header}---\n{README}".encode())
    _write(folder / ".nojekyll", b"")  # GitHub Pages is to leave the files as they are


def packages() -> Iterator[tuple[Package, dict[str, str]]]:
    """The npm packages of the page, and for each of their files where it goes."""
    for one in json.loads((SITE / "packages.json").read_text(encoding="utf-8")):
        sha256 = {path: file["sha256"] for path, file in one["files"].items()}
        places = {path: file["to"] for path, file in one["files"].items()}
        yield Package(one["name"], one["version"], sha256), places


def _write_page(model: LatentDiffusion, folder: Path) -> None:
    """index.html, what it needs of demo/web, and the engine.

    The page knows the library, and the library no page: this one command looks for it, where the
    repository has it.
    """
    root = str(WEB.parents[1])
    if root not in sys.path:
        sys.path.append(root)
    importlib.import_module("demo.site").write_page(model, folder)
    for path in (WEB / "engine").glob("*.js"):
        _copy(path, folder / "engine" / path.name)


def _write_model(model: LatentDiffusion, folder: Path) -> None:
    """The networks, and model.json: all that the engine needs to know."""
    files = {"runtime": {"path": f"../{RUNTIME}"}, "wasm": _about(folder / WASM, f"../{WASM}")}
    for name, graph in graphs(model, small=True).items():
        path = folder / "model" / f"{name}.onnx{PACKED}"
        _write(path, graph)
        files[name] = _about(path, path.name)
    about = json.dumps(model_json(model) | {"files": files})
    _write(folder / "model" / "model.json", about.encode())


def _about(file: Path, path: str) -> dict[str, Any]:
    """What tells whether a file has loaded whole; path: as from model.json."""
    content = file.read_bytes()
    return {"path": path, "bytes": len(content), "sha256": _sha256(content)}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _names(folder: Path) -> list[str]:
    """The files in a folder, relative to it, as addresses write them."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def _write(path: Path, content: bytes) -> None:
    """The content, packed if the name is one of PACKED."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_packed = path.suffix == PACKED
    path.write_bytes(gzip.compress(content, mtime=0) if is_packed else content)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
