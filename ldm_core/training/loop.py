"""The loop that trains a module, whatever it is: optimiser, EMA, learning-rate schedule, budget.

Data order and noise are functions of (seed, step) (Karras et al. 2023): the loop hands its step
number to the loss and holds no generator whose state would have to be kept.
"""

import math
import signal
import statistics
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..checks import UserError
from .averaging import Average
from .muon import Muon
from .processes import ALONE, Processes
from .state import StateFile, restore, state_tensors

WARM_UP_STEPS = 50  # the learning rate rises over these; the speed is measured in them too
PROGRESS_CALLS = 10
GPU_CHECK_STEPS = 50  # reading a loss waits for the GPU; now and then is often enough
LOG_STEPS = 10


@dataclass(frozen=True)
class Budget:
    """How long to train: a number of steps, or as many as fit into seconds."""

    steps: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Run:
    """What surrounds a training: who watches, where its state is kept, who takes part.

    on_progress(step) is called, with the averaged weights in place, before the first step (twice
    where the budget is one of seconds) and then PROGRESS_CALLS times in equal distances, the last
    time at the end. log(step, values) is called
    every LOG_STEPS steps or more. Both in the first process alone.
    """

    on_progress: Callable[[int], None] = lambda step: None
    log: Callable[[int, Mapping[str, float]], None] = lambda step, values: None
    state: StateFile | None = None
    processes: Processes = ALONE


@dataclass(frozen=True)
class TrainingResult:
    steps: int
    losses: list[float]  # one per step
    seconds: float
    interrupted: bool  # by Ctrl-C; the weights are usable all the same


class NonFiniteLoss(UserError, RuntimeError):
    """Training met a loss that is not a finite number."""


def train(
    module: nn.Module,
    loss_at: Callable[[int], Tensor],
    budget: Budget,
    *,
    name: str,
    batch: int,
    learning_rate: float,
    weight_decay: float,
    ema_width: float,
    matrices: Iterable[nn.Parameter] = (),
    matrix_learning_rate: float = 0.0,
    run: Run = Run(),
) -> TrainingResult:
    """Train `module` in place; at the end it holds the exponential moving average of its weights.

    matrices: the parameters that are left to Muon; AdamW trains the others, or all.

    loss_at(step) -> scalar loss of step 0, 1, ..., the mean over `run.processes.part(batch)` of
    `batch` examples. Goes on where `run.state` ends. Ctrl-C ends the run after the current step.
    Raises NonFiniteLoss, with the averaged weights in place.
    """
    optimisers = make_optimisers(
        module, learning_rate, matrices, matrix_learning_rate, weight_decay
    )
    average = Average(module, ema_width)
    total, seconds_before, losses = _begin(budget, module, optimisers, average, run)
    loss_at = run.processes.shared_loss(module, loss_at)
    started, interrupted = time.perf_counter(), False
    marks = [started]  # the ends of steps, until their number is known
    progress_seconds = 0.0 if losses else _show_progress(0, average, run)
    if total is None:  # that paid for warming up: once more, for the price of those to come
        progress_seconds = _show_progress(0, average, run)
    try:
        with (
            _progress_bar(name, len(losses), total, batch, run) as bar,
            _CtrlC(insist=run.processes.count > 1) as ctrl_c,
        ):
            while not interrupted and (total is None or len(losses) < total):
                step = len(losses)
                factor = rate_factor(step, total)
                for optimiser in optimisers:
                    for group in optimiser.param_groups:
                        group["lr"] = group["initial_lr"] * factor
                loss = loss_at(step)
                loss.backward()
                for optimiser in optimisers:
                    optimiser.step()
                    optimiser.zero_grad(set_to_none=True)
                average.update()
                loss, stop = run.processes.agree(loss.detach(), ctrl_c.pressed)
                losses.append(loss)
                if total is None:
                    loss.item()  # waits for a GPU, so that steps are timed and not their launches
                    marks.append(time.perf_counter())
                    if step + 1 == WARM_UP_STEPS:
                        seconds = budget.seconds - PROGRESS_CALLS * progress_seconds
                        fit = partial(_steps_that_fit, seconds, marks)
                        total = bar.total = run.processes.from_first(fit)
                bar.update()
                due = total is not None and is_progress_step(step + 1, total)
                if not (loss.device.type == "cpu" or step % GPU_CHECK_STEPS == 0 or due):
                    continue
                rate = learning_rate * factor
                _check_and_log(name, step, loss.item(), rate, bar, batch, run)
                if due:
                    _show_progress(step + 1, average, run)
                interrupted = bool(stop) and step + 1 != total
                if run.state and total and (interrupted or run.state.due()):
                    _check_weights(name, step, average)
                    seconds = seconds_before + time.perf_counter() - started
                    tensors = state_tensors(module, optimisers, average.average, losses)
                    run.state.save(tensors, total=total, seconds=seconds)
        _check_weights(name, len(losses) - 1, average)
    finally:
        average.swap()
    if interrupted and run.processes.first:
        tqdm.write(f"{name}: stopped by Ctrl-C after {len(losses)} steps; keeping the weights.")
    seconds = seconds_before + time.perf_counter() - started
    values = torch.stack(losses).tolist() if losses else []
    return TrainingResult(len(losses), values, seconds, interrupted)


