"""The static page: the page without a server, whose model runs in the visitor's browser.

`python -m ldm_core.export --format web` writes it into a folder that is all that a host needs.
Paths are relative, so that it works at any address. Large files are packed here, since hosts differ
in what they pack on the way; the page unpacks them. Their names do not end in .gz, because some
hosts would have the browser unpack those.
"""

import gzip
import hashlib
import json
import math
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ldm_core import LatentDiffusion, UserError
from ldm_core.export.graphs import graphs, inside_graph, model_json
from ldm_core.export.packing import packed

from .about import DATA, about, example
from .run import Runner
from .web_files import STYLES, WEB, modules, read, render, script_json

PACKED = ".bin"
RUNTIME, WASM = "packages/onnxruntime.js", f"packages/onnxruntime.wasm{PACKED}"
PACKAGES = {  # files of npm packages, and where they go
    "onnxruntime-web/dist/ort.wasm.bundle.min.mjs": RUNTIME,
    "onnxruntime-web/dist/ort-wasm-simd-threaded.wasm": WASM,
    "gifenc/dist/gifenc.esm.js": "packages/gifenc.js",
}
RUNTIME_HINT = (
    "pass as --runtime the node_modules that `npm ci` makes from demo/web/package-lock.json."
)


def write_web(
    model: LatentDiffusion, folder: Path, runtime: Path | None = None, weights: Path | None = None
) -> None:
    """Write the page with a model into an empty folder.

    runtime: a node_modules folder with the npm packages; npm fetches them if it is None. weights:
    the folder of the model, for the tab Train. Raises UserError where the packages
    cannot be had.
    """
    # The model that is exported runs in PyTorch; examples are drawn by what is fastest here.
    fast = LatentDiffusion.load(weights) if weights else model
    write_page(Runner(fast, folder=weights, deadline_s=math.inf), folder)
    with node_modules(runtime) as packages:
        for source, target in PACKAGES.items():
            _write(folder / target, (packages / source).read_bytes())
    _write_model(model, folder)
    # After all others, because it lists them.
    files = {name: _sha256((folder / name).read_bytes()) for name in _names(folder)}
    worker = f"const FILES = {json.dumps(files, indent=1)};\n\n{read('sw.js')}"
    _write(folder / "sw.js", worker.encode())
    _copy(WEB / "site/README.md", folder / "README.md")
    _write(folder / ".nojekyll", b"")  # GitHub Pages must not change the files


def write_page(runner: Runner, folder: Path) -> None:
    """Write index.html, the files of demo/web that it loads, the examples, and licenses.txt."""
    for name in (*page_modules(), *page_styles()):
        _copy(WEB / name, folder / name)
    _copy(WEB / "site/licenses.txt", folder / "licenses.txt")
    for name in DATA:
        _write(folder / f"data/{name}.json", json.dumps(example(name, runner)).encode())
    known = {"styles": page_styles(), "modules": modules("static.js"), "browser": True}
    said = about(runner)
    values = {value["name"]: value for value in said["values"]}
    known |= {"about": said, "about_json": script_json(said), "values": values}
    known["axes"] = [(name, values[name]["title"]) for name in said["requests"]["grid"]]
    html = render("static.html", **known)
    _write(folder / "index.html", html.encode())


def page_styles() -> list[str]:
    return [*STYLES, "static.css"]


def page_modules() -> list[str]:
    """The modules that the page loads, at once or later."""
    later = [path.relative_to(WEB).as_posix() for path in WEB.glob("parts/**/*.js")]
    lazy = ("engine/files.js", "engine/inside.js")
    entries = ("static.js", "engine/worker.js", *lazy, *later)
    return sorted({name for entry in entries for name in modules(entry)})


@contextmanager
def node_modules(folder: Path | None = None) -> Iterator[Path]:
    """A node_modules folder with the packages that demo/web/package-lock.json names.

    folder: one that has them. Without it, npm fetches them into a folder that is removed in the
    end, and checks their integrity. Raises UserError where there is no npm or no connection.
    """
    if folder is not None:
        yield folder
        return
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(f"npm is missing. Install Node.js with npm, or {RUNTIME_HINT}")
    with tempfile.TemporaryDirectory() as place:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(WEB / name, place)
        command = [npm, "ci", "--prefer-offline", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True)
        if done.returncode:
            reason = done.stderr.strip().removeprefix("npm error ")
            raise UserError(f"npm could not fetch the packages ({reason}). Or {RUNTIME_HINT}")
        yield Path(place) / "node_modules"


def _write_model(model: LatentDiffusion, folder: Path) -> None:
    """Write the networks, and model.json: all that the engine needs to know."""
    files = {"runtime": {"path": f"../{RUNTIME}"}, "wasm": _about(folder / WASM, f"../{WASM}")}
    networks = graphs(model, small=True)
    networks["inside"] = inside_graph(model, networks["unet"])
    for name, graph in networks.items():
        path = folder / "model" / f"{name}.onnx{PACKED}"
        _write(path, packed(graph))
        files[name] = _about(path, path.name)
    about = json.dumps(model_json(model) | {"files": files})
    _write(folder / "model" / "model.json", about.encode())


def _about(file: Path, path: str) -> dict[str, Any]:
    """What tells whether a file has loaded whole. path: from model.json."""
    content = file.read_bytes()
    return {"path": path, "bytes": len(content), "sha256": _sha256(content)}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _names(folder: Path) -> list[str]:
    """The files in a folder, relative to it, as addresses write them."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def _write(path: Path, content: bytes) -> None:
    """Write the content, packed if the name ends in PACKED."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_packed = path.suffix == PACKED
    path.write_bytes(gzip.compress(content, mtime=0) if is_packed else content)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
