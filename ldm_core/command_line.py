"""What all command lines share: options, and one rule for errors and exit statuses."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn

from .checks import UserError
from .diffusion.noise_schedule import SPACINGS
from .diffusion.samplers import SAMPLERS, WITH_ETA
from .diffusion.settings import SamplingSettings
from .runtime.backends import BACKENDS

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

    An error that its message explains (UserError, OSError) is told in one line, and is REFUSED;
    Ctrl-C is INTERRUPTED. Every other error is a fault of the program and keeps its traceback.
    file: what an OSError is about that names no file.
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


def say(text: str) -> None:
    """Print on standard output. What is only said must not fail: by then the work is done."""
    try:
        print(text, flush=True)
    except BrokenPipeError:  # nobody listens any more, as after `| head`
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115


def complain(program: str, message: str) -> None:
    """Print one line on standard error."""
    print(f"{program}: {' '.join(message.split())}", file=sys.stderr)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Which weights, and what runs them."""
    add = parser.add_argument
    add("--weights", help="folder of the checkpoints (weights)", type=Path, default=Path("weights"))
    add("--device", help="auto (a GPU if there is one), cpu, cuda or cuda:N (auto)", default="auto")
    names = ", ".join(BACKENDS)
    add("--backend", help=f"what runs the model: {names} (auto)", metavar="NAME", default="auto")


def add_sampling_options(parser: argparse.ArgumentParser) -> None:
    """An option for each field of `SamplingSettings`, to be read back with `given_options`.

    Types are checked here; what is allowed is checked by SamplingSettings, for all its users.
    """
    group = parser.add_argument_group(
        "settings of sampling", "What is not given is as it suits the weights, which store it."
    )

    def add(name: str, help: str, **options) -> None:
        # without a default, what is given can be told from what is not
        group.add_argument(name, help=help, default=argparse.SUPPRESS, **options)

    add("--guidance-scale", "how strongly the label pulls: 0 ignores it, 1 is plain", type=float)
    add("--steps", "denoising steps", type=int)
    add("--sampler", ", ".join(SAMPLERS), metavar="NAME")
    add("--spacing", f"of the steps: {', '.join(SPACINGS)}", metavar="NAME")
    add("--eta", f"share of fresh noise, 0 to 1, for {' and '.join(WITH_ETA)}", type=float)
    interval = {"type": float, "nargs": 2, "metavar": ("LOW", "HIGH")}
    add("--guidance-interval", "times with guidance, within 0 and 1", **interval)
    add("--guidance-rescale", "0 to 1: how far to undo the contrast of guidance", type=float)


def given_options(args: argparse.Namespace, settings: type = SamplingSettings) -> dict[str, Any]:
    """Those fields of a class of settings that were given on the command line."""
    return {f.name: getattr(args, f.name) for f in fields(settings) if hasattr(args, f.name)}
