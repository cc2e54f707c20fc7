"""The command line of sampling: settings -> images or animations.

python -m ldm_core.sample --label 7 --out seven.gif
python -m ldm_core.sample --count 2000 --out samples.npz
python -m ldm_core.sample --like seven.gif --steps 30 --out finer.gif
"""

import argparse
import dataclasses
import math
import re
import sys
import tempfile
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from .animation import (
    FRAME_MS,
    HOLD_MS,
    VIEWS,
    WRITERS,
    check_ending,
    check_times,
    step_frames,
    write_animation,
)
from .backends import BACKENDS
from .checkpoint import CheckpointError, fingerprint
from .config import check_choice, check_whole
from .images import (
    MAX_SCALE,
    check_size,
    grid_columns,
    grid_shape,
    lay_out,
    read_settings,
    write_npz,
    write_png,
)
from .latent_diffusion import MAX_SEED, DenoisingStep, LatentDiffusion, check_seeds
from .noise_schedule import SPACINGS
from .samplers import SAMPLERS
from .settings import SamplingSettings

PROGRAM = "python -m ldm_core.sample"
WEIGHTS = "weights"  # the key under which a file keeps the fingerprint of the weights
STILLS = {  # endings other than the animations', with the options that have no effect there
    ".png": ("show", "frame_ms", "hold_ms"),
    ".npz": ("show", "frame_ms", "hold_ms", "scale"),
}
ENDINGS = (*STILLS, *WRITERS)
BATCH = {"cpu": 64, "cuda": 1024}  # by device: where more images at a time are no faster
SCALE, SIDE = 8, 1120  # without --scale: so many times larger, or what keeps to that many pixels

Run = tuple[list[int], Iterator[DenoisingStep]]  # the seeds of a batch, and its steps


@dataclass(frozen=True)
class FileSettings(SamplingSettings):
    """All that makes a file, and is stored in it; what is None is filled in before.

    label: as `parse_label` takes it. count: how many images; one of each label. seed: of the first
    image; image i has seed + i (modulo 2**32). show: a name from `animation.VIEWS`. scale,
    frame_ms, hold_ms: see `write_animation`.
    """

    label: str | None = None
    count: int | None = None
    seed: int | None = None
    show: str = "noisy"
    scale: int | None = None
    frame_ms: int = FRAME_MS
    hold_ms: int = HOLD_MS

    def __post_init__(self):
        super().__post_init__()
        if self.label is not None and not isinstance(self.label, str):
            raise ValueError(f"label must be text, not {self.label!r:.40}.")
        if self.count is not None:
            check_whole("count", self.count, 1, MAX_SEED + 1)
        if self.seed is not None:
            check_whole("seed", self.seed, 0, MAX_SEED)
        if self.scale is not None:
            check_whole("scale", self.scale, 1, MAX_SCALE)
        check_choice("show", self.show, VIEWS)
        check_times(self.frame_ms, self.hold_ms)

    @property
    def sampling(self) -> dict:
        """The options of `LatentDiffusion.denoise`."""
        return {f.name: getattr(self, f.name) for f in fields(SamplingSettings)}


def parse_label(text: str | None, class_names: Sequence[str]) -> list[int | None]:
    """The labels that a text asks for, to be taken in turn.

    A class name, the number of a class, a range such as "0-9", "any" (None: unconditional), or no
    text for all classes. Raises ValueError naming the classes.
    """
    if text is None:
        return list(range(len(class_names)))
    names = [name.lower() for name in class_names]
    if text.lower() in names:
        return [names.index(text.lower())]
    if text.lower() == "any":
        return [None]
    if match := re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", text):
        first, last = int(match[1]), int(match[2] or match[1])
        if first <= last < len(names):
            return list(range(first, last + 1))
    raise ValueError(
        f"label must be a class ({', '.join(class_names)}), its number from 0 to {len(names) - 1}, "
        f"a range such as 0-{len(names) - 1}, or any, not {text!r:.40}."
    )


def settle(settings: FileSettings, n_labels: int) -> FileSettings:
    """Settings with a count (one image of each label) and a seed (drawn at random)."""
    count = n_labels if settings.count is None else settings.count
    seed = check_seeds(None, 1)[0] if settings.seed is None else settings.seed
    return dataclasses.replace(settings, count=count, seed=seed)


