"""A run of training, from options to checkpoints: a few stages, one after the other."""

import argparse
import ctypes
import filecmp
import platform
import shutil
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..checks import InputError
from ..config import ConditioningConfig, ModelConfig, TrainingConfig, UNetConfig
from ..data.datasets import data_fingerprint, describe, load_dataset
from ..files.checkpoint import read_checkpoint
from ..files.hub import VAE_FILE
from ..files.weights import load_unet, load_vae
from ..files.whole_file import remove_leftovers, whole_file
from ..latent_diffusion import LatentDiffusion
from ..model.vae import VAE
from ..model.vocabulary import make_vocabulary
from ..runtime.devices import has_bfloat16
from ..runtime.processes import Processes, device_of
from .distillation import StudentStage
from .loop import check_weights, ctrl_c_as_flag, train
from .progress import Progress
from .stages import ClassifierStage, Materials, Stage, UNetStage, VAEStage
from .state import Learner, StateFile, check_settings

# What --stage may be, and the stages that it means.
STAGES: dict[str, tuple[type[Stage], ...]] = {
    "vae": (VAEStage,),
    "unet": (UNetStage,),
    "all": (VAEStage, UNetStage),
    "distill": (StudentStage,),
    "classifier": (ClassifierStage,),
}
# Of --minutes: imports before the clock begins; the last grid, the animation and the checkpoint
# after the last step. In a run of a minute, a tenth of it.
RESERVED_SECONDS = 8.0
# A student that sees each of its teacher's pairs 20 times learns them by heart. So the teacher
# draws for half of the time. In a training of a number of steps, each pair is used so often.
TEACHER_SHARE, PAIR_USES = 0.5, 4
GRIDS = 10  # are drawn while a stage trains, in equal distances, and one before its first step
LOSSES_KEPT = 100  # about, in a checkpoint's record, in equal distances
LAST_LOSSES = 100  # their mean is the final loss


class Clock:
    """Seconds that a run has taken, with those before it was stopped and resumed."""

    def __init__(self, now: Callable[[], float] = time.monotonic):
        self.now, self.origin = now, now()

    def seconds(self) -> float:
        return self.now() - self.origin

    def resume_at(self, seconds: float) -> None:
        self.origin = self.now() - seconds


