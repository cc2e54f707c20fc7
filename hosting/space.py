"""A Gradio Space in a folder: python -m hosting.space space.

What the page needs goes into the folder. Then it is checked, and started as a Space starts it, to
draw one picture.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from modulefinder import ModuleFinder
from pathlib import Path

import numpy as np
from gradio_client import Client
from PIL import Image

from ldm_core import LatentDiffusion, UserError
from ldm_core.command_line import Parser, exit_status, say

from .card import TORCHES, check_requirements, read_card
from .trial import ASKED, compare, running, summary

PROGRAM = "python -m hosting.space"
ROOT = Path(__file__).resolve().parents[1]
START = "demo/app.py"
WEB = "demo/web"
OTHERS = (
    *("LICENSE", "requirements.txt", "weights/unet.safetensors", "weights/vae.safetensors"),
    *("weights/training.gif", "docs/lesson.md"),
)
WHERE_THERE = ("weights/student.safetensors", "weights/*.json")
IMAGE = re.compile(r"!\[.*?\]\((.*?)\)")  # in Markdown
IN_LFS = ("*.safetensors", "*.gif")  # a plain git push sends files above 10 MB by Git LFS only
ENVIRONMENT = {
    "SYSTEM": "spaces",
    "SPACE_ID": "somebody/digits",
    "SPACE_HOST": "somebody-digits.hf.space",
    "ACCELERATOR": "none",
    "CPU_CORES": "2",
    "MEMORY": "16Gi",
    "GRADIO_ALLOW_FLAGGING": "never",
    "GRADIO_NUM_PORTS": "1",
    "GRADIO_SERVER_NAME": "0.0.0.0",
    "GRADIO_THEME": "huggingface",
    "PYTHONUNBUFFERED": "1",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status (see `command_line.exit_status`)."""
    args = _parser().parse_args(argv)
    return exit_status(PROGRAM, lambda: _make(args), file=args.folder)


def _make(args: argparse.Namespace) -> None:
    assemble(args.folder)
    card = read_card(args.folder, "gradio")
    check_requirements(args.folder, card.sdk_version)
    say(summary(args.folder))
    url = f"http://127.0.0.1:{args.port}/"
    environment = ENVIRONMENT | {"GRADIO_SERVER_PORT": str(args.port)}
    with (
        _interpreter(args, card.sdk_version) as python,
        running(args.folder, [python, START], url, environment),
        tempfile.TemporaryDirectory() as downloads,
    ):
        directly = {"trust_env": False}  # through no proxy
        client = Client(url, verbose=False, download_files=downloads, httpx_kwargs=directly)
        png, _, _ = client.predict(**ASKED, api_name="/generate")
        compare(np.asarray(Image.open(png)), LatentDiffusion.load(args.folder / "weights"))
    say(f"upload it: hf upload USER/digits {args.folder} . --type space")


def assemble(folder: Path) -> None:
    """Write a Space into a new folder. Raises UserError if it is there already."""
    if folder.exists():
        raise UserError(f"{folder} is there already: remove it, or take another folder.")
    # The front matter, the picture and the first words; the rest links to files that are not there.
    readme = re.match(r"(.*?)\n```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
    finder = ModuleFinder(path=[str(ROOT)])
    finder.run_script(str(ROOT / START))
    modules = [Path(module.__file__) for module in finder.modules.values() if module.__file__]
    shutil.copytree(ROOT / WEB, folder / WEB, ignore=shutil.ignore_patterns("node_modules"))
    others = (ROOT / name for name in (*OTHERS, *IMAGE.findall(readme)))
    where_there = (path for pattern in WHERE_THERE for path in ROOT.glob(pattern))
    for path in (*modules, *others, *where_there):
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (folder / "README.md").write_text(readme, encoding="utf-8")
    lines = (f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in IN_LFS)
    (folder / ".gitattributes").write_text("".join(lines), encoding="utf-8")


@contextmanager
def _interpreter(args: argparse.Namespace, gradio_version: str) -> Iterator[str]:
    """An interpreter in a new environment with what a ZeroGPU Space installs; or the one given."""
    if args.no_install:
        yield args.python
        return
    with tempfile.TemporaryDirectory() as folder:
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