def scale_to_fit(settings: FileSettings, shape: tuple[int, int]) -> FileSettings:
    """Settings with a scale for a picture (H, W); raises ValueError where it would be too large."""
    fits = min(max(SIDE // max(shape), 1), SCALE)
    scale = fits if settings.scale is None else settings.scale
    check_size(shape, scale)
    return dataclasses.replace(settings, scale=scale)


def write(out: Path, model: LatentDiffusion, settings: FileSettings) -> FileSettings:
    """Make what settings say and write it to `out`; its ending is known. Returns them, settled.

    Raises ValueError for an unknown label and for a picture that would be too large.
    Nothing is held for longer than the file needs it: one batch for an .npz, the finished images
    for a .png, the current frame for an animation, whose batches run side by side.
    """
    ending = out.suffix.lower()
    labels = parse_label(settings.label, model.class_names)
    settings = settle(settings, len(labels))
    views = 1 if ending in STILLS else len(VIEWS[settings.show])
    across = grid_columns(settings.count, len(labels), views)
    if ending != ".npz":
        settings = scale_to_fit(settings, grid_shape(settings.count * views, across * views))
    about = settings.to_dict() | {WEIGHTS: weights_of(model)}
    batch = BATCH[model.device.type]
    total = math.ceil(settings.count / batch) * settings.steps
    # delay: nobody needs a bar for what takes a second
    with tqdm(total=total, unit="step", desc=out.name, delay=1, dynamic_ncols=True) as bar:
        runs = _runs(model, labels, settings, batch, bar)
        if ending == ".npz":
            turn = np.array([-1 if label is None else label for label in labels])
            seeds = (settings.seed + np.arange(settings.count)) % (MAX_SEED + 1)
            arrays = {"labels": np.resize(turn, settings.count), "seeds": seeds}
            write_npz(out, _images(model, runs), settings=about, **arrays)
        elif ending == ".png":
            images = np.concatenate(list(_images(model, runs)))
            write_png(out, lay_out(images, across), settings=about, scale=settings.scale)
        else:
            frames = _frames(model, runs, settings.show, across)
            options = {name: getattr(settings, name) for name in ("scale", "frame_ms", "hold_ms")}
            write_animation(out, frames, settings=about, **options)
    return settings


def weights_of(model: LatentDiffusion) -> str:
    """Which weights made an image: a fingerprint, short enough for any file."""
    return fingerprint(model)[:16]


def _runs(model, labels, settings: FileSettings, batch: int, bar: tqdm) -> Iterator[Run]:
    def steps(indices: range, seeds: list[int]) -> Iterator[DenoisingStep]:
        turn = [labels[i % len(labels)] for i in indices]
        for step in model.denoise(turn, seeds=seeds, **settings.sampling):
            bar.update()
            yield step

    for first in range(0, settings.count, batch):
        indices = range(first, min(first + batch, settings.count))
        seeds = [(settings.seed + i) % (MAX_SEED + 1) for i in indices]
        yield seeds, steps(indices, seeds)


def _images(model: LatentDiffusion, runs: Iterator[Run]) -> Iterator[np.ndarray]:
    """The finished images of each run, uint8 (B, 28, 28)."""
    for _, steps in runs:
        last = deque(steps, maxlen=1).pop()
        yield model.decode(last.x_t).cpu().numpy()


def _frames(model: LatentDiffusion, runs: Iterator[Run], show: str, across: int):
    """Yield frames of the grid of all images, uint8 (H, W)."""
    for frames in zip(*(step_frames(model, seeds, steps, show) for seeds, steps in runs)):
        pictures = np.concatenate([frame.pictures for frame in frames])
        views = pictures.shape[1]
        yield lay_out(pictures.reshape(-1, *pictures.shape[2:]), across * views)


# The command line


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
    given = {f.name: getattr(args, f.name) for f in fields(FileSettings) if hasattr(args, f.name)}
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
    low, high = default.guidance_interval

    def add(name: str, help: str, **options) -> None:
        parser.add_argument(name, help=help, **options)

    file = {"metavar": "FILE", "type": Path, "default": None}
    add("--out", f"file to write; its ending says what: {', '.join(ENDINGS)}", **file)
    add("--like", "make FILE again, except for what other options change", **file)
    add("--force", "overwrite the file", action="store_true", default=False)
    add("--weights", "folder of the checkpoints (weights)", metavar="DIR", default="weights")
    add("--device", "auto (a GPU if there is one), cpu or cuda", metavar="NAME", default="auto")
    add("--backend", f"{', '.join(BACKENDS)} (auto)", metavar="NAME", default="auto")
    add("--label", "class name, number, range (0-9) or any; else all classes in turn")
    add("--count", "how many images (one of each label)", type=int)
    add("--seed", "of the first image; image i has seed + i (drawn at random)", type=int)
    add(
        "--guidance-scale", f"how strongly the label pulls ({default.guidance_scale:g})", type=float
    )
    add("--steps", f"denoising steps ({default.steps})", type=int)
    add("--sampler", f"{', '.join(SAMPLERS)} ({default.sampler})", metavar="NAME")
    add("--spacing", f"of the steps: {', '.join(SPACINGS)} ({default.spacing})", metavar="NAME")
    add("--eta", f"share of fresh noise per step, for ddim ({default.eta:g})", type=float)
    interval = {"type": float, "nargs": 2, "metavar": ("LOW", "HIGH")}
    add("--guidance-interval", f"times with guidance ({low:g} {high:g})", **interval)
    add("--guidance-rescale", f"0 to 1 ({default.guidance_rescale:g})", type=float)
    add("--show", f"in an animation: {', '.join(VIEWS)} ({default.show})", metavar="VIEW")
    add("--scale", f"enlargement ({SCALE}, less for large grids)", type=int)
    add("--frame-ms", f"time of a frame in ms ({default.frame_ms})", type=int)
    add("--hold-ms", f"time of the last frame in ms ({default.hold_ms})", type=int)
    return parser


if __name__ == "__main__":
    sys.exit(main())
