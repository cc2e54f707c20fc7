"""The loop that trains a module, whatever it is.

Data order and noise are functions of (seed, step) (Karras et al. 2023): the loop hands its step
number to the loss and holds no generator whose state would have to be kept.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..checks import UserError
from .averaging import Average
from .budget import Budget, SpeedTest, completes_a_part
from .ctrl_c import CtrlC
from .optimisers import WARM_UP_STEPS, Optimisers, OptimiserSettings, rate_factor
from .processes import ALONE, Processes
from .state import StateFile, restore, state_tensors
from .threads import Threads

GPU_CHECK_STEPS = 50  # to read a loss is to wait for the GPU, so it is read this rarely there
LOG_STEPS = 10
SLOW = 2  # how many times as long as the first steps later ones may take with several threads


@dataclass(frozen=True)
class Training:
    """What is trained, and how.

    loss_at(step) -> scalar loss of step 0, 1, ..., the mean over this process's part of `batch`
    examples (see `Processes.part`). ema_width: see `Average`.
    """

    name: str
    module: nn.Module
    loss_at: Callable[[int], Tensor]
    batch: int
    optimisers: OptimiserSettings
    ema_width: float


@dataclass(frozen=True)
class LoopOptions:
    """What the loop does besides training.

    on_progress(step, draw()) is called once before the first step, and then PROGRESS_GRIDS times
    in equal distances, the last time at the end; draw() is called with the averaged weights in
    place. A budget of seconds costs one more draw(), which is thrown away, and has no grid before
    the number of its steps is known. log(step, values) is called every LOG_STEPS steps or more. All
    of these are called in the first process only.
    state: where the state is kept, and read from at the start; None keeps none.
    """

    draw: Callable[[], Any] = lambda: None
    on_progress: Callable[[int, Any], None] = lambda step, grid: None
    log: Callable[[int, Mapping[str, float]], None] = lambda step, values: None
    state: StateFile | None = None
    processes: Processes = ALONE


@dataclass(frozen=True)
class TrainingResult:
    steps: int
    losses: list[float]  # one per step
    seconds: float
    interrupted: bool  # by Ctrl-C; the weights are usable all the same
    threads: int  # with which the last step was computed


class NonFiniteLoss(UserError, RuntimeError):
    """Training met a loss, or made weights, that are not finite numbers."""


def train(
    training: Training, budget: Budget, options: LoopOptions = LoopOptions()
) -> TrainingResult:
    """Train a module in place; at the end it holds the exponential moving average of its weights.

    Goes on where `options.state` ends. Ctrl-C ends the training after the current step. Raises
    NonFiniteLoss, with the averaged weights in place.
    """
    return _Loop(training, budget, options).run()


class _Loop:
    """One call of `train`: the steps done so far, and all that they change."""

    def __init__(self, training: Training, budget: Budget, options: LoopOptions):
        self.training, self.options, self.processes = training, options, options.processes
        self.optimisers = Optimisers(training.module, training.optimisers)
        self.average = Average(training.module, training.ema_width)
        self.losses: list[Tensor] = []  # one per step done
        self.total = budget.steps  # None until the speed is known
        self.seconds_before, self.interrupted, self.warned = 0.0, False, False
        # A number of steps makes the weights a function of the seed: then nothing may be chosen.
        on_cpu = next(training.module.parameters()).device.type == "cpu"
        self.threads = Threads(budget.steps is None and on_cpu and self.processes.count == 1)
        self._resume()
        self.loss_at = self.processes.shared_loss(training.module, training.loss_at)
        self.started = time.perf_counter()
        self.speed_test = None if self.total is not None else SpeedTest(budget.seconds)

    def run(self) -> TrainingResult:
        if not self.losses:
            self._show_progress()
        if self.speed_test:
            self._with_average(lambda: self.speed_test.draw_again(self.options.draw))
        try:
            several = self.processes.count > 1
            with self._progress_bar() as self.bar, CtrlC(ignores_repeats=several) as ctrl_c:
                while not self.interrupted and (self.total is None or self.done < self.total):
                    self._step()
                    self._after_step(self.processes.any(ctrl_c.pressed))
            self._check_weights()
        finally:
            self.average.swap()
            threads = torch.get_num_threads()
            self.threads.restore()
        if self.interrupted and self.processes.first:
            name = self.training.name
            tqdm.write(f"{name}: stopped by Ctrl-C after {self.done} steps; keeping the weights.")
        losses = torch.stack(self.losses).tolist() if self.losses else []
        return TrainingResult(self.done, losses, self._seconds(), self.interrupted, threads)

    @property
    def done(self) -> int:
        return len(self.losses)

    def _resume(self) -> None:
        """Take over what the state file holds; where there is none, write one of no steps."""
        state = self.options.state
        if state is None:
            return
        found = state.load()
        if found is None:
            state.save({"losses": torch.zeros(0)}, total=self.total, seconds=0.0)
            return
        tensors, about = found
        module, averages = self.training.module, self.average.average
        self.losses = restore(tensors, module, self.optimisers.each, averages)
        self.average.updates = self.done
        self.total, self.seconds_before = about["total"], about["seconds"]
        if about.get("threads") == 1:  # they were given up, and the bits depend on them
            self.threads.give_up()

    def _step(self) -> None:
        self.factor = rate_factor(self.done, self.total)
        loss = self.loss_at(self.done)
        loss.backward()
        self.optimisers.step(self.factor)
        self.average.update()
        self.losses.append(self.processes.mean(loss.detach()))

    def _after_step(self, stop: bool) -> None:
        """stop: Ctrl-C was pressed in some process, and the steps end here."""
        if self.total is None:
            self._time_step()
        self.bar.update()
        self._watch_speed()
        due = self.total is not None and completes_a_part(self.done, self.total)
        self.interrupted = stop and self.done != self.total
        # Only the rest waits for a GPU, and is rare there. Ctrl-C is heard after every step.
        on_cpu, step = self.losses[-1].device.type == "cpu", self.done - 1
        if not (on_cpu or step % GPU_CHECK_STEPS == 0 or due or self.interrupted):
            return
        self._check_and_log(step, self.losses[-1].item())
        if due:
            self._show_progress()
        state = self.options.state
        if state and self.total and (self.interrupted or state.due()):
            self._check_weights()
            module, averages = self.training.module, self.average.average
            tensors = state_tensors(module, self.optimisers.each, averages, self.losses)
            threads = torch.get_num_threads()
            state.save(tensors, total=self.total, seconds=self._seconds(), threads=threads)

    def _time_step(self) -> None:
        """One of the first steps is done; after the last of them, fix the number of all steps."""
        self.losses[-1].item()  # waits for a GPU, so that steps are timed and not their launches
        self.speed_test.end_of_step()
        self.threads.after_step(self.speed_test.durations())
        if self.done == WARM_UP_STEPS:
            self.total = self.processes.from_first(self.speed_test.steps_that_fit)
            self.bar.total = self.total

    def _watch_speed(self) -> None:
        """Where steps have become slow, give up threads, and say early that time will not hold.

        The number of steps stays: a resumed training must come to the same weights.
        """
        if not self.speed_test or self.total is None:
            return
        if self.threads.several:
            if (self.speed_test.slowdown(self.done) or 0) > SLOW:
                self.threads.give_up()
                self.speed_test.watch_from(self.done)
                tqdm.write(
                    f"{self.training.name}: steps take {SLOW} times as long as the first ones, as "
                    "when another program is busy. Going on with one thread, which waits for none."
                )
        elif not self.warned and (seconds := self.speed_test.late(self.done, self.total)):
            self.warned = True
            if self.processes.first:
                minutes = [f"{time / 60:.0f}" for time in (seconds, self.speed_test.seconds)]
                tqdm.write(
                    f"{self.training.name}: steps take longer than the first ones did. This stage "
                    f"will take about {minutes[0]} minutes instead of {minutes[1]}. After Ctrl-C, "
                    "--resume goes on from there."
                )

    def _check_and_log(self, step: int, loss: float) -> None:
        if not math.isfinite(loss):
            raise NonFiniteLoss(self._not_finite(f"the loss became {loss}"))
        self.bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
        if self.processes.first and step % LOG_STEPS == 0:
            rate = self.training.optimisers.learning_rate * self.factor
            speed = (self.bar.format_dict["rate"] or 0.0) * self.training.batch
            values = {"loss": loss, "learning_rate": rate, "images_per_second": speed}
            self.options.log(step, values)

    def _check_weights(self) -> None:
        """A finite loss may have an infinite gradient. Such weights must not replace good ones."""
        if not all(p.isfinite().all() for p in self.average.parameters):
            raise NonFiniteLoss(self._not_finite("weights became infinite or NaN"))

    def _not_finite(self, what: str) -> str:
        return (
            f"{self.training.name}: {what} at step {self.done - 1}. What was saved before is kept. "
            "Lower the learning rate."
        )

    def _show_progress(self) -> None:
        options = self.options
        self._with_average(lambda: options.on_progress(self.done, options.draw()))

    def _with_average(self, call: Callable[[], None]) -> None:
        """Call in the first process, with the averaged weights in place."""
        if self.processes.first:
            with self.average.in_place():
                call()

    def _seconds(self) -> float:
        return self.seconds_before + time.perf_counter() - self.started

    def _progress_bar(self) -> tqdm:
        """Images, images a second and the time left; only the first process shows it."""
        return tqdm(
            total=self.total,
            initial=self.done,
            desc=self.training.name,
            unit="image",
            unit_scale=self.training.batch,
            dynamic_ncols=True,
            mininterval=1,
            disable=not self.processes.first,
        )
