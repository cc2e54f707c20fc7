"""The loop that trains a module, whatever it is: optimiser, EMA, learning-rate schedule, budget.

Data order and noise are functions of (seed, step) (Karras et al. 2023): the loop hands its step
number to the loss and holds no generator whose state would have to be kept.
"""

import copy
import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from tqdm import tqdm

from .muon import Muon
from .processes import ALONE, Processes
from .training_state import StateFile, restore, state_tensors

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

    on_progress(step) is called, with the averaged weights in place, before the first step and then
    PROGRESS_CALLS times in equal distances, the last time at the end. log(step, values) is called
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


class NonFiniteLoss(RuntimeError):
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
    progress_seconds = 0.0 if losses else _show_progress(0, average, run)
    begun_at, started, interrupted = len(losses), time.perf_counter(), False

    def save() -> None:
        if not all(p.isfinite().all() for p in average.parameters):
            raise NonFiniteLoss(
                _not_finite(name, "weights became infinite or NaN", len(losses) - 1)
            )
        seconds = seconds_before + time.perf_counter() - started
        tensors = state_tensors(module, optimisers, average.average, losses)
        run.state.save(tensors, total=total, seconds=seconds)

    bar = tqdm(
        total=total,
        initial=begun_at,
        desc=name,
        unit="image",
        unit_scale=batch,
        dynamic_ncols=True,
        mininterval=1,
        disable=not run.processes.first,
    )
    try:
        with bar, _CtrlC(insist=run.processes.count > 1) as ctrl_c:
            while total is None or len(losses) < total:
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
                if total is None and step + 1 == WARM_UP_STEPS:
                    seconds = budget.seconds - PROGRESS_CALLS * progress_seconds
                    total = _steps_that_fit(seconds, started, WARM_UP_STEPS)
                    total = bar.total = run.processes.from_first(partial(int, total))
                bar.update()
                due = total is not None and is_progress_step(step + 1, total)
                if not (loss.device.type == "cpu" or step % GPU_CHECK_STEPS == 0 or due):
                    continue
                value = loss.item()
                if not math.isfinite(value):
                    raise NonFiniteLoss(_not_finite(name, f"the loss became {value}", step))
                bar.set_postfix(loss=f"{value:.4f}", refresh=False)
                if run.processes.first and (step % LOG_STEPS == 0 or due):
                    speed = (bar.format_dict["rate"] or 0.0) * batch
                    run.log(
                        step + 1,
                        {"loss": value, "rate": learning_rate * factor, "images_per_second": speed},
                    )
                if due:
                    _show_progress(step + 1, average, run)
                interrupted = bool(stop) and step + 1 != total
                if run.state and total and (interrupted or run.state.due()):
                    save()
                if interrupted:
                    break
    finally:
        average.swap()
    if interrupted and run.processes.first:
        tqdm.write(f"{name}: stopped by Ctrl-C after {len(losses)} steps; keeping the weights.")
    values = torch.stack(losses).tolist() if losses else []
    seconds = seconds_before + time.perf_counter() - started
    return TrainingResult(len(losses), values, seconds, interrupted)


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

    A second one ends the program at once, unless insist: torchrun passes on what the terminal has
    already sent to all.
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
            signal.signal(signal.SIGINT, self.before)

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
    """AdamW, and before it Muon where there are matrices for it. Each group of parameters keeps its
    peak learning rate as "initial_lr"."""
    matrices = list(matrices)
    chosen = set(map(id, matrices))
    others = [p for p in module.parameters() if id(p) not in chosen]
    optimisers = [
        torch.optim.AdamW(
            others, lr=learning_rate, betas=(0.9, 0.99), weight_decay=weight_decay, fused=True
        )
    ]
    if matrices:
        optimisers.insert(0, Muon(matrices, lr=matrix_learning_rate, weight_decay=weight_decay))
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            group["initial_lr"] = group["lr"]
    return optimisers


def rate_factor(step: int, total: int | None) -> float:
    """Learning rate at a step, as a share of its peak: a linear rise over WARM_UP_STEPS, then half
    a cosine down to zero at `total` (Loshchilov & Hutter 2017, eq. 5)."""
    rise = min(1.0, (step + 1) / WARM_UP_STEPS)
    if total is None:
        return rise
    return rise * 0.5 * (1 + math.cos(math.pi * step / total))


def is_progress_step(done: int, total: int) -> bool:
    """Whether `done` of `total` steps completes another of PROGRESS_CALLS equal parts."""
    return done * PROGRESS_CALLS // total > (done - 1) * PROGRESS_CALLS // total


class Average:
    """Power-function exponential moving average of a module's parameters (Karras et al. 2023,
    eq. 2): average_t = beta_t average_(t-1) + (1 - beta_t) parameters_t, beta_t = (1 - 1/t)^(g+1).

    g follows from the relative width w of the average, w = sqrt(g + 1) / ((g + 2) sqrt(g + 3))
    (appendix C): the weights of the last w of the run count most, however long it is.
    """

    def __init__(self, module: nn.Module, width: float):
        self.parameters = list(module.parameters())
        self.average = [copy.deepcopy(p.data) for p in self.parameters]
        self.exponent = exponent_of_width(width)
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        beta = (1 - 1 / self.updates) ** (self.exponent + 1)
        torch._foreach_lerp_(self.average, [p.data for p in self.parameters], 1 - beta)

    def swap(self) -> None:
        """Exchange the parameters and their average; a second call takes it back."""
        for parameter, average in zip(self.parameters, self.average):
            held = parameter.data.clone()
            parameter.data.copy_(average)
            average.copy_(held)

    def in_place(self) -> "_Swapped":
        """A context in which the module holds its average."""
        return _Swapped(self)


class _Swapped:
    def __init__(self, average: Average):
        self.average = average

    def __enter__(self):
        self.average.swap()

    def __exit__(self, *error):
        self.average.swap()


def exponent_of_width(width: float) -> float:
    """Solve width = sqrt(g + 1) / ((g + 2) sqrt(g + 3)) for g, by bisection. 0 < width < 0.28."""
    low, high = 0.0, 1e6
    for _ in range(100):
        g = (low + high) / 2
        wider = math.sqrt(g + 1) / ((g + 2) * math.sqrt(g + 3)) > width
        low, high = (g, high) if wider else (low, g)
    return low


def _steps_that_fit(seconds: float, started: float, done: int) -> int:
    """Steps in `seconds`, at the speed of the steps done so far; never fewer than those done."""
    per_step = (time.perf_counter() - started) / done
    return max(done, int(seconds / per_step))
