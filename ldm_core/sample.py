"""The command line of sampling: settings -> images or animations.

python -m ldm_core.sample --label 7 --out seven.gif
python -m ldm_core.sample --count 2000 --out samples.npz
python -m ldm_core.sample --like seven.gif --steps 30 --out finer.gif
"""

import argparse
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

import torch

from .animation import VIEWS, check_ending
from .backends import BACKENDS
from .checkpoint import CheckpointError
from .config import check_choice
from .formats import WRITERS
from .images import read_settings
from .latent_diffusion import LatentDiffusion
from .sample_files import BATCH, ENDINGS, SCALE, STILLS, WEIGHTS, FileSettings, weights_of, write
from .sampling_options import add_sampling_options, given_options

PROGRAM = "python -m ldm_core.sample"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status: 0, 2 with one line of error, or 130 after Ctrl-C."""
    args = _parser().parse_args(argv)
    out = args.out or args.like
    try:
        sample(args, out)
    except KeyboardInterrupt:
        return _complain(f"interrupted; {out} was not written", 130)
    except (CheckpointError, ValueError) as error:
        return _complain(str(error))
    except OSError as error:
        return _complain(f"{error.filename or out}: {error.strerror or error}")
    return 0


def sample(args: argparse.Namespace, out: Path | None) -> None:
    """Do what the command line says: check all that can be before the model is loaded."""
    given = given_options(args, FileSettings)
    if out is None:
        raise ValueError(f"--out FILE is missing; its ending is one of {', '.join(ENDINGS)}.")
    _check_out(out, args.force, given)
    stored = read_settings(args.like) if args.like else {}
    weights = stored.pop(WEIGHTS, None)
    settings = FileSettings.from_dict(stored | given)
    model = LatentDiffusion.load(args.weights, _device(args.device), args.backend)
    if weights not in (None, weights_of(model)):
        _complain(f"warning: {args.like} was made with other weights than those in {args.weights}")
    settings = write(out, model, settings)
    print(f"{out}: {settings.count} image{'s'[: settings.count > 1]}, seed {settings.seed}")


def _check_out(out: Path, force: bool, given: Collection[str]) -> None:
    ending = out.suffix.lower()
    check_choice("the ending of --out", ending, ENDINGS)
    if ending in WRITERS:
        check_ending(ending)
    for option in set(given).intersection(STILLS.get(ending, ())):
        flag = "--" + option.replace("_", "-")
        raise ValueError(f"{flag} has no effect on a {ending} file: leave it out.")
    if out.exists() and not force:
        raise ValueError(f"{out} exists: choose another name, or overwrite it with --force.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out.parent):
        pass  # a folder that cannot be written to is better found now than after the work


def _device(name: str) -> str:
    check_choice("device", name, ("auto", *BATCH))
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("--device cuda: PyTorch finds no CUDA device here; use cpu or auto.")
    return name


def _complain(message: str, status: int = 2) -> int:
    print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)
    return status


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        """One line, without the usage that argparse puts before it."""
        self.exit(2, f"{self.prog}: {message} (--help lists the options)\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,  # so that what is given can be told from what is not
        allow_abbrev=False,
    )
    default = FileSettings()

    def add(name: str, help: str, **options) -> None:
        parser.add_argument(name, help=help, **options)

    file = {"metavar": "FILE", "type": Path, "default": None}
    add("--out", f"file to write; its ending says what: {', '.join(ENDINGS)}", **file)
    add("--like", "make FILE again, except for what other options change", **file)
    add("--force", "overwrite the file", action="store_true", default=False)
    add("--weights", "folder of the checkpoints (weights)", metavar="DIR", default="weights")
    add("--device", "auto (a GPU if there is one), cpu or cuda", metavar="NAME", default="auto")
    add("--backend", f"{', '.join(BACKENDS)} (auto)", metavar="NAME", default="auto")
    add(
        "--label",
        "a class of the weights: name, number, range (0-9) or any; else all in turn",
    )
    add("--count", "how many images (one of each label)", type=int)
    add("--seed", "of the first image; image i has seed + i (drawn at random)", type=int)
    add_sampling_options(parser)
    add("--show", f"in an animation: {', '.join(VIEWS)} ({default.show})", metavar="VIEW")
    add("--scale", f"enlargement ({SCALE}, less for large grids)", type=int)
    add("--frame-ms", f"time of a frame in ms ({default.frame_ms})", type=int)
    add("--hold-ms", f"time of the last frame in ms ({default.hold_ms})", type=int)
    return parser


if __name__ == "__main__":
    sys.exit(main())
