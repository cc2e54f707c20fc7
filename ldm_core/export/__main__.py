"""Write the model for other programs: python -m ldm_core.export --format NAME --out DIR."""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType

from ..checks import check_installed
from ..command_line import WEIGHTS, Parser, exit_status
from ..latent_diffusion import LatentDiffusion
from .folder import whole_folder
from .onnx_format import write_onnx

PROGRAM = "python -m ldm_core.export"
# Each writes a model into an empty folder; args: the command line.
Format = Callable[[LatentDiffusion, Path, argparse.Namespace], None]


def write_diffusers(model: LatentDiffusion, folder: Path, args: argparse.Namespace) -> None:
    """Write a folder that `DiffusionPipeline.from_pretrained` loads. Raises InputError where
    diffusers is not installed, and for a U-Net that it cannot express."""
    check_installed("diffusers", "This format")
    from .diffusers.assemble import assemble  # importing diffusers takes seconds

    assemble(model, folder)


FORMATS: dict[str, Format] = {"diffusers": write_diffusers, "onnx": write_onnx}
# A program that uses this library registers a format by the name of a top-level module, for example
# ldm_core_export_web. It has `write`, a Format, and `add_options`, which gets the parser.
REGISTERED = "ldm_core_export_"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status (see `command_line.exit_status`)."""
    others = _registered()
    args = _parser(others).parse_args(argv)
    formats = FORMATS | {name: module.write for name, module in others.items()}
    return exit_status(PROGRAM, lambda: _export(formats[args.format], args), file=args.out)


def _export(write: Format, args: argparse.Namespace) -> None:
    model = LatentDiffusion.from_pretrained(args.weights, backend="torch")
    with whole_folder(args.out, may_replace=args.force) as folder:
        write(model, folder, args)
    print(f"wrote {args.out}")


def _registered() -> dict[str, ModuleType]:
    """The modules of other formats, by the format's name."""
    names = [found.name for found in pkgutil.iter_modules() if found.name.startswith(REGISTERED)]
    return {name.removeprefix(REGISTERED): importlib.import_module(name) for name in names}


def _parser(others: Mapping[str, ModuleType]) -> argparse.ArgumentParser:
    parser = Parser(prog=PROGRAM, description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    names = (*FORMATS, *others)
    add("--format", required=True, choices=names, help="web needs a copy of the repository")
    add("--out", required=True, type=Path, help="folder to write to")
    add("--weights", **WEIGHTS)
    add("--force", action="store_true", help="replace files of the same name in the folder")
    for module in others.values():
        module.add_options(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
