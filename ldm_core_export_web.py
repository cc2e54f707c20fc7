"""Makes the static page a format of `python -m ldm_core.export`, which finds it by its name."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

from ldm_core import LatentDiffusion


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--runtime", type=Path, help="for web: a node_modules folder to take from")


def write(model: LatentDiffusion, folder: Path, args: Namespace) -> None:
    from demo.static_page import write_web  # only where it is asked for: the others need no page

    write_web(model, folder, args.runtime, model.folder)
