"""The loop that trains a module, whatever it is: optimiser, EMA, learning-rate schedule, budget.

Data order and noise are functions of (seed, step) (Karras et al. 2023): the loop hands its step
number to the loss and holds no generator whose state would have to be kept.
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm import tqdm

WARM_UP_STEPS = 50  # the learning rate rises over these; the speed is measured in them too
PROGRESS_CALLS = 10


@dataclass(frozen=True)
class Budget:
    """How long to train: a number of steps, or as many as fit into seconds."""

    steps: int | None = None
    seconds: float | None = None


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
    learning_rate: float,
    weight_decay: float,
    ema_width: float,
    on_progress: Callable[[int], None] = lambda step: None,
) -> TrainingResult:
    """Train `module` in place; at the end it holds the exponential moving average of its weights.

    loss_at(step) -> scalar loss of step 0, 1, ... on_progress(step) is called, with the averaged
    weights in place, PROGRESS_CALLS times in equal distances, the last time at the end.
    Ctrl-C ends the run early. Raises NonFiniteLoss, with the averaged weights in place.
    """
    optimiser = torch.optim.AdamW(
        module.parameters(),
        lr=learning_rate,
        betas=(0.9, 0.99),
        weight_decay=weight_decay,
        fused=True,
    )
    average = Average(module, ema_width)
    total = budget.steps
    losses: list[Tensor] = []
    started = time.perf_counter()
    interrupted = False
    bar = tqdm(total=total, desc=name, unit="step", dynamic_ncols=True, mininterval=1)
    try:
        while total is None or len(losses) < total:
            step = len(losses)
            rate = learning_rate * rate_factor(step, total)
            for group in optimiser.param_groups:
                group["lr"] = rate
            loss = loss_at(step)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            average.update()
            losses.append(loss.detach())
            if total is None and step + 1 == WARM_UP_STEPS:
                total = bar.total = _steps_that_fit(budget.seconds, started, step + 1)
            bar.update()
            # On a GPU reading a loss waits for the step; now and then is often enough.
            if loss.device.type == "cpu" or step % 50 == 0 or step + 1 == total:
                value = loss.item()
                if not math.isfinite(value):
                    raise NonFiniteLoss(
                        f"{name}: the loss became {value} at step {step}. Lower the learning rate."
                    )
                bar.set_postfix(loss=f"{value:.4f}", refresh=False)
            if total and is_progress_step(step + 1, total):
                with average.in_place():
                    on_progress(step + 1)
    except KeyboardInterrupt:
        interrupted = True
        tqdm.write(f"{name}: stopped by Ctrl-C after {len(losses)} steps; keeping the weights.")
    finally:
        bar.close()
        average.swap()
    seconds = time.perf_counter() - started
    values = torch.stack(losses).tolist() if losses else []
    return TrainingResult(len(losses), values, seconds, interrupted)


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
