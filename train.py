"""Train the VAE and the U-Net: python train.py --help."""

import argparse
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ldm_core import CheckpointError, LatentDiffusion
from ldm_core.checkpoint import fingerprint, read_checkpoint
from ldm_core.classifier import Classifier, train_classifier
from ldm_core.config import (
    ClassifierConfig,
    ConditioningConfig,
    ModelConfig,
    TrainingConfig,
)
from ldm_core.datasets import DATASETS, data_fingerprint, load_dataset
from ldm_core.files import remove_leftovers
from ldm_core.processes import Processes, joined
from ldm_core.training import (
    encode_dataset,
    reconstruction_psnr,
    reconstructions,
    sample_grid,
    train_unet,
    train_vae,
)
from ldm_core.training_data import mixed_precision
from ldm_core.training_loop import Budget, NonFiniteLoss, Run, TrainingResult
from ldm_core.training_progress import Progress, summary_writer
from ldm_core.training_state import Clock, StateFile, check_settings
from ldm_core.vae import VAE

STAGES = {"vae": ["vae"], "unet": ["unet"], "all": ["vae", "unet"], "classifier": ["classifier"]}
VAE_SHARE = 0.2  # of the time of a whole run: past that, a sharper VAE gains less than a U-Net does
DEFAULT_MINUTES = 10.0
GRID_BYTES = 20_000_000  # room for sample grids, their film and logs


def main(argv: list[str] | None = None) -> int:
    """Train as the command line says; returns the exit status."""
    args = parse(argv)
    who = ""
    try:
        with joined(device_type(args.device)) as processes:
            who = f"process {processes.rank} of {processes.count}: " if processes.count > 1 else ""
            return Training(args, processes).run()
    except KeyboardInterrupt:
        print(f"train.py: {who}stopped at once; --resume goes on where the last save was.")
        return 130
    except (CheckpointError, NonFiniteLoss, RuntimeError, ValueError, OSError) as error:
        print(f"train.py: {who}{error}", file=sys.stderr)
        return 1


