"""A Gradio Space in a folder: python -m hosting.space space.

What the page needs goes into the folder, and nothing else. Then it is checked, and started as a
Space starts it, to draw one picture.
"""

import argparse
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

import numpy as np
from gradio_client import Client
from PIL import Image

from demo.environment import proxies_set_aside
from ldm_core import LatentDiffusion, UserError
from ldm_core.command_line import Parser, exit_status, say
from ldm_core.model.class_names import find_label

from .checks import (
    LINK,
    TORCHES,
    check_front_matter,
    check_links,
    check_requirements,
    check_sizes,
    summary,
)
from .trial import Trial, trial, who

PROGRAM = "python -m hosting.space"
ROOT = Path(__file__).resolve().parents[1]
START = "demo/app.py"
WEB = ROOT / "demo" / "web"
IMPORT = re.compile(r'^import .* from "\./(.*)";$', re.MULTILINE)
OTHERS = (
    *("LICENSE", "requirements.txt", "weights/unet.safetensors", "weights/vae.safetensors"),
    *("weights/evaluation.json", "weights/training.gif"),
)
IN_LFS = ("*.safetensors", "*.gif")
ENVIRONMENT = {
    "SYSTEM": "spaces",
    "SPACE_ID": "somebody/digits",
    "SPACE_HOST": "somebody-digits.hf.space",
    "SPACE_AUTHOR_NAME": "somebody",
    "SPACE_REPO_NAME": "digits",
    "ACCELERATOR": "none",
    "CPU_CORES": "2",
    "MEMORY": "16Gi",
    "GRADIO_ALLOW_FLAGGING": "never",
    "GRADIO_NUM_PORTS": "1",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_THEME": "huggingface",
    "PYTHONUNBUFFERED": "1",
    "TQDM_MININTERVAL": "1",
    "TQDM_POSITION": "-1",
}
ASKED = {"label": "7", "seed": 7}
VERSIONS = """
import platform
from importlib.metadata import version
packages = [f"{name} {version(name)}" for name in ("torch", "gradio", "onnxruntime")]
print("Python", platform.python_version(), *packages)
"""
MAX_APART = 1  # grey levels: another PyTorch may round the other way


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status (see `command_line.exit_status`)."""
    args = _parser().parse_args(argv)
    return exit_status(PROGRAM, lambda: _make(args), file=args.folder)


def _make(args: argparse.Namespace) -> None:
    assemble(args.folder)
    values = check(args.folder)
    say(f"{args.folder}: {summary(args.folder)}, as a Space asks")
    with _interpreter(args, values["sdk_version"]) as python, trial(args.folder, python) as space:
        say(f"started by {who(space.user, args.python)}, with {_versions(python)}")
        apart = draw_one(space, python, args.port)
        say(f"a picture of {ASKED}: {apart} grey levels from Python's")
        found = space.contacted()
        if apart > MAX_APART:
            raise UserError(f"The pictures are {apart} grey levels apart, more than {MAX_APART}.")
        if found:
            raise UserError(f"It contacted {', '.join(sorted(found))}.")
        if changed := space.changed():
            raise UserError(f"It wrote into the folder: {', '.join(changed)}.")
        say("it wrote nothing into its folder")
        say("it contacted nobody" if found == set() else "strace is missing: contacts not watched")
    say(f"upload it: hf upload USER/digits {args.folder} . --type space")


def assemble(folder: Path) -> None:
    """Write a Space into a new folder. Raises UserError if it is there already."""
    if folder.exists():
        raise UserError(f"{folder} is there already: remove it, or take another folder.")
    modules = _modules()
    code = "\n".join(path.read_text(encoding="utf-8") for path in modules)
    read = _read_by_name(code)
    readme = _readme()
    files = [*modules, *read, *(ROOT / name for name in (*OTHERS, *LINK.findall(readme)))]
    for path in files:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (folder / "README.md").write_text(readme, encoding="utf-8")
    lines = (f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in IN_LFS)
    (folder / ".gitattributes").write_text("".join(lines), encoding="utf-8")


def check(folder: Path) -> dict[str, Any]:
    """All that can be checked without starting it; returns the front matter."""
    values = check_front_matter(folder)
    check_requirements(folder, values["sdk_version"])
    check_sizes(folder)
    check_links(folder)
    return values


def draw_one(space: Trial, python: str, port: int) -> int:
    """Start the page, have it draw a picture, and end it. Returns how many grey levels this is at
    most from the picture that Python draws here."""
    environment = ENVIRONMENT | {"GRADIO_SERVER_PORT": str(port), "PYTHONPATH": str(space.code)}
    url = f"http://127.0.0.1:{port}/"
    with tempfile.TemporaryDirectory() as downloads, proxies_set_aside():
        with space.running([python, START], url, environment):
            client = Client(url, verbose=False, download_files=downloads)
            png, _, _ = client.predict(**ASKED, api_name="/generate")
        picture = np.asarray(Image.open(png))
    own = python_draws(LatentDiffusion.load(space.code / "weights"))
    return int(abs(picture.astype(int) - own).max())


def python_draws(model: LatentDiffusion) -> np.ndarray:
    """The picture of `ASKED`, uint8 (28, 28)."""
    label = find_label(ASKED["label"], model.class_names)
    return model.generate([label], seeds=[ASKED["seed"]])[0].numpy()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def _modules() -> list[Path]:
    """The files of all modules of this repository that the page imports, at whatever moment."""
    finder = ModuleFinder(path=[str(ROOT)])
    finder.run_script(str(ROOT / START))
    return sorted(Path(one.__file__) for one in finder.modules.values() if one.__file__)


def _read_by_name(code: str) -> list[Path]:
    """The files of demo/web that code names, and what the scripts among them import."""
    found = {path for path in WEB.rglob("*") if path.is_file() and _is_named(path, code)}
    scripts = {path for path in found if path.suffix == ".js"}
    while scripts:
        imported = {
            s.parent / name for s in scripts for name in IMPORT.findall(s.read_text("utf-8"))
        }
        scripts = imported - found
        found |= imported
    return sorted(found)


def _is_named(path: Path, code: str) -> bool:
    names = [*path.relative_to(WEB).parts, *([path.stem] if path.suffix == ".css" else [])]
    return any(f'"{name}"' in code for name in names)


def _readme() -> str:
    """The front matter, the picture and what it is about: what follows leads to files that a Space
    does not have."""
    return re.match(r"(.*?)\n```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)[1]


def _versions(python: str) -> str:
    return subprocess.run(
        [python, "-c", VERSIONS], check=True, capture_output=True, text=True
    ).stdout.strip()


@contextmanager
def _interpreter(args: argparse.Namespace, gradio_version: str) -> Iterator[str]:
    """An interpreter in a new environment with what a ZeroGPU Space installs; or the one given."""
    if args.no_install:
        yield args.python
        return
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        python = f"{folder}/bin/python"
        subprocess.run([args.python, "-m", "venv", folder], check=True)
        also = [f"torch<={TORCHES[-1]}", f"gradio[oauth,mcp]=={gradio_version}", "spaces"]
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        say(f"installing {', '.join(also)} and the requirements into a new environment")
        subprocess.run([*pip, "-r", args.folder / "requirements.txt", *also], check=True)
        yield python


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("folder", type=Path, help="a new folder for the Space")
    add("--python", default=sys.executable, help="what the environment is made with (this Python)")
    add("--no-install", action="store_true", help="start it with --python itself, which is quicker")
    add("--port", type=int, default=7860, help="port on this machine (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