def _progress_bar(name: str, done: int, total: int | None, batch: int, run: Run) -> tqdm:
    """Images, images a second and the time left; the first process alone shows it."""
    return tqdm(
        total=total,
        initial=done,
        desc=name,
        unit="image",
        unit_scale=batch,
        dynamic_ncols=True,
        mininterval=1,
        disable=not run.processes.first,
    )


def _check_and_log(
    name: str, step: int, loss: float, rate: float, bar: tqdm, batch: int, run: Run
) -> None:
    if not math.isfinite(loss):
        raise NonFiniteLoss(_not_finite(name, f"the loss became {loss}", step))
    bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
    if run.processes.first and step % LOG_STEPS == 0:
        speed = (bar.format_dict["rate"] or 0.0) * batch
        run.log(step, {"loss": loss, "learning_rate": rate, "images_per_second": speed})


def _check_weights(name: str, step: int, average: "Average") -> None:
    """A finite loss may have a gradient that is not; such weights must not replace good ones."""
    if not all(p.isfinite().all() for p in average.parameters):
        raise NonFiniteLoss(_not_finite(name, "weights became infinite or NaN", step))


def _begin(
    budget: Budget,
    module: nn.Module,
    optimisers: list[torch.optim.Optimizer],
    average: "Average",
    run: Run,
) -> tuple[int | None, float, list[Tensor]]:
    """What the state file holds, else a fresh one: (total steps, seconds so far, losses so far)."""
    found = run.state.load() if run.state else None
    if found is None:
        if run.state:
            run.state.save({"losses": torch.zeros(0)}, total=budget.steps, seconds=0.0)
        return budget.steps, 0.0, []
    tensors, about = found
    losses = restore(tensors, module, optimisers, average.average)
    average.updates = len(losses)
    return about["total"], about["seconds"], losses


def _show_progress(step: int, average: "Average", run: Run) -> float:
    """Returns the seconds that it took."""
    started = time.perf_counter()
    if run.processes.first:
        with average.in_place():
            run.on_progress(step)
    return time.perf_counter() - started


def _not_finite(name: str, what: str, step: int) -> str:
    return f"{name}: {what} at step {step}. What was saved before is kept. Lower the learning rate."


class _CtrlC:
    """Ctrl-C as a wish that the loop reads between steps, where its state is whole.

    A second one ends the program at once, unless insist, which does not hear it: torchrun passes on
    what the terminal has already sent to all, and that may come while the checkpoint is written.
    """

    def __init__(self, insist: bool):
        self.insist, self.pressed, self.before = insist, False, None

    def __enter__(self) -> "_CtrlC":
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self.before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *error) -> None:
        if self.before:
            deaf = self.pressed and self.insist
            signal.signal(signal.SIGINT, signal.SIG_IGN if deaf else self.before)

    def _press(self, *_) -> None:
        if self.pressed and not self.insist:
            raise KeyboardInterrupt
        self.pressed = True


def make_optimisers(
    module: nn.Module,
    learning_rate: float,
    matrices: Iterable[nn.Parameter],
    matrix_learning_rate: float,
    weight_decay: float,
) -> list[torch.optim.Optimizer]:
    """AdamW, and Muon where there are matrices for it. Each group of parameters keeps its peak
    learning rate as "initial_lr"."""
    matrices = list(matrices)
    chosen = set(map(id, matrices))
    others = [p for p in module.parameters() if id(p) not in chosen]
    options = {"lr": learning_rate, "weight_decay": weight_decay}
    optimisers = [torch.optim.AdamW(others, betas=(0.9, 0.99), fused=True, **options)]
    if matrices:
        optimisers.append(Muon(matrices, lr=matrix_learning_rate, weight_decay=weight_decay))
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["initial_lr"] = group["lr"]
    return optimisers


def rate_factor(step: int, total: int | None) -> float:
    """Learning rate at a step, as a share of its peak: a linear rise over WARM_UP_STEPS, times a
    line from 1 down to 0 at `total` (Bergsma et al. 2025)."""
    rise = min(1.0, (step + 1) / WARM_UP_STEPS)
    if total is None:
        return rise
    return rise * (1 - step / total)


def is_progress_step(done: int, total: int) -> bool:
    """Whether `done` of `total` steps completes another of PROGRESS_CALLS equal parts."""
    return done * PROGRESS_CALLS // total > (done - 1) * PROGRESS_CALLS // total


def _steps_that_fit(seconds: float, marks: list[float]) -> int:
    """Steps in `seconds` from the first mark, where the others are the ends of those done so far.

    At their median speed: a slow start or a moment of other work must not shorten the whole run.
    Never fewer than those done.
    """
    durations = [end - begin for begin, end in zip(marks, marks[1:])]
    left = seconds - (marks[-1] - marks[0])
    return len(durations) + max(0, int(left / statistics.median(durations)))
