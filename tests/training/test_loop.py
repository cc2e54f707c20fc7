"""The loop, with a module of two numbers."""

import signal
import time

import pytest
import torch
from torch import nn

from ldm_core.training.budget import LEAST_STEPS, PROGRESS_GRIDS, Budget, completes_a_part
from ldm_core.training.loop import GPU_CHECK_STEPS, LoopOptions, NonFiniteLoss, Training, train
from ldm_core.training.optimisers import WARM_UP_STEPS, OptimiserSettings
from ldm_core.training.threads import LAST, MIDDLE


def fit(loss_at, module, budget=Budget(steps=60), **options):
    optimisers = OptimiserSettings(learning_rate=0.05, weight_decay=0.0)
    training = Training("x", module, loss_at, 1, optimisers, ema_width=0.1)
    return train(training, budget, LoopOptions(**options))


class Slow:
    """A loss that takes 2 ms, so that a budget of seconds is not millions of steps."""

    def __init__(self):
        self.module = nn.Linear(1, 1)

    def loss_at(self, step):
        time.sleep(0.002)
        return self.module(torch.ones(1, 1)).square().sum()


def test_a_minute_budget_fixes_the_steps_from_the_measured_speed():
    slow = Slow()
    result = fit(slow.loss_at, slow.module, Budget(seconds=0.5))
    assert WARM_UP_STEPS < result.steps <= 250
    assert not result.interrupted


def test_a_slow_first_grid_does_not_shorten_the_run():
    slow, drawn, shown = Slow(), [], []

    def draw():
        time.sleep(0.0 if drawn else 0.5)  # the first one pays for warming up
        drawn.append(len(drawn))
        return drawn[-1]

    def show(step, grid):
        shown.append((step, grid))

    result = fit(slow.loss_at, slow.module, Budget(seconds=2), draw=draw, on_progress=show)
    assert result.steps > 2 * WARM_UP_STEPS
    assert shown[-1][0] == result.steps
    after_warm_up = range(WARM_UP_STEPS, result.steps + 1)
    due = [step for step in after_warm_up if completes_a_part(step, result.steps)]
    assert [step for step, _ in shown] == [0, *due]
    # The second was drawn for its time only.
    assert [grid for _, grid in shown] == [0, *range(2, 2 + len(due))]


def test_a_budget_that_will_not_hold_is_told_once_and_the_steps_stay(capsys):
    slow = Slow()

    def loss_at(step):
        if step >= WARM_UP_STEPS:
            time.sleep(0.01)  # another program takes the processor
        return slow.loss_at(step)

    result = fit(loss_at, slow.module, Budget(seconds=0.3))
    assert capsys.readouterr().out.count("x: steps take longer than the first ones did") == 1
    assert result.seconds > 1.25 * 0.3
    fit(slow.loss_at, slow.module, Budget(seconds=0.3))
    assert "longer" not in capsys.readouterr().out


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_threads_that_only_wait_are_given_up(two_threads, capsys):
    slow, seen = Slow(), []

    def loss_at(step):
        seen.append(torch.get_num_threads())
        if step < MIDDLE:
            time.sleep(0.001)
        elif step < LAST:
            time.sleep(0.003)  # one thread is slower as long as nothing else is busy
        elif step >= WARM_UP_STEPS and seen[-1] > 1:
            time.sleep(0.01)  # two threads wait for each other where one core is taken
        return slow.loss_at(step)

    result = fit(loss_at, slow.module, Budget(seconds=0.5))
    begin = [2] * MIDDLE + [1] * (LAST - MIDDLE)
    until = WARM_UP_STEPS + LEAST_STEPS
    assert seen == begin + [2] * (until - LAST) + [1] * (len(seen) - until)
    assert len(seen) == result.steps > until
    assert result.threads == 1  # which the record of a checkpoint tells
    assert torch.get_num_threads() == 2  # for what comes after
    assert capsys.readouterr().out.count("Going on with one thread") == 1


def test_one_thread_is_chosen_where_it_is_faster_from_the_beginning(two_threads):
    slow, seen = Slow(), []

    def loss_at(step):
        seen.append(torch.get_num_threads())
        time.sleep(0.005 if seen[-1] > 1 else 0.0)
        return slow.loss_at(step)

    fit(loss_at, slow.module, Budget(seconds=0.5))
    assert seen == [2] * MIDDLE + [1] * (len(seen) - MIDDLE)
    assert torch.get_num_threads() == 2


def test_a_number_of_steps_keeps_its_threads(two_threads):
    """Its weights are a function of the seed, and so they must not depend on the time."""
    slow, seen = Slow(), []

    def loss_at(step):
        seen.append(torch.get_num_threads())
        time.sleep(0.01 if step >= WARM_UP_STEPS else 0)
        return slow.loss_at(step)

    fit(loss_at, slow.module, Budget(steps=100))
    assert set(seen) == {2}


def test_a_number_of_steps_needs_no_grid_drawn_for_its_time():
    slow, drawn = Slow(), []
    fit(slow.loss_at, slow.module, Budget(steps=20), draw=lambda: drawn.append(0))
    assert len(drawn) == 1 + PROGRESS_GRIDS


def test_a_loss_that_is_not_finite_stops_and_says_where():
    module = nn.Linear(1, 1)

    def loss_at(step):
        return module(torch.ones(1, 1)).sum() * (float("nan") if step == 7 else 1.0)

    with pytest.raises(NonFiniteLoss, match="became nan at step 7"):
        fit(loss_at, module)


class OnGPU(torch.Tensor):
    """A tensor that says that it lies on a GPU, and lies: what the loop does by the kind of device
    can be seen without one; how long a GPU makes it wait cannot."""

    @property
    def device(self):
        return torch.device("cuda")


@pytest.mark.parametrize("kind", [torch.Tensor, OnGPU])
def test_ctrl_c_ends_the_run_after_the_current_step_and_keeps_what_was_learned(kind):
    module = nn.Linear(1, 1)
    start = module.weight.clone()

    def loss_at(step):
        if step == 9:
            signal.raise_signal(signal.SIGINT)  # that step is finished first
        return (module(torch.ones(1, 1)) - 5).square().sum().as_subclass(kind)

    result = fit(loss_at, module)
    assert result.interrupted
    assert result.steps == len(result.losses) == 10
    assert module.weight.item() != start.item()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_ctrl_c_ends_a_run_on_a_gpu_after_the_current_step():
    module = nn.Linear(1, 1, device="cuda")

    def loss_at(step):
        if step == 9:
            signal.raise_signal(signal.SIGINT)
        return (module(torch.ones(1, 1, device="cuda")) - 5).square().sum()

    assert fit(loss_at, module).steps == 10


def test_a_gpu_is_waited_for_now_and_then_only():
    """Each reading of a loss waits for the GPU; between them the loop only launches steps."""
    module, read = nn.Linear(1, 1), []

    class Counted(OnGPU):
        def item(self):
            read.append(len(made))
            return super().item()

    made = []

    def loss_at(step):
        made.append(step)
        return module(torch.ones(1, 1)).square().sum().as_subclass(Counted)

    steps = 4 * GPU_CHECK_STEPS
    fit(loss_at, module, Budget(steps=steps))
    each = steps // PROGRESS_GRIDS
    expected = {*range(1, steps, GPU_CHECK_STEPS), *range(each, steps + 1, each)}
    assert read == sorted(expected)
