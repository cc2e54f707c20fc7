"""A run of training, from options to checkpoints: a few stages, one after the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..checks import InputError
from ..config import ConditioningConfig, ModelConfig, TrainingConfig
from ..data.datasets import data_fingerprint, describe, load_dataset
from ..files.checkpoint import read_checkpoint
from ..files.weights import load_vae
from ..model.vae import VAE
from ..model.vocabulary import make_vocabulary
from .budget import Budget
from .classifier import ClassifierStage
from .folder import OutputFolder
from .loop import LoopOptions, TrainingResult
from .memory import keep_freed_memory
from .processes import Processes, device_of
from .progress import Progress, summary_writer
from .record import environment, training_record
from .stage import Materials, TrainingStage
from .state import Clock, StateFile, check_settings
from .unet import UNetStage, check_compiler
from .vae import VAEStage

# What --stage may be, and the stages that it means.
STAGES: dict[str, tuple[type[TrainingStage], ...]] = {
    "vae": (VAEStage,),
    "unet": (UNetStage,),
    "all": (VAEStage, UNetStage),
    "classifier": (ClassifierStage,),
}
# The share of --minutes that is left for what is not a step: imports, saving, the animation. Also,
# a machine that others share does not keep the speed of its first seconds: runs of ten minutes lost
# up to 15% of it.
RESERVE = 0.1
PLACES = 12  # words that a prompt may have; sentences of the captions have at most as many


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
        self.config = config = TrainingConfig(seed=options.seed)
        for batch in (config.vae_batch, config.unet_batch, config.classifier_batch):
            processes.part(batch)  # an error now rather than after the data
        if options.log_dir:
            summary_writer()
        if options.compile:
            check_compiler(self.device)
        self.stages = STAGES[options.stage]
        self.folder = OutputFolder(options.out, [stage.name for stage in self.stages])
        self.begin = processes.from_first(self._first_stage)
        load = partial(load_dataset, options.dataset, options.data_dir)
        self.data, self.test = processes.in_turn(lambda: (load(train=True), load(train=False)))
        processes.say(describe(self.data, self.test))
        self.settings = {
            "length": f"{options.steps} steps" if options.steps else f"{options.minutes:g} minutes",
            "data": data_fingerprint(self.data),
            "training": config.to_dict(),
        }
        processes.check_same("data", self.settings["data"])
        self.environment = environment(self.device, processes)

    def run(self) -> bool:
        """Train what is not finished yet; returns whether it came to the end, without Ctrl-C."""
        keep_freed_memory()
        to_come = self.folder.stages[self.begin :]
        self.processes.from_first(lambda: self.folder.tidy(to_come, resume=self.options.resume))
        materials = self.materials()
        for i, make_stage in enumerate(self.stages):
            stage = make_stage(materials)
            if i < self.begin:
                self.skip(stage)
            elif self.train(stage).interrupted:
                self.processes.say("--resume goes on from here.")
                return False
        if self.processes.first:
            self.folder.remove_states()
        return True

    def materials(self) -> Materials:
        return Materials(
            data=self.data,
            test=self.test,
            model=model_config(self.data.class_names),
            config=self.config,
            device=self.device,
            compiled=self.options.compile,
            load_vae=self._load_vae,
        )

    def skip(self, stage: TrainingStage) -> None:
        """Pass over a stage that is finished; an error where it belongs to another run."""
        path, settings = self.folder.checkpoint(stage.name), self.stage_settings(stage)

        def check() -> float:
            made = read_checkpoint(path, stage.name)[1]["training"]
            check_settings(path, made.get("settings", {}), settings)
            if made["interrupted"]:
                raise InputError(
                    f"{path} was interrupted, and its {self.folder.state(stage.name).name} is "
                    "gone: start anew with --force."
                )
            return made["elapsed"]

        self.clock.resume_at(self.processes.from_first(check))
        self.processes.say(f"{path}: finished already")

    def train(self, stage: TrainingStage) -> TrainingResult:
        """Train a stage, finished or interrupted, and write its checkpoint."""
        with self.loop_options(stage) as options:
            stage.prepare()
            result = stage.train(self.budget(stage.share), options)
        path, quality = self.folder.checkpoint(stage.name), stage.quality()
        if self.processes.first:
            self.save(stage, path, result, quality)
        figures = "".join(f", {name} {value}" for name, value in quality.items())
        seconds = f"{result.seconds:.0f} s"
        self.processes.say(f"{stage.name}: {result.steps} steps in {seconds}{figures} -> {path}")
        self.processes.from_first(lambda: None)  # the others wait: their next stage reads the file
        return result

    def save(
        self, stage: TrainingStage, path: Path, result: TrainingResult, quality: dict[str, float]
    ) -> None:
        """Write the training animation where there is one, and the checkpoint with its record."""
        if stage.animated and not result.interrupted:
            animation = self.options.out / "training.gif"
            progress = Progress(self.options.out, stage.name, fresh=False)
            progress.write_animation(animation, weights=stage.weights())
        record = training_record(
            result,
            self.clock.seconds(),
            settings=self.stage_settings(stage),
            environment=self.environment,
            dataset=self.options.dataset,
            **quality,
        )
        stage.save(path, record)

    @contextmanager
    def loop_options(self, stage: TrainingStage) -> Iterator[LoopOptions]:
        """What a stage's loop does besides training: keep its state, draw grids, write logs."""
        options, processes = self.options, self.processes
        path = self.folder.state(stage.name)
        state = StateFile(
            path,
            self.stage_settings(stage),
            self.environment,
            self.clock,
            resume=options.resume,
            every=options.save_seconds,
            replaces=self.folder.states_before(stage.name),
            processes=processes,
        )
        state.load()  # an error now rather than after the data are encoded
        if not processes.first:
            yield LoopOptions(state=state, processes=processes)
            return
        fresh = not (options.resume and path.exists())
        progress = Progress(options.out, stage.name, log_dir=options.log_dir, fresh=fresh)
        loop_options = LoopOptions(log=progress.log, state=state, processes=processes)
        if stage.columns:
            show = partial(progress.show, columns=stage.columns)
            loop_options = replace(loop_options, draw=stage.draw, on_progress=show)
        try:
            yield loop_options
        finally:
            progress.close()

    def budget(self, share: float = 1.0) -> Budget:
        """The steps asked for, or a share of the time that is left of the whole run for steps."""
        if self.options.steps:
            return Budget(steps=self.options.steps)
        left = self.options.minutes * 60 * (1 - RESERVE) - self.clock.seconds()
        return Budget(seconds=max(left, 0.0) * share)

    def stage_settings(self, stage: TrainingStage) -> dict[str, Any]:
        """What must be the same for a stage to be resumed, or to count as done."""
        compiled = self.options.compile and stage.compiles
        return {**self.settings, "compiled": compiled, "model": stage.model_settings()}

    def _first_stage(self) -> int:
        """The index of the stage to begin with, after checks of the folder for those to come."""
        options, folder = self.options, self.folder
        begin = folder.first_stage(resume=options.resume)
        goes_on = options.resume and folder.unfinished()
        if options.resume and begin == 0 and not goes_on:
            self.processes.say(
                f"There is nothing to resume in {options.out}: starting from the beginning."
            )
        folder.check(folder.stages[begin:], may_replace=options.force or goes_on)
        return begin

    def _load_vae(self) -> VAE:
        return self.processes.from_first(lambda: load_vae(self.folder.checkpoint("vae")))


def model_config(class_names: tuple[str, ...]) -> ModelConfig:
    vocabulary = make_vocabulary(class_names)
    return ModelConfig(conditioning=ConditioningConfig(class_names, PLACES, vocabulary))
