"""Shared by all command lines: options, and one rule for errors and exit statuses."""

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from .checks import UserError
from .config import UNetConfig
from .diffusion.noise_schedule import SPACINGS
from .diffusion.samplers import SAMPLERS, WITH_ETA
from .diffusion.settings import SamplingSettings
from .model.inside import switches
from .runtime.backends import BACKENDS

SAMPLING_OPTIONS = tuple(f.name for f in fields(SamplingSettings))
ONLY_GIVEN = {"argument_default": argparse.SUPPRESS}  # options have no default: see `given_options`
WEIGHTS = {
    "default": "weights",
    "help": 'folder of the checkpoints, or "user/name" on the Hugging Face Hub (weights)',
}
DONE, REFUSED, INTERRUPTED = 0, 2, 130  # exit statuses; REFUSED is argparse's own, too


class Parser(argparse.ArgumentParser):
    """An error is one line, without the usage that argparse puts before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(REFUSED, f"{self.prog}: {message} (--help lists the options)\n")


def exit_status(
    program: str,
    command: Callable[[], int | None],
    *,
    interrupted: str = "interrupted",
    file: Path | None = None,
) -> int:
    """Run a command and return its exit status, DONE if it returns nothing.

    Expected errors (UserError, OSError) print one line and are REFUSED; Ctrl-C is INTERRUPTED.
    Every other error is a fault of the program and keeps its traceback. file: named for an OSError
    that names no file.
    """
    for stream in (sys.stdout, sys.stderr):  # a terminal may lack a letter; that is no failure
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return command() or DONE
    except KeyboardInterrupt:
        complain(program, interrupted)
        return INTERRUPTED
    except UserError as error:
        complain(program, str(error))
    except OSError as error:
        name = error.filename or file
        complain(program, f"{name}: {error.strerror or error}" if name else str(error))
    return REFUSED


def numbered(program: str) -> str:
    """A program's name, with the number of this process if torchrun started several."""
    rank, count = (os.environ.get(name) for name in ("RANK", "WORLD_SIZE"))
    return f"{program}: process {rank} of {count}" if rank and count else program


def complain(program: str, message: str) -> None:
    """Print one line on standard error."""
    print(f"{program}: {' '.join(message.split())}", file=sys.stderr)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the weights and for what runs them."""
    add = parser.add_argument
    add("--weights", **WEIGHTS)
    add("--device", help="auto (a GPU if there is one), cpu, cuda or cuda:N (auto)", default="auto")
    names = ", ".join(BACKENDS)
    add("--backend", help=f"what runs the model: {names} (auto)", metavar="NAME", default="auto")


def add_sampling_options(parser: argparse.ArgumentParser) -> None:
    """Add an option for each field of `SamplingSettings`, to be read back with `given_options`.

    argparse checks types only; SamplingSettings checks the values.
    """
    group = parser.add_argument_group(
        "settings of sampling", "The defaults are stored in the weights.", **ONLY_GIVEN
    )
    add, interval = group.add_argument, {"type": float, "nargs": 2, "metavar": ("LOW", "HIGH")}
    add("--guidance-scale", help="0 ignores the prompt, 1 is plain, more is stronger", type=float)
    add("--steps", help="denoising steps", type=int)
    add("--sampler", help=", ".join(SAMPLERS), metavar="NAME")
    add("--spacing", help=f"of the steps: {', '.join(SPACINGS)}", metavar="NAME")
    add("--eta", help=f"share of fresh noise, 0 to 1, for {' and '.join(WITH_ETA)}", type=float)
    add("--guidance-interval", help="times with guidance, within 0 and 1", **interval)
    add("--guidance-rescale", help="0 to 1: how far to undo the contrast of guidance", type=float)
    parts = f"parts of the system to switch off: {', '.join(switches(UNetConfig()))}"
    add("--off", help=parts, nargs="*", metavar="NAME")


def given_options(
    args: argparse.Namespace, names: Iterable[str] = SAMPLING_OPTIONS
) -> dict[str, Any]:
    """Return the options of these names that were given on the command line."""
    return {name: getattr(args, name) for name in names if hasattr(args, name)}
