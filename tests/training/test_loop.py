"""The loop, with a module of two numbers."""

import signal

import pytest
import torch
from torch import nn

from ldm_core.checks import InputError
from ldm_core.training.loop import (
    GPU_CHECK_STEPS,
    NonFiniteLoss,
    Threads,
    ctrl_c_as_flag,
    train,
)
from ldm_core.training.optimisers import WARM_UP_STEPS, Optimisers
from ldm_core.training.state import Learner

RATE = 0.05


def learner_of(loss_at=None, module=None) -> Learner:
    torch.manual_seed(0)
    module = module or nn.Linear(1, 1)
    loss_at = loss_at or (lambda step: module(torch.ones(1, 1)).square().sum())
    return Learner("x", module, loss_at, 1, Optimisers(module, RATE, 0.0), ema_width=0.1)


def of(steps):
    return lambda done: done / steps


class FakeClock:
    """A budget of seconds on a machine whose steps take `seconds_of(step)`."""

    def __init__(self, budget, seconds_of):
        self.now, self.budget, self.seconds_of = 0.0, budget, seconds_of

    def loss_at(self, step):
        self.now += self.seconds_of(step)
        return self.module(torch.ones(1, 1)).square().sum()

    def train(self):
        self.module = nn.Linear(1, 1)
        learner = learner_of(self.loss_at, self.module)
        return list(train(learner, lambda done: self.now / self.budget))


def test_the_learning_rate_and_the_end_follow_the_time():
    """A machine that is busy at first and free later does all the steps that fit."""
    clock = FakeClock(100.0, lambda step: 0.5 if step < 100 else 0.125)
    steps = clock.train()
    assert len(steps) == 100 + 400
    assert clock.now == 100.0
    assert steps[99].share == 0.5
    for index in (60, 100, 101, 300, 500):
        before = steps[index - 2].share
        assert steps[index - 1].learning_rate == pytest.approx(RATE * (1 - before))
    assert steps[0].learning_rate == RATE / WARM_UP_STEPS
    assert steps[-1].share == 1


def test_a_time_that_is_over_before_the_first_step_is_refused():
    with pytest.raises(InputError, match="no time left for x"):
        next(train(learner_of(), lambda done: 1.0))


def test_steps_come_as_a_stream_and_end_with_the_average():
    learner = learner_of()
    steps, average = train(learner, of(40)), learner.module.weight.detach().clone()
    seen = []
    for step in steps:
        seen.append(step)
        assert learner.done == step.index
        beta = (1 - 1 / step.index) ** (learner.average.exponent + 1)
        average.lerp_(learner.module.weight.detach(), 1 - beta)
        last = learner.module.weight.item()
    assert [step.share for step in seen] == [i / 40 for i in range(1, 41)]
    assert [step.loss for step in seen] == torch.stack(learner.losses).tolist()
    torch.testing.assert_close(learner.module.weight.detach(), average)
    assert learner.average.module.weight.item() == last  # they have changed places


def test_a_loss_that_is_not_finite_stops_and_says_where():
    module = nn.Linear(1, 1)

    def loss_at(step):
        return module(torch.ones(1, 1)).sum() * (float("nan") if step == 7 else 1.0)

    with pytest.raises(NonFiniteLoss, match="x: the loss became nan at step 7"):
        list(train(learner_of(loss_at, module), of(60)))


class OnGPU(torch.Tensor):
    """A tensor that says that it lies on a GPU, and lies: what the loop does by the kind of device
    can be seen without one; how long a GPU makes it wait cannot."""

    @property
    def device(self):
        return torch.device("cuda")


def test_a_gpu_is_waited_for_now_and_then_only():
    """Each reading of a loss waits for the GPU; between them the loop only launches steps."""
    module, waits = nn.Linear(1, 1), []

    class Counted(OnGPU):
        def item(self):
            waits.append(learner.done)
            return super().item()

    def loss_at(step):
        return module(torch.ones(1, 1)).square().sum().as_subclass(Counted)

    learner, steps = learner_of(loss_at, module), 4 * GPU_CHECK_STEPS - 10
    read = [step.index for step in train(learner, of(steps)) if step.loss is not None]
    assert waits == read == [*range(GPU_CHECK_STEPS, steps, GPU_CHECK_STEPS), steps]


def test_a_wish_to_stop_is_heard_after_every_step():
    learner = learner_of()
    steps = list(train(learner, of(60), stop=lambda: learner.done == 10))
    assert [step.stopped for step in steps] == [False] * 9 + [True]
    assert len(learner.losses) == 10 and steps[-1].loss is not None


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def threads_chosen(seconds_with, steps=1000):
    """The number of threads of each step, where step i takes seconds_with(i, threads)."""
    threads, seen = Threads(2), []
    for i in range(steps):
        seen.append(torch.get_num_threads())
        threads.after_step((i + 1) / steps, seconds_with(i, seen[-1]))
    threads.restore()
    return seen


def test_all_threads_compute_where_they_are_faster(two_threads):
    seen = threads_chosen(lambda i, threads: 0.3 if threads == 2 else 0.47)
    assert seen[0] == 1 and seen.count(2) > 930
    assert torch.get_num_threads() == 2


def test_one_thread_computes_while_another_program_is_busy(two_threads):
    """And all of them again when it has ended."""
    busy = range(300, 700)
    seen = threads_chosen(lambda i, threads: (0.9 if i in busy else 0.3) if threads == 2 else 0.48)
    assert seen[50:300].count(2) > 240
    assert seen[420:700].count(1) > 260
    assert seen[820:].count(2) > 160
    assert torch.get_num_threads() == 2  # for what comes after


def test_a_choice_that_is_far_slower_is_left_after_a_step(two_threads):
    seen = threads_chosen(lambda i, threads: 8.0 if threads == 2 else 0.6)
    assert seen.count(2) <= 10  # one in each tenth


def test_a_number_of_steps_keeps_its_threads(two_threads):
    """Its weights are a function of the seed, and so they must not depend on the time."""
    seen = []
    for _ in train(learner_of(), of(100)):
        seen.append(torch.get_num_threads())
    assert set(seen) == {2}


# Ctrl-C


@pytest.fixture
def press():
    yield lambda: signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_the_first_ctrl_c_is_a_flag_and_the_second_ends_the_program(press):
    with ctrl_c_as_flag(ignore_repeats=False) as pressed:
        assert not pressed()
        press()
        assert pressed()
        with pytest.raises(KeyboardInterrupt):
            press()
    with pytest.raises(KeyboardInterrupt):
        press()


def test_repeats_can_be_ignored_also_while_the_checkpoint_is_written(press):
    with ctrl_c_as_flag(ignore_repeats=True) as pressed:
        press()
        press()
    press()
    assert pressed()