class TrainingRun:
    """One run: its options (see train.py --help), its data, and the stages that are left of it.

    Raises InputError, CheckpointError or OSError, before any training, for what cannot be done.
    """

    def __init__(
        self, options: argparse.Namespace, processes: Processes, clock: Clock | None = None
    ):
        self.options, self.processes, self.clock = options, processes, clock or Clock()
        self.device = device_of(options.device, processes)
        config = TrainingConfig(seed=options.seed)
        unets = config.unet_batch, config.student_batch
        for batch in (config.vae_batch, *unets, config.classifier_batch):
            processes.part(batch)  # an error now rather than after the data
        self.stages = STAGES["unet" if options.vae else options.stage]
        self.given_vae = options.vae / VAE_FILE if options.vae else None
        self.names = [stage.name for stage in self.stages]
        self.begin = processes.from_first(self._first_stage)
        load = partial(load_dataset, options.dataset, options.data_dir)
        data, test = processes.in_turn(lambda: (load(train=True), load(train=False)))
        processes.say(describe(data, test))
        self.settings = {
            "length": f"{options.steps} steps" if options.steps else f"{options.minutes:g} minutes",
            "data": data_fingerprint(data),
            "training": config.to_dict(),
        }
        if (first := processes.from_first(lambda: self.settings["data"])) != self.settings["data"]:
            raise InputError(f"This process has other data than the first one, which has {first}.")
        self.materials = Materials(
            data=data,
            test=test,
            model=model_config(data.class_names),
            config=config,
            device=self.device,
            compiled=options.compile,
            load_vae=lambda: processes.from_first(self._load_vae),
            load_teacher=lambda: processes.from_first(self._load_teacher),
            enough_pairs=self._enough_pairs,
            pairs_file=options.out / "student.pairs.safetensors",
            length=self.settings["length"],
            processes=processes,
        )
        self.environment = environment(self.device, processes)

    def checkpoint(self, stage: str) -> Path:
        return self.options.out / f"{stage}.safetensors"

    def state(self, stage: str) -> Path:
        return self.options.out / f"{stage}.resume.safetensors"

    def run(self) -> bool:
        """Train the stages that are not finished yet; False if Ctrl-C stopped one of them."""
        keep_freed_memory()
        if self.processes.first:
            if self.given_vae and not self._has_given_vae():
                with whole_file(self.checkpoint("vae")) as unfinished:
                    shutil.copyfile(self.given_vae, unfinished)
            for name in self.names[self.begin :]:
                remove_leftovers(self.checkpoint(name))  # of killed processes
                remove_leftovers(self.state(name))
                if not self.options.resume:
                    self.state(name).unlink(missing_ok=True)
        for i, make_stage in enumerate(self.stages):
            stage = make_stage(self.materials)
            if i < self.begin:
                self.skip(stage)
            elif not self.train(stage):
                self.processes.say("--resume goes on from here.")
                return False
        if self.processes.first:
            self._remove_states(self.names)
        return True

    def skip(self, stage: Stage) -> None:
        """Pass over a stage that is finished; an error where it belongs to another run."""
        path = self.checkpoint(stage.name)
        read = lambda: read_checkpoint(path, stage.name)[1]["training"]
        record = self.processes.from_first(read)
        check_settings(path, record.get("settings", {}), self.settings_of(stage))
        if record["interrupted"]:
            raise InputError(
                f"{path} was interrupted, and its {self.state(stage.name).name} is gone: start "
                "over with --force."
            )
        self.clock.resume_at(record["elapsed"])
        self.processes.say(f"{path}: finished already")

    def train(self, stage: Stage) -> bool:
        """Train a stage from its start or its last save, and write its checkpoint; False if Ctrl-C
        stopped it."""
        options, processes, clock = self.options, self.processes, self.clock
        state = StateFile(self.state(stage.name), self.settings_of(stage), self.environment)
        saved = processes.from_first(state.read) if options.resume else None
        stage.prepare()
        learner = stage.learner()
        if saved:
            tensors, times = saved
            learner.restore(state.path, tensors)
            clock.resume_at(times["elapsed"])
        alone, first = processes.count == 1, processes.first
        progress = Progress(options.out, stage, learner, visible=first)
        if first and not learner.done:
            progress.start()
        begin = times["begin"] if learner.done else clock.seconds()

        def save() -> None:
            check_weights(learner)
            state.save(learner, begin=begin, elapsed=clock.seconds())

        if first:
            save()  # now there is an unfinished run
            self._remove_states(self.names[: self.names.index(stage.name)])
        share_at, saved_at, interrupted = self.share_at(stage, begin), clock.seconds(), False
        grids = int(GRIDS * share_at(learner.done))
        # A number of steps makes the weights a function of the seed: then nothing may be chosen.
        adapt = alone and not options.steps and self.device.type == "cpu"
        with closing(progress.bar), ctrl_c_as_flag(ignore_repeats=not alone) as stop:
            for step in train(learner, share_at, processes, stop=stop, adapt_threads=adapt):
                interrupted = step.stopped and step.share < 1
                if not first:
                    continue
                progress.update(step)
                if int(GRIDS * step.share) > grids:
                    grids = int(GRIDS * step.share)
                    progress.show()
                if interrupted or clock.seconds() >= saved_at + options.save_seconds:
                    save()
                    saved_at = clock.seconds()
        seconds = clock.seconds() - begin
        quality = stage.finish(learner.done)
        if first:
            if stage.animated and not interrupted:
                progress.write_animation()
            record = self.record(stage, learner, seconds, interrupted)
            stage.save(self.checkpoint(stage.name), record | quality)
        figures = "".join(f", {name} {value}" for name, value in quality.items())
        said = f"{learner.done} steps in {seconds:.0f} s{figures}"
        processes.say(f"{stage.name}: {said} -> {self.checkpoint(stage.name)}")
        processes.from_first(lambda: None)  # the others wait: their next stage reads the file
        return not interrupted

    def share_at(self, stage: Stage, begin: float) -> Callable[[int], float]:
        """How much of a stage is over after `done` steps: of its steps, or of its time from `begin`
        on. The last stage has all the time that is left."""
        if steps := self.options.steps:
            return lambda done: done / steps
        whole = self.options.minutes * 60
        left = whole - min(RESERVED_SECONDS, 0.1 * whole) - begin
        seconds = left if stage.name == self.names[-1] else left * stage.share
        return lambda done: (self.clock.seconds() - begin) / seconds if seconds > 0 else 1.0

    def settings_of(self, stage: Stage) -> dict[str, Any]:
        """What must be the same for a stage to be resumed, or to count as done."""
        return {**self.settings, "compiled": stage.compiled, "model": stage.settings()}

    def record(
        self, stage: Stage, learner: Learner, seconds: float, interrupted: bool
    ) -> dict[str, Any]:
        """What a checkpoint says of its making. seconds: of the stage's steps."""
        losses = torch.stack(learner.losses).tolist()
        last = losses[-LAST_LOSSES:]
        return {
            "settings": self.settings_of(stage),
            "environment": self.environment,
            "dataset": self.options.dataset,
            "steps": learner.done,
            "seconds": round(seconds, 1),
            "elapsed": round(self.clock.seconds(), 1),
            "interrupted": interrupted,
            "loss": round(sum(last) / len(last), 5),
            "losses": [round(loss, 5) for loss in losses[:: max(1, len(losses) // LOSSES_KEPT)]],
            "date": time.strftime("%Y-%m-%d"),
        }

    def _first_stage(self) -> int:
        """The index of the stage to begin with; len(stages) where all are finished.

        Raises InputError where the stages to come would replace what they must not.
        """
        options, names = self.options, self.names
        begun = [i for i, name in enumerate(names) if self.state(name).exists()]
        begin = 0
        if options.resume:
            finished = [self.checkpoint(name).exists() for name in names]
            begin = max(begun) if begun else [*finished, False].index(False)
            if not begun and begin == 0:
                print(f"There is nothing to resume in {options.out}: starting from the beginning.")
        files = [path for n in names[begin:] for path in (self.checkpoint(n), self.state(n))]
        if self.given_vae and not self._has_given_vae():
            load_vae(self.given_vae)  # an error now rather than after it was copied
            files.append(self.checkpoint("vae"))
        existing = [str(path) for path in files if path.exists()]
        if existing and not (options.force or (options.resume and begun)):
            raise InputError(
                f"{' and '.join(existing)} would be replaced. Pass --resume to go on with an "
                "unfinished run, --force to start over, or --out to write to another folder."
            )
        return begin

    def _has_given_vae(self) -> bool:
        """Whether the VAE to train with is in the output folder already."""
        path = self.checkpoint("vae")
        return path.exists() and filecmp.cmp(path, self.given_vae, shallow=False)

    def _load_vae(self) -> VAE:
        return load_vae(self.given_vae or self.checkpoint("vae"))

    def _load_teacher(self) -> LatentDiffusion:
        vae = load_vae(self.checkpoint("vae"))
        return load_unet(self.checkpoint("unet"), vae, LatentDiffusion.around)

    def _enough_pairs(self, n: int) -> bool:
        """Whether a student needs no more than n pairs of its teacher; it needs some."""
        if steps := self.options.steps:
            return n * PAIR_USES >= steps * self.materials.config.student_batch
        return n > 0 and self.clock.seconds() >= TEACHER_SHARE * self.options.minutes * 60

    def _remove_states(self, names: list[str]) -> None:
        for name in names:
            self.state(name).unlink(missing_ok=True)


def model_config(class_names: tuple[str, ...]) -> ModelConfig:
    """The parts of a model that knows the words for these classes."""
    conditioning = ConditioningConfig(class_names, vocabulary=make_vocabulary(class_names))
    return ModelConfig(unet=UNetConfig(middle_only=True), conditioning=conditioning)


def environment(device: torch.device, processes: Processes) -> dict[str, Any]:
    """Everything except the settings that affects bit-exact results."""
    return {
        "device": device.type,
        "precision": "bfloat16" if has_bfloat16(device) else "float32",
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads",
        "processes": processes.count,
    }


def keep_freed_memory() -> None:
    """Keep up to 2 GiB of freed memory for what is allocated next. Does nothing without glibc.

    A training step frees all its activations, and the next step asks for as much memory again. By
    default glibc returns it to the kernel in between, which must then clear every page again. On
    two cores this takes a sixth of a step's time.
    """
    if platform.libc_ver()[0] == "glibc":
        trim_threshold, mmap_threshold = -1, -3  # their numbers in mallopt(3)
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_threshold, 32 * 2**20)  # the most that every release accepts
        libc.mallopt(trim_threshold, 2**31 - 1)
