"""The command line of sampling: settings -> images or animations.

python -m ldm_core.sample --label 7 --out seven.gif
python -m ldm_core.sample --prompt "a bold seven leaning left" --out bold.gif
python -m ldm_core.sample --count 2000 --out samples.npz
torchrun --nproc-per-node 2 -m ldm_core.sample --count 1000000 --out shards/
python -m ldm_core.sample --start-from drawing.png --label 3 --out again.gif
python -m ldm_core.sample --morph 3:7 8:11 --loop --out morph.gif
python -m ldm_core.sample --like seven.gif --steps 30 --out finer.gif
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from .checks import InputError, check_choice
from .command_line import (
    ONLY_GIVEN,
    Parser,
    add_model_options,
    add_sampling_options,
    complain,
    exit_status,
    given_options,
    numbered,
)
from .files.animation import ENCODERS, FRAME_MS, HOLD_MS, check_ending
from .files.drawings import read_drawing, read_mask
from .files.metadata import read_settings
from .files.weights import weights_of
from .inputs import RESAMPLE
from .latent_diffusion import INVERSION, LatentDiffusion
from .model.vocabulary import HIGH, LOW, STYLES
from .output.file_settings import (
    BLANK,
    FRAMES,
    KEYS,
    MORPH,
    SCALE,
    START,
    STRENGTH,
    WEIGHTS,
    FileSettings,
    Morph,
    picture_text,
)
from .output.sample_files import ENDINGS, write_samples
from .output.shards import write_shards
from .output.steps import round_trip_error
from .output.views import VIEWS
from .runtime.processes import Processes, device_of, joined

PROGRAM = "python -m ldm_core.sample"
GO_ON = "the same command makes what is missing"
REPLACES = {  # an option -> what it replaces of the settings in a file, besides itself
    "label": ("prompt", *MORPH),
    "prompt": ("label", *MORPH),
    "start_from": (*START, *MORPH),
    "strength": ("invert",),
    "invert": ("strength",),
    "morph": ("label", "prompt", "count", "seed", *START),
}
SUITS_INVERSION = ("sampler", "steps", "guidance_scale")  # in place of the model's defaults


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit status (see `command_line.exit_status`)."""
    args = _parser().parse_args(argv)
    out = Path(args.out) if args.out else args.like
    shards = bool(args.out) and (args.out.endswith(("/", os.sep)) or out.is_dir())
    interrupted = f"interrupted; {GO_ON if shards else f'{out} was not written'}"
    command = lambda: _sample(args, out, shards)
    return exit_status(numbered(PROGRAM), command, interrupted=interrupted, file=out)


def _sample(args: argparse.Namespace, out: Path | None, shards: bool) -> None:
    with joined(args.device, f"{GO_ON.capitalize()}.") as processes:
        sample(args, out, shards, processes)


def sample(args: argparse.Namespace, out: Path | None, shards: bool, processes: Processes) -> None:
    """Make the file or the folder of shards that the command line asks for."""
    if out is None:
        raise InputError(f"--out FILE is missing; its ending is one of {', '.join(ENDINGS)}.")
    if processes.count > 1 and not shards:
        raise InputError(f"Several processes make a folder of shards: --out {out.stem}/")
    _check_out(out, args.force, shards)
    given = given_options(args, KEYS)
    if "start_from" in given:
        drawing = read_drawing(given["start_from"])
        if drawing.note and processes.first:
            complain(PROGRAM, f"{given['start_from']}: {drawing.note}")
        given["start_from"] = picture_text(drawing.digit)
    if "mask" in given:
        given["mask"] = picture_text(read_mask(given["mask"]))
    stored = read_settings(args.like) if args.like else {}
    weights = stored.pop(WEIGHTS, None)
    replaced = {old for name in given for old in REPLACES.get(name, ())}
    values = {name: value for name, value in stored.items() if name not in replaced}
    if "invert" in given:
        values |= {name: getattr(INVERSION, name) for name in SUITS_INVERSION}
    device = str(device_of(args.device, processes))
    load = lambda: LatentDiffusion.from_pretrained(args.weights, device, args.backend)
    model = processes.in_turn(load)
    settings = FileSettings.from_dict(model.defaults.to_dict() | values | given)
    own = weights_of(model, settings.sampling.sampler)
    if weights not in (None, own) and processes.first:
        complain(
            PROGRAM,
            f"warning: {args.like} was made with other weights than those in {args.weights}",
        )
    if shards:
        images = write_shards(out, model, settings, processes, args.force).images
    else:
        images = write_samples(out, model, settings).images
    if isinstance(images, Morph):
        what = f"a morph through {len(images.morph)} points"
    else:
        what = f"{images.count} image{'s'[: images.count > 1]}, seed {images.seed}"
        if images.start and images.start.invert is not None:
            what += f", round trip off by {round_trip_error(model, settings):.1f} grey levels"
    if processes.first:
        print(f"{out}: {what}")


