"""A Gradio Space in a folder: python -m hosting.space space.

What the page needs goes into the folder. Then it is started as a Space starts it, to draw one
picture. `hf upload` has the Hub check the front matter of its README.md.
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
from huggingface_hub import SpaceCard
from PIL import Image

from ldm_core import LatentDiffusion, UserError
from ldm_core.command_line import Parser, exit_status

from .trial import ASKED, compare, free_port, running

PROGRAM = "python -m hosting.space"
ROOT = Path(__file__).resolve().parents[1]
START = "demo/app.py"
WEB = "demo/web"
OTHERS = (
    *("LICENSE", "requirements.txt", "weights/unet.safetensors", "weights/vae.safetensors"),
    *("weights/training.gif", "docs/lesson.md"),
)
WHERE_THERE = ("weights/student.safetensors", "weights/*.json")
NEWEST_TORCH = "2.11.0"  # that ZeroGPU has, as of August 2026
IMAGE = re.compile(r"!\[.*?\]\((.*?)\)")  # in Markdown
ENVIRONMENT = {
    "SYSTEM": "spaces",
    "SPACE_ID": "somebody/digits",
    "SPACE_HOST": "somebody-digits.hf.space",
    "GRADIO_SERVER_NAME": "0.0.0.0",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status (see `command_line.exit_status`)."""
    args = _parser().parse_args(argv)
    return exit_status(PROGRAM, lambda: _make(args), file=args.folder)


def _make(args: argparse.Namespace) -> None:
    assemble(args.folder)
    card = SpaceCard.load(args.folder / "README.md").data
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    environment = ENVIRONMENT | {"GRADIO_SERVER_PORT": str(port)}
    with (
        _interpreter(args, card.sdk_version) as python,
        running(args.folder, [python, card.app_file], url, environment),
        tempfile.TemporaryDirectory() as downloads,
    ):
        directly = {"trust_env": False}  # through no proxy
        client = Client(url, verbose=False, download_files=downloads, httpx_kwargs=directly)
        png, _, _ = client.predict(**ASKED, api_name="/generate")
        compare(np.asarray(Image.open(png)), LatentDiffusion.load(args.folder / "weights"))
    print(f"upload it: hf upload USER/digits {args.folder} . --type space")


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


@contextmanager
def _interpreter(args: argparse.Namespace, gradio_version: str) -> Iterator[str]:
    """An interpreter in a new environment with what a ZeroGPU Space installs; or the one given."""
    if args.no_install:
        yield args.python
        return
    with tempfile.TemporaryDirectory() as folder:
        python = f"{folder}/bin/python"
        subprocess.run([args.python, "-m", "venv", folder], check=True)
        also = [f"torch<={NEWEST_TORCH}", f"gradio[oauth,mcp]=={gradio_version}", "spaces"]
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        print(f"installing {', '.join(also)} and the requirements into a new environment")
        subprocess.run([*pip, "-r", args.folder / "requirements.txt", *also], check=True)
        yield python


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("folder", type=Path, help="a new folder for the Space")
    add("--python", default=sys.executable, help="what the environment is made with (this Python)")
    add("--no-install", action="store_true", help="start it with --python itself, which is quicker")
    return parser


if __name__ == "__main__":
    sys.exit(main())
