"""The training loop shared by all stages: a stream of steps, as sampling is one.

Data order and noise are functions of (seed, step) (Karras et al. 2023): the loop hands its step
number to the loss and holds no generator whose state would have to be kept.
"""

import math
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from ..checks import InputError, UserError
from ..runtime.processes import ALONE, Processes
from .optimisers import rate_factor
from .state import Learner

GPU_CHECK_STEPS = 50  # to read a loss is to wait for the GPU, so it is read this rarely there


@dataclass(frozen=True)
class TrainingStep:
    """One step that is done.

    index: how many steps are done, 1 after the first. share: how much of the training is over, of
    its steps or of its time, up to 1. loss: of the step's batch; None where reading it would keep a
    GPU waiting. learning_rate: of the step, of AdamW. stopped: `stop` made this the last step.
    """

    index: int
    share: float
    loss: float | None
    learning_rate: float
    stopped: bool


class NonFiniteLoss(UserError, RuntimeError):
    """Training met a loss, or made weights, that are not finite numbers."""


def train(
    learner: Learner,
    share_at: Callable[[int], float],
    processes: Processes = ALONE,
    *,
    stop: Callable[[], bool] = lambda: False,
    adapt_threads: bool = False,
) -> Iterator[TrainingStep]:
    """Train a module and yield after each step, until `share_at` reaches 1 or `stop` says so. At
    the end the module holds the moving average of its weights.

    share_at(done): how much of the training is over after `done` steps, of its steps or its time;
    the learning rate follows it. adapt_threads: see `Threads`; the bits of the result then depend
    on the speed of steps. Raises InputError if the time is over before the first step, and
    NonFiniteLoss.
    """
    loss_at = processes.shared_loss(learner.module, learner.loss_at)
    share, stopped = processes.agree(share_at(learner.done), False)
    if share >= 1 and not learner.done:
        raise InputError(
            f"There was no time left for {learner.name}. Give more --minutes, or train it alone, "
            "with --stage."
        )
    threads = Threads(torch.get_num_threads() if adapt_threads else 1)
    try:
        while share < 1 and not stopped:
            began, step = time.perf_counter(), learner.done
            loss = loss_at(step)
            loss.backward()
            learner.optimisers.step(rate_factor(step, share))
            learner.average.update()
            learner.losses.append(processes.mean(loss.detach()))
            share, stopped = processes.agree(min(1.0, share_at(learner.done)), stop())
            threads.after_step(share, time.perf_counter() - began)
            read = None
            on_cpu, due = loss.device.type == "cpu", learner.done % GPU_CHECK_STEPS == 0
            if on_cpu or due or share == 1 or stopped:
                read = learner.losses[-1].item()
                if not math.isfinite(read):
                    raise NonFiniteLoss(_not_finite(learner, f"the loss became {read}"))
            rate = learner.optimisers.groups[0]["lr"]
            yield TrainingStep(learner.done, share, read, rate, stopped)
        check_weights(learner)
    finally:
        threads.restore()
        learner.average.swap()


def check_weights(learner: Learner) -> None:
    """Raise NonFiniteLoss unless all weights are finite: even a finite loss can have an infinite
    gradient, and such weights must not replace good ones."""
    if not all(p.isfinite().all() for p in learner.module.parameters()):
        raise NonFiniteLoss(_not_finite(learner, "weights became infinite or NaN"))


def _not_finite(learner: Learner, what: str) -> str:
    return (
        f"{learner.name}: {what} at step {learner.done - 1}. What was saved before is kept. Lower "
        "the learning rate."
    )


class Threads:
    """Use one thread where a busy machine makes several slower.

    Threads meet at every layer, and wait there for the slowest. Where another program takes one of
    two cores, a step of the U-Net takes 2.8 to 4 times as long with two threads as on an idle
    machine, and 1.7 times with one; where several do, it took 3 to 8 s instead of 0.6 s. So in each
    tenth of the training a few steps are timed with the threads in use, then as many with the other
    choice, or fewer if these are much slower; and the faster choice goes on. One thread, whose
    speed varies least, begins.
    """

    TRIED = 4  # steps with each choice

    def __init__(self, several: int):
        self.several, self.seconds = several, []
        self.next_trial = 0.01  # the first steps also pay for what is allocated once
        if several > 1:
            torch.set_num_threads(1)

    def after_step(self, share: float, seconds: float) -> None:
        """Choose the threads of the next step. seconds: what the last one took."""
        if self.several == 1 or share < self.next_trial:
            return
        self.seconds.append(seconds)
        before, other = self.seconds[: self.TRIED], self.seconds[self.TRIED :]
        if len(self.seconds) == self.TRIED:
            self._switch()
        elif len(other) == self.TRIED or sum(other) > sum(before):
            if statistics.median(before) < statistics.median(other):
                self._switch()
            self.seconds, self.next_trial = [], share + 0.1

    def restore(self) -> None:
        if self.several > 1:
            torch.set_num_threads(self.several)

    def _switch(self) -> None:
        torch.set_num_threads(self.several if torch.get_num_threads() == 1 else 1)


@contextmanager
def ctrl_c_as_flag(*, ignore_repeats: bool) -> Iterator[Callable[[], bool]]:
    """Turn Ctrl-C into a flag that the loop checks between steps: yields a function that reads it.

    A second Ctrl-C ends the program at once. With `ignore_repeats` it does nothing, and goes on
    doing nothing after the context: torchrun repeats to each process the signal that the terminal
    has already sent to all of them, and the repetition may come while a checkpoint is written.
    """
    presses = []

    def press(*_) -> None:
        if presses and not ignore_repeats:
            raise KeyboardInterrupt
        presses.append(True)

    before = signal.getsignal(signal.SIGINT)
    if before is signal.default_int_handler:  # a shell may have made the program ignore Ctrl-C
        signal.signal(signal.SIGINT, press)
    try:
        yield lambda: bool(presses)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN if presses and ignore_repeats else before)