def _check_out(out: Path, force: bool, shards: bool) -> None:
    if not shards:
        ending = out.suffix.lower()
        check_choice("the ending of --out", ending, ENDINGS)
        if ending in ENCODERS:
            check_ending(ending)
        if out.exists() and not force:
            raise InputError(f"{out} exists: choose another name, or overwrite it with --force.")
    folder = out if shards else out.parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass  # better to find now that a folder cannot be written to than after the work


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog=PROGRAM,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        **ONLY_GIVEN,
    )
    add, file = parser.add_argument, {"metavar": "FILE", "type": Path, "default": None}
    on_off = argparse.BooleanOptionalAction
    endings = ", ".join(ENDINGS)
    add(
        "--out", help=f"file to write, by its ending: {endings}; or a folder/ of .npz", default=None
    )
    add("--like", help="make FILE again, except for what other options change", **file)
    add("--force", help="overwrite the file", action="store_true", default=False)
    add_model_options(parser)
    add("--label", help="a class: name, number, range (0-9) or any; else all in turn")
    add("--prompt", help='words instead, as in "a bold seven leaning left"', metavar="TEXT")
    add("--negative-prompt", help="words that guidance leads away from", metavar="TEXT")
    for name, thirds in STYLES.items():
        low, high = (thirds[third][0] for third in (LOW, HIGH))
        add(f"--{name}", help=f"-1 ({low}) to 1 ({high}); 0 says nothing", type=float)
    add("--count", help="how many images (one of each label)", type=int)
    add("--seed", help="of the first image; image i has seed + i (random)", type=int)
    add_sampling_options(parser)
    add("--show", help=f"of each step: {', '.join(VIEWS)} ({BLANK['show']})", metavar="VIEW")
    add("--strip", help="a .png shows every step", action=on_off)
    add("--scale", help=f"enlargement ({SCALE}, less for large grids)", type=int)
    add("--frame-ms", help=f"time of a frame in ms ({FRAME_MS})", type=int)
    add("--hold-ms", help=f"time of the last frame in ms ({HOLD_MS})", type=int)
    group = parser.add_argument_group(
        "from a picture, or from one image to another",
        "The digit is centred and scaled as in MNIST; a picture of 28 x 28 pixels, or enlarged as\n"
        "this program does it, is used unchanged.",
    )
    add, file = group.add_argument, {"metavar": "PICTURE", "type": Path}
    add("--start-from", help="re-imagine a picture of any size, light on dark or not", **file)
    strength = f"0 (the picture itself) to 1 (free of it) ({STRENGTH}; with --mask 1)"
    add("--strength", help=strength, type=float)
    add("--mask", help="complete: white is kept, black is redrawn; 28 x 28 or a multiple", **file)
    add("--resample", help=f"how often each step of --mask is made ({RESAMPLE})", type=int)
    inversion = (
        "find the noise that makes the picture, which shows PROMPT (or a label), and start there; "
        f"with {INVERSION.sampler}, {INVERSION.steps} steps and a guidance scale of 1 if not given"
    )
    add("--invert", help=inversion, metavar="PROMPT")
    points = 'from one image to another, each PROMPT:SEED, as in 3:7 "a bold eight:11"'
    add("--morph", help=points, metavar="POINT", nargs="+")
    add("--frames", help=f"images of a morph from one point to the next ({FRAMES})", type=int)
    add("--loop", help="go back to the first point", action=on_off)
    return parser


if __name__ == "__main__":
    sys.exit(main())
