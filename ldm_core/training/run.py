"""A run of training, from options to checkpoints: what there is, what is left, what is kept."""

import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..checks import InputError
from ..config import ClassifierConfig, ConditioningConfig, ModelConfig, TrainingConfig
from ..data.datasets import data_fingerprint, load_dataset
from ..evaluation.classifier import Classifier
from ..files.checkpoint import fingerprint, read_checkpoint, save_module
from ..files.weights import load_vae, save_unet, save_vae
from ..files.whole_file import remove_leftovers
from ..latent_diffusion import LatentDiffusion
from ..model.vae import VAE
from ..runtime.devices import has_bfloat16
from .classifier import train_classifier
from .loop import Budget, Run, TrainingResult
from .memory import keep_freed_memory
from .processes import Processes, device_of
from .progress import Progress, summary_writer
from .stages import (
    encode_dataset,
    grid_columns,
    reconstruction_psnr,
    reconstructions,
    sample_grid,
    train_unet,
    train_vae,
)
from .state import Clock, StateFile, check_settings

STAGES = {"vae": ["vae"], "unet": ["unet"], "all": ["vae", "unet"], "classifier": ["classifier"]}
VAE_SHARE = 0.08  # of the time of a run: of ten minutes, enough for 32 dB
# Of that time: for imports, saving and the film, and because a machine that others share does not
# keep the speed of its first seconds (runs of ten minutes lost up to 15% of it).
RESERVE = 0.1
SKIPPED_SHOWN = 10
GRID_BYTES = 20_000_000  # room for sample grids, their film and logs


@dataclass(frozen=True)
class RunOptions:
    """What `train.py --help` explains."""

    stage: str
    dataset: str
    data_dir: Path
    out: Path
    minutes: float
    steps: int | None
    seed: int
    device: str
    compile: bool
    log_dir: Path | None
    save_seconds: float | None
    resume: bool
    force: bool


