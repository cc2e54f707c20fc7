"""The static page: the page without a server, whose model runs in the visitor's browser.

`python -m ldm_core.export --format web` writes it into a folder that is all that a host needs.
Paths are relative, so that it works at any address. Large files are packed here, since hosts differ
in what they pack on the way; the page unpacks them. Their names do not end in .gz, because some
hosts would have the browser unpack those.
"""

import gzip
import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ldm_core import LatentDiffusion, UserError
from ldm_core.export.graphs import graphs
from ldm_core.export.model_json import model_json
from ldm_core.files.weights import weights_of
from ldm_core.inputs import MAX_SEED
from ldm_core.output.file_settings import SCALE, stored_settings

from .layout import WEB, read
from .markup import controls
from .prompts import MAX_PROMPT, Amount, Words, asks_of
from .requests import OF_WORDS, Choice, Label, Number, Request, Whole, labels
from .runs import LARGE, Runner

SITE = WEB / "site"
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


def write_web(model: LatentDiffusion, folder: Path, runtime: Path | None = None) -> None:
    """Write the page with a model into an empty folder.

    runtime: a node_modules folder with the npm packages; npm fetches them if it is None. Raises
    UserError where they cannot be had.
    """
    write_page(model, folder)
    with node_modules(runtime) as packages:
        for source, target in PACKAGES.items():
            _write(folder / target, (packages / source).read_bytes())
    _write_model(model, folder)
    # After all others, because it lists them.
    files = {name: _sha256((folder / name).read_bytes()) for name in _names(folder)}
    worker = f"const FILES = {json.dumps(files, indent=1)};\n\n{read('site/sw.js')}"
    _write(folder / "sw.js", worker.encode())
    # Hosts read these two, and visitors do not.
    _copy(SITE / "README.md", folder / "README.md")
    _write(folder / ".nojekyll", b"")  # GitHub Pages must not change the files


def write_page(model: LatentDiffusion, folder: Path) -> None:
    """Write index.html, the files of demo/web that it loads, and licenses.txt."""
    parts = [*SITE.glob("*.js"), *(WEB / "engine").glob("*.js")]
    for name in (*STYLES, *MODULES, *(path.relative_to(WEB).as_posix() for path in parts)):
        if name != "site/sw.js":  # it must lie above all that it keeps
            _copy(WEB / name, folder / name)
    _copy(SITE / "licenses.txt", folder / "licenses.txt")
    _write(folder / "index.html", index(model).encode())


@contextmanager
def node_modules(folder: Path | None = None) -> Iterator[Path]:
    """A node_modules folder with the packages that demo/web/package-lock.json names.

    folder: one that has them. Without it, npm fetches them into a folder that is removed in the
    end, and checks their integrity. Raises UserError where there is no npm or no connection, and
    for a package that is missing or has another version.
    """
    if folder is not None:
        _check_versions(folder)
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


def _check_versions(folder: Path) -> None:
    lock = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    for name in lock[""]["dependencies"]:
        wanted = lock[f"node_modules/{name}"]["version"]
        try:
            about = json.loads((folder / name / "package.json").read_text(encoding="utf-8"))
        except OSError:
            about = {"version": None}
        if about["version"] != wanted:
            found = f"{name} {about['version']}" if about["version"] else f"no {name}"
            raise UserError(f"{folder} has {found}, not {name} {wanted}: {RUNTIME_HINT}")


def _write_model(model: LatentDiffusion, folder: Path) -> None:
    """Write the networks, and model.json: all that the engine needs to know."""
    files = {"runtime": {"path": f"../{RUNTIME}"}, "wasm": _about(folder / WASM, f"../{WASM}")}
    for name, graph in graphs(model, small=True).items():
        path = folder / "model" / f"{name}.onnx{PACKED}"
        _write(path, graph)
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
