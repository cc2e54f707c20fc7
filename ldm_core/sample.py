"""The command line of sampling: settings -> images or animations.

python -m ldm_core.sample --label 7 --out seven.gif
python -m ldm_core.sample --prompt "a bold seven leaning left" --out bold.gif
python -m ldm_core.sample --count 2000 --out samples.npz
python -m ldm_core.sample --like seven.gif --steps 30 --out finer.gif
"""

import argparse
import sys
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from .checks import InputError, check_choice
from .command_line import (
    Parser,
    add_model_options,
    add_sampling_options,
    complain,
    exit_status,
    given_options,
    say,
)
from .files.animation import ENCODERS, check_ending
from .files.metadata import read_settings
from .files.weights import weights_of
from .latent_diffusion import LatentDiffusion
from .model.vocabulary import HIGH, LOW, STYLES
from .output.file_settings import SCALE, WEIGHTS, FileSettings
from .output.sample_files import ENDINGS, STILLS, write
from .output.views import VIEWS

PROGRAM = "python -m ldm_core.sample"


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status (see `command_line.exit_status`)."""
    args = _parser().parse_args(argv)
    out = args.out or args.like
    interrupted = f"interrupted; {out} was not written"
    return exit_status(PROGRAM, lambda: sample(args, out), interrupted=interrupted, file=out)


def sample(args: argparse.Namespace, out: Path | None) -> None:
    """Do what the command line says: check all that can be before the model is loaded."""
    given = given_options(args, FileSettings)
    if out is None:
        raise InputError(f"--out FILE is missing; its ending is one of {', '.join(ENDINGS)}.")
    _check_out(out, args.force, given)
    stored = read_settings(args.like) if args.like else {}
    if given.keys() & {"label", "prompt"}:  # either takes the place of what the file asked for
        stored = {name: value for name, value in stored.items() if name not in ("label", "prompt")}
    weights = stored.pop(WEIGHTS, None)
    FileSettings.from_dict(stored | given)  # an error now rather than after the model is loaded
    model = LatentDiffusion.load(args.weights, args.device, args.backend)
    settings = FileSettings.from_dict(model.defaults.to_dict() | stored | given)
    if weights not in (None, weights_of(model)):
        complain(
            PROGRAM,
            f"warning: {args.like} was made with other weights than those in {args.weights}",
        )
    settings = write(out, model, settings)
    say(f"{out}: {settings.count} image{'s'[: settings.count > 1]}, seed {settings.seed}")


def _check_out(out: Path, force: bool, given: Collection[str]) -> None:
    ending = out.suffix.lower()
    check_choice("the ending of --out", ending, ENDINGS)
    if ending in ENCODERS:
        check_ending(ending)
    for option in set(given).intersection(STILLS.get(ending, ())):
        flag = "--" + option.replace("_", "-")
        raise InputError(f"{flag} has no effect on a {ending} file: leave it out.")
    if out.exists() and not force:
        raise InputError(f"{out} exists: choose another name, or overwrite it with --force.")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=out.parent):
        pass  # a folder that cannot be written to is better found now than after the work


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    default = FileSettings()

    def add(name: str, help: str, **options) -> None:
        # without a default, what is given can be told from what is not
        parser.add_argument(name, help=help, **{"default": argparse.SUPPRESS} | options)

    file = {"metavar": "FILE", "type": Path, "default": None}
    add("--out", f"file to write; its ending says what: {', '.join(ENDINGS)}", **file)
    add("--like", "make FILE again, except for what other options change", **file)
    add("--force", "overwrite the file", action="store_true", default=False)
    add_model_options(parser)
    add(
        "--label",
        "a class of the weights: name, number, range (0-9) or any; else all in turn",
    )
    add("--prompt", 'words instead of a label, as in "a bold seven leaning left"', metavar="TEXT")
    add("--negative-prompt", "words that guidance leads away from", metavar="TEXT")
    for name, thirds in STYLES.items():
        low, high = (thirds[third][0] for third in (LOW, HIGH))
        add(f"--{name}", f"-1 ({low}) to 1 ({high}); 0 says nothing", type=float)
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
