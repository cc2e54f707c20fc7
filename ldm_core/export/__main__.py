"""Write the model for other programs: python -m ldm_core.export --format NAME --out DIR."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..command_line import Parser, exit_status, say
from ..latent_diffusion import LatentDiffusion
from .folder import whole_folder
from .onnx_format import write_onnx
from .web_format import write_web

PROGRAM = "python -m ldm_core.export"
# Each writes a model into an empty folder; args: the command line.
Format = Callable[[LatentDiffusion, Path, argparse.Namespace], None]
FORMATS: dict[str, Format] = {"onnx": write_onnx, "web": write_web}


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status (see `command_line.exit_status`)."""
    args = _parser().parse_args(argv)
    return exit_status(PROGRAM, lambda: _export(args), file=args.out)


def _export(args: argparse.Namespace) -> None:
    model = LatentDiffusion.load(args.weights, backend="torch")
    with whole_folder(args.out, may_replace=args.force) as folder:
        FORMATS[args.format](model, folder, args)
    say(f"wrote {args.out}")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--format", required=True, choices=FORMATS, help="what it is for")
    add("--out", required=True, type=Path, help="folder to write to")
    add("--weights", type=Path, default=Path("weights"), help="folder of the checkpoints (weights)")
    add("--force", action="store_true", help="replace files of the same name in the folder")
    add("--runtime", type=Path, help="for web: a node_modules folder, instead of fetching packages")
    return parser


if __name__ == "__main__":
    sys.exit(main())