class Training:
    """One run: its arguments, its data, and the stages that are left of it."""

    def __init__(self, args: argparse.Namespace, processes: Processes):
        self.args, self.processes, self.clock = args, processes, Clock()
        self.device = choose_device(args.device, processes)
        self.stages = STAGES[args.stage]
        self.config = TrainingConfig(seed=args.seed)
        for batch in (self.config.batch, self.config.unet_batch):
            processes.part(batch)  # an error now rather than after the data
        if args.log_dir:
            summary_writer()
        self.begin = processes.from_first(self.first_unfinished)
        load = partial(load_dataset, args.dataset, args.data_dir)
        self.data, self.test = processes.in_turn(lambda: (load(train=True), load(train=False)))
        self.settings = {
            "length": f"{args.steps} steps" if args.steps else f"{args.minutes:g} minutes",
            "data": data_fingerprint(self.data),
            "training": self.config.to_dict(),
            "compiled": self.args.compile,
        }
        processes.check_same("data", self.settings["data"])
        with mixed_precision(self.device):
            half = torch.is_autocast_enabled(self.device.type)
        self.environment = {
            "device": self.device.type,
            "precision": "bfloat16" if half else "float32",
            "torch": torch.__version__,
            "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
            "processes": processes.count,
        }

    # What is there already

    def checkpoint(self, stage: str) -> Path:
        return self.args.out / f"{stage}.safetensors"

    def state(self, stage: str) -> Path:
        return self.args.out / f"{stage}.resume.safetensors"

    def first_unfinished(self) -> int:
        """The index of the stage to begin with; checks and tidies the folder for those to come.

        Raises ValueError where the run would replace what it must not, or lacks the room to write.
        """
        args, states = self.args, [self.state(stage).exists() for stage in self.stages]
        begin, goes_on = 0, args.resume and any(states)
        if goes_on:
            begin = max(i for i, exists in enumerate(states) if exists)
        elif args.resume:
            done = [self.checkpoint(stage).exists() for stage in self.stages]
            begin = (done + [False]).index(False)
            if begin == 0:
                self.say(f"There is nothing to resume in {args.out}: starting from the beginning.")
        to_come = self.stages[begin:]
        files = [*map(self.checkpoint, to_come), *map(self.state, to_come)]
        existing = [str(path) for path in files if path.exists()]
        if existing and not args.force and not goes_on:
            raise ValueError(
                f"{' and '.join(existing)} would be replaced. Pass --resume to go on with an "
                "unfinished run, --force to start anew, or --out to write to another folder."
            )
        check_room(args.out, to_come)
        for path in files:
            remove_leftovers(path)
            if not goes_on and path not in map(self.checkpoint, to_come):
                path.unlink(missing_ok=True)
        return begin

    def stage_settings(self, stage: str) -> dict[str, Any]:
        """What must be the same for a stage to be resumed, or to count as done."""
        model = model_config(self.data.class_names).to_dict()
        vae = model.pop("vae")
        if stage == "vae":
            model = {"vae": vae}
        elif stage == "unet":
            model["vae"] = fingerprint(self.load_vae())
        else:
            model = ClassifierConfig(self.data.class_names).to_dict()
        return {**self.settings, "model": model}

    def load_vae(self) -> VAE:
        return self.processes.from_first(lambda: VAE.load(self.checkpoint("vae")))

    def skip(self, stage: str) -> None:
        """Pass over a stage that is finished; an error where it is not one of this very run."""
        path, settings = self.checkpoint(stage), self.stage_settings(stage)

        def check() -> float:
            made = read_checkpoint(path, stage)[1]["training"]
            check_settings(path, made.get("settings", {}), settings)
            if made["interrupted"]:
                raise ValueError(
                    f"{path} was interrupted, and its {self.state(stage).name} is gone: start anew "
                    "with --force."
                )
            return made["elapsed"]

        self.clock.resume_at(self.processes.from_first(check))
        self.say(f"{path}: finished already")

    # Training

    def run(self) -> int:
        """Train what is not finished yet; returns the exit status."""
        for i, stage in enumerate(self.stages):
            if i < self.begin:
                self.skip(stage)
            elif getattr(self, stage)().interrupted:
                self.say("--resume goes on from here.")
                return 130
        if self.processes.first:
            for stage in self.stages:
                self.state(stage).unlink(missing_ok=True)
        return 0

    def vae(self) -> TrainingResult:
        torch.manual_seed(self.args.seed)  # the initial weights
        model = LatentDiffusion(model_config(self.data.class_names)).to(self.device)
        some = self.test.pixels[:40]
        columns = min(10, len(some))
        draw = lambda: (reconstructions(model, some, columns), columns)
        with self.surroundings("vae", draw) as run:
            result = train_vae(model, self.data, self.budget(VAE_SHARE), self.config, run)
        quality = {"test_psnr_db": round(reconstruction_psnr(model, self.test.pixels), 2)}
        return self.keep("vae", model.vae.save, result, **quality)

    def unet(self) -> TrainingResult:
        torch.manual_seed(self.args.seed + 1)
        parts = model_config(self.data.class_names)
        model = LatentDiffusion.around(self.load_vae(), parts.to_dict()).to(self.device)
        latents = encode_dataset(model, self.data.pixels)
        draw = lambda: (sample_grid(model), len(model.class_names))
        with self.surroundings("unet", draw) as run:
            budget = self.budget()
            result = train_unet(
                model, latents, self.data.labels, budget, self.config, run, self.args.compile
            )
        if self.processes.first and not result.interrupted:
            self.progress.write_film(self.args.out / "training.gif")
        return self.keep("unet", model.save_unet, result)

    def classifier(self) -> TrainingResult:
        torch.manual_seed(self.args.seed + 2)
        classifier = Classifier(ClassifierConfig(self.data.class_names))
        with self.surroundings("classifier") as run:
            budget = self.budget()
            result = train_classifier(classifier, self.data, budget, self.config, self.device, run)
        predicted = classifier.judge(self.test.pixels)[1].cpu()
        accuracy = (predicted == self.test.labels).double().mean().item()
        return self.keep("classifier", classifier.save, result, test_accuracy=round(accuracy, 4))

    @contextmanager
    def surroundings(
        self, stage: str, draw: Callable[[], tuple[Tensor, int]] | None = None
    ) -> Iterator[Run]:
        """The state file and what is shown of a stage; draw() -> images and columns of a grid."""
        args, processes = self.args, self.processes
        before = self.stages[: self.stages.index(stage)]
        state = StateFile(
            self.state(stage),
            self.stage_settings(stage),
            self.environment,
            self.clock,
            resume=args.resume,
            every=args.save_seconds,
            replaces=tuple(map(self.state, before)),
            processes=processes,
            say=self.say,
        )
        if not processes.first:
            yield Run(state=state, processes=processes)
            return
        fresh = not (args.resume and self.state(stage).exists())
        self.progress = Progress(args.out, stage, log_dir=args.log_dir, fresh=fresh)
        show = (lambda step: self.progress.show(step, *draw())) if draw else (lambda step: None)
        try:
            yield Run(show, self.progress.log, state, processes)
        finally:
            self.progress.close()

    def budget(self, share: float = 1.0) -> Budget:
        """The steps asked for, or a share of the time that is left of the whole run."""
        if self.args.steps:
            return Budget(steps=self.args.steps)
        left = self.args.minutes * 60 - self.clock.seconds()
        return Budget(seconds=max(left, 0.0) * share)

    def keep(
        self,
        stage: str,
        save: Callable[[Path, dict], None],
        result: TrainingResult,
        **quality: float,
    ) -> TrainingResult:
        """Write the checkpoint of a stage, finished or interrupted, and say so."""
        path = self.checkpoint(stage)
        if self.processes.first:
            save(path, self.record(stage, result, **quality))
        found = "".join(f", {key} {value}" for key, value in quality.items())
        self.say(f"{stage}: {result.steps} steps in {result.seconds:.0f} s{found} -> {path}")
        self.processes.from_first(lambda: None)  # the others read it next
        return result

    def record(self, stage: str, result: TrainingResult, **quality: float) -> dict[str, Any]:
        """What a checkpoint says of its making."""
        last = result.losses[-100:] or [float("nan")]
        return {
            "settings": self.stage_settings(stage),
            "environment": self.environment,
            "dataset": self.args.dataset,
            "steps": result.steps,
            "seconds": round(result.seconds, 1),
            "elapsed": round(self.clock.seconds(), 1),
            "interrupted": result.interrupted,
            "loss": round(sum(last) / len(last), 5),
            "losses": [round(loss, 5) for loss in result.losses[:: max(1, result.steps // 100)]],
            **quality,
            "date": time.strftime("%Y-%m-%d"),
        }

    def say(self, text: str) -> None:
        if self.processes.first:
            print(text, flush=True)


def model_config(class_names: tuple[str, ...]) -> ModelConfig:
    return ModelConfig(conditioning=ConditioningConfig(class_names))


def check_room(folder: Path, stages: list[str]) -> None:
    """Make the folder; raise OSError or ValueError where it cannot hold what is to be written."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass
    with torch.device("meta"):
        model = LatentDiffusion()
    parts = {"vae": model.vae, "unet": model.unet, "classifier": Classifier()}
    numbers = sum(p.numel() for stage in stages for p in parts[stage].parameters())
    # A state is four numbers of 4 bytes a parameter, a checkpoint is one; each also beside itself.
    needed = numbers * 4 * (4 + 1) * 2 + GRID_BYTES
    if (free := shutil.disk_usage(folder).free) < needed:
        raise ValueError(
            f"{folder.absolute()} has {free / 1e6:.0f} MB free; this run may write "
            f"{needed / 1e6:.0f} MB. Make room, or choose another disk with --out."
        )


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="train.py", description="Train the VAE and the U-Net that page and sampler load."
    )
    parser.add_argument("--stage", choices=STAGES, default="all", help="all: VAE, then U-Net")
    parser.add_argument(
        "--dataset",
        default="mnist",
        help=f"{', '.join(DATASETS)}, or a folder that holds a folder of images for each class",
    )
    parser.add_argument(
        "--data-dir", type=Path, default=Path("data"), help="downloaded to when absent"
    )
    parser.add_argument("--out", type=Path, default=Path("weights"), help="checkpoints go here")
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--minutes",
        type=positive(float),
        default=DEFAULT_MINUTES,
        help=f"time for the whole run (default {DEFAULT_MINUTES:g})",
    )
    length.add_argument("--steps", type=positive(int), help="of each stage, instead of a time")
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same weights")
    parser.add_argument(
        "--compile", action="store_true", help="compile the U-Net first: pays in runs of an hour"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument(
        "--log-dir", type=Path, help="write TensorBoard logs there (needs: pip install tensorboard)"
    )
    parser.add_argument(
        "--save-seconds",
        type=positive(float),
        help="how often to save what --resume goes on from (30, or less often where that is slow)",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument(
        "--resume", action="store_true", help="go on where a run with these options was stopped"
    )
    again.add_argument("--force", action="store_true", help="start anew over what exists")
    return parser.parse_args(argv)


def positive(number: type) -> Callable[[str], float]:
    def parse_positive(text: str):
        value = number(text)
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"must be above 0, not {text}")
        return value

    parse_positive.__name__ = number.__name__  # argparse names it in its message
    return parse_positive


def choose_device(name: str, processes: Processes) -> torch.device:
    """The device of this process: under torchrun, each has a GPU of its own.

    Raises ValueError where there is none.
    """
    if device_type(name) == "cpu":
        return torch.device("cpu")
    count = torch.cuda.device_count()
    if processes.count > 1:
        if ":" in name:
            raise ValueError(f"--device {name} is one GPU for all processes; use --device cuda.")
        name = f"cuda:{processes.local_rank}"
    device = torch.device(name)
    if (device.index or 0) >= count:
        raise ValueError(
            f"--device {name}: PyTorch finds {count or 'no'} CUDA device{'s'[: count != 1]} here. "
            "Use --device cpu, or fewer processes."
        )
    torch.cuda.set_device(device)
    return device


def device_type(name: str) -> str:
    """cpu or cuda; raises ValueError for anything else."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", name):
        raise ValueError(f"--device must be auto, cpu, cuda or cuda:N, not {name}.")
    return name.partition(":")[0]


if __name__ == "__main__":
    sys.exit(main())