class TrainingRun:
    """One run: its options, its data, and the stages that are left of it.

    Raises InputError, CheckpointError or OSError, before any training, for what cannot be done.
    """

    def __init__(self, options: RunOptions, processes: Processes):
        self.options, self.processes, self.clock = options, processes, Clock()
        self.device = device_of(options.device, processes)
        self.stages = STAGES[options.stage]
        self.config = config = TrainingConfig(seed=options.seed)
        for batch in (config.vae_batch, config.unet_batch, config.classifier_batch):
            processes.part(batch)  # an error now rather than after the data
        if options.log_dir:
            summary_writer()
        self.begin = processes.from_first(self.first_unfinished)
        load = partial(load_dataset, options.dataset, options.data_dir)
        self.data, self.test = processes.in_turn(lambda: (load(train=True), load(train=False)))
        self.settings = {
            "length": f"{options.steps} steps" if options.steps else f"{options.minutes:g} minutes",
            "data": data_fingerprint(self.data),
            "training": self.config.to_dict(),
            "compiled": self.options.compile,
        }
        for part, skipped in (("training", self.data.skipped), ("test", self.test.skipped)):
            if skipped:
                more = ", ..." if len(skipped) > SKIPPED_SHOWN else ""
                self.say(
                    f"{len(skipped)} {part} files could not be read and are skipped: "
                    f"{', '.join(skipped[:SKIPPED_SHOWN])}{more}"
                )
        processes.check_same("data", self.settings["data"])
        self.environment = {
            "device": self.device.type,
            "precision": "bfloat16" if has_bfloat16(self.device) else "float32",
            "torch": torch.__version__,
            "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
            "processes": processes.count,
        }

    # What is there already

    def checkpoint(self, stage: str) -> Path:
        return self.options.out / f"{stage}.safetensors"

    def state(self, stage: str) -> Path:
        return self.options.out / f"{stage}.resume.safetensors"

    def first_unfinished(self) -> int:
        """The index of the stage to begin with, after checks of the folder for those to come.

        Raises InputError where the run would replace what it must not, or lacks the room to write.
        """
        options, states = self.options, [self.state(stage).exists() for stage in self.stages]
        begin, goes_on = 0, options.resume and any(states)
        if goes_on:
            begin = max(i for i, exists in enumerate(states) if exists)
        elif options.resume:
            done = [self.checkpoint(stage).exists() for stage in self.stages]
            begin = (done + [False]).index(False)
            if begin == 0:
                self.say(
                    f"There is nothing to resume in {options.out}: starting from the beginning."
                )
        to_come = self.stages[begin:]
        files = [*map(self.checkpoint, to_come), *map(self.state, to_come)]
        existing = [str(path) for path in files if path.exists()]
        if existing and not options.force and not goes_on:
            raise InputError(
                f"{' and '.join(existing)} would be replaced. Pass --resume to go on with an "
                "unfinished run, --force to start anew, or --out to write to another folder."
            )
        check_room(options.out, to_come)
        return begin

    def tidy(self) -> None:
        """Remove what killed processes left half written and, anew, the states of other runs."""
        to_come = self.stages[self.begin :]
        goes_on = self.options.resume and any(self.state(stage).exists() for stage in to_come)
        for stage in to_come:
            remove_leftovers(self.checkpoint(stage))
            remove_leftovers(self.state(stage))
            if not goes_on:
                self.state(stage).unlink(missing_ok=True)

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
        return self.processes.from_first(lambda: load_vae(self.checkpoint("vae")))

    def skip(self, stage: str) -> None:
        """Pass over a stage that is finished; an error where it is not one of this very run."""
        path, settings = self.checkpoint(stage), self.stage_settings(stage)

        def check() -> float:
            made = read_checkpoint(path, stage)[1]["training"]
            check_settings(path, made.get("settings", {}), settings)
            if made["interrupted"]:
                raise InputError(
                    f"{path} was interrupted, and its {self.state(stage).name} is gone: start anew "
                    "with --force."
                )
            return made["elapsed"]

        self.clock.resume_at(self.processes.from_first(check))
        self.say(f"{path}: finished already")

    # Training

    def run(self) -> int:
        """Train what is not finished yet; returns the exit status."""
        keep_freed_memory()
        self.processes.from_first(self.tidy)
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
        torch.manual_seed(self.options.seed)  # the initial weights
        model = LatentDiffusion(model_config(self.data.class_names)).to(self.device)
        spread = torch.linspace(0, len(self.test.pixels) - 1, min(40, len(self.test.pixels)))
        some = self.test.pixels[spread.long()]  # of all classes, in whatever order they come
        columns = min(10, len(some))
        draw = lambda: (reconstructions(model, some, columns), columns)
        with self.surroundings("vae", draw) as run:
            result = train_vae(model, self.data, self.budget(VAE_SHARE), self.config, run)
        quality = {"test_psnr_db": round(reconstruction_psnr(model, self.test.pixels), 2)}
        return self.keep("vae", partial(save_vae, vae=model.vae), result, **quality)

    def unet(self) -> TrainingResult:
        torch.manual_seed(self.options.seed + 1)
        parts = model_config(self.data.class_names)
        model = LatentDiffusion.around(self.load_vae(), parts.to_dict()).to(self.device)
        draw = lambda: (sample_grid(model), grid_columns(model))
        with self.surroundings("unet", draw) as run:
            latents = encode_dataset(model, self.data.pixels)
            budget = self.budget()
            result = train_unet(
                model,
                latents,
                self.data.labels.tolist(),
                budget,
                self.config,
                run,
                self.options.compile,
            )
        if self.processes.first and not result.interrupted:
            self.progress.write_film(self.options.out / "training.gif")
        return self.keep("unet", partial(save_unet, model=model), result)

    def classifier(self) -> TrainingResult:
        torch.manual_seed(self.options.seed + 2)
        classifier = Classifier(ClassifierConfig(self.data.class_names))
        with self.surroundings("classifier") as run:
            budget = self.budget()
            result = train_classifier(classifier, self.data, budget, self.config, self.device, run)
        predicted = classifier.judge(self.test.pixels)[1].cpu()
        accuracy = (predicted == self.test.labels).double().mean().item()
        save = partial(save_module, kind="classifier", module=classifier)
        return self.keep("classifier", save, result, test_accuracy=round(accuracy, 4))

    @contextmanager
    def surroundings(
        self, stage: str, draw: Callable[[], tuple[Tensor, int]] | None = None
    ) -> Iterator[Run]:
        """The state file and what is shown of a stage; draw() -> images and columns of a grid."""
        options, processes = self.options, self.processes
        before = self.stages[: self.stages.index(stage)]
        state = StateFile(
            self.state(stage),
            self.stage_settings(stage),
            self.environment,
            self.clock,
            resume=options.resume,
            every=options.save_seconds,
            replaces=tuple(map(self.state, before)),
            processes=processes,
            say=self.say,
        )
        state.load()  # an error now rather than after the data are encoded
        if not processes.first:
            yield Run(state=state, processes=processes)
            return
        fresh = not (options.resume and self.state(stage).exists())
        self.progress = Progress(options.out, stage, log_dir=options.log_dir, fresh=fresh)
        show = (lambda step: self.progress.show(step, *draw())) if draw else (lambda step: None)
        try:
            yield Run(show, self.progress.log, state, processes)
        finally:
            self.progress.close()

    def budget(self, share: float = 1.0) -> Budget:
        """The steps asked for, or a share of the time that is left of the whole run for steps."""
        if self.options.steps:
            return Budget(steps=self.options.steps)
        left = self.options.minutes * 60 * (1 - RESERVE) - self.clock.seconds()
        return Budget(seconds=max(left, 0.0) * share)

    def keep(
        self,
        stage: str,
        save: Callable[..., None],
        result: TrainingResult,
        **quality: float,
    ) -> TrainingResult:
        """Write the checkpoint of a stage, finished or interrupted, and say so."""
        path = self.checkpoint(stage)
        record = self.record(stage, result, **quality)  # by all: it asks the first for the VAE
        if self.processes.first:
            save(path, training=record)
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
            "dataset": self.options.dataset,
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
    """Make the folder; raise InputError where it cannot hold what is to be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(f"{folder} cannot be written to ({error.strerror}).") from error
    with torch.device("meta"):
        model = LatentDiffusion()
    parts = {"vae": model.vae, "unet": model.unet, "classifier": Classifier()}
    numbers = sum(p.numel() for stage in stages for p in parts[stage].parameters())
    # A state is four numbers of 4 bytes a parameter, a checkpoint is one; each also beside itself.
    needed = numbers * 4 * (4 + 1) * 2 + GRID_BYTES
    if (free := shutil.disk_usage(folder).free) < needed:
        raise InputError(
            f"{folder.absolute()} has {free / 1e6:.0f} MB free; this run may write "
            f"{needed / 1e6:.0f} MB. Make room, or choose another disk with --out."
        )
