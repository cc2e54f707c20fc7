"""States: what a step changes, saved and restored."""

import pytest
import torch
from torch import nn

from ldm_core.checks import InputError
from ldm_core.files.checkpoint import CheckpointError, read_checkpoint
from ldm_core.training.loop import train
from ldm_core.training.optimisers import Optimisers
from ldm_core.training.state import Learner, StateFile, differences


def line(inputs: int = 1) -> Learner:
    """A module of a few numbers, trained by both optimisers."""
    torch.manual_seed(0)
    module = nn.Linear(inputs, 2)

    def loss_at(step):
        draw = torch.randn(4, inputs, generator=torch.Generator().manual_seed(step))
        return (module(draw) - draw * 3).square().mean()

    optimisers = Optimisers(module, 0.05, 0.01, (module.weight,), matrix_learning_rate=0.03)
    return Learner("line", module, loss_at, 4, optimisers, ema_width=0.1)


def state_at(path, settings=None, precision="float32") -> StateFile:
    return StateFile(path, settings or {"seed": 0}, {"precision": precision})


def trained(learner: Learner, steps=80, stop_at=None) -> Learner:
    for _ in train(learner, lambda done: done / steps, stop=lambda: learner.done == stop_at):
        pass
    return learner


@pytest.fixture
def saved(tmp_path):
    """A state after 33 of 80 steps."""
    learner, state = line(), state_at(tmp_path / "state.safetensors")
    for step in train(learner, lambda done: done / 80):
        if step.index == 33:
            state.save(learner, begin=1.5, elapsed=7.0)
            break
    return state


def test_a_state_goes_on_to_the_same_bits(saved):
    expected, resumed = trained(line()), line()
    tensors, times = saved.read()
    assert times == {"kind": "training state", "begin": 1.5, "elapsed": 7.0}
    resumed.restore(saved.path, tensors)
    assert resumed.done == 33
    trained(resumed)
    assert torch.equal(torch.stack(resumed.losses), torch.stack(expected.losses))
    assert all(map(torch.equal, resumed.module.parameters(), expected.module.parameters()))


def test_a_state_before_the_first_step_changes_nothing(tmp_path):
    state, fresh = state_at(tmp_path / "state.safetensors"), line()
    state.save(fresh, begin=0.0, elapsed=0.0)
    fresh.restore(state.path, state.read()[0])
    assert torch.equal(trained(fresh).module.weight, trained(line()).module.weight)


def test_other_settings_are_refused_by_name(saved):
    with pytest.raises(InputError, match="seed: 0, now 1; steps: None, now 2"):
        state_at(saved.path, {"seed": 1, "steps": 2}).read()


def test_another_environment_is_told(saved, capsys):
    assert state_at(saved.path, precision="bfloat16").read() is not None
    assert "precision: float32, now bfloat16" in capsys.readouterr().out


def test_a_state_of_other_code_is_refused(saved):
    with pytest.raises(CheckpointError, match="state.safetensors"):
        line(inputs=2).restore(saved.path, saved.read()[0])


def test_a_disk_that_fills_up_leaves_the_last_save(saved, tmp_path):
    resource = pytest.importorskip("resource")
    learner = line()
    learner.losses = list(torch.ones(10**5))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="state.safetensors could not be written"):
            saved.save(learner, begin=0.0, elapsed=0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]
    assert len(read_checkpoint(saved.path, "training state")[0]["losses"]) == 33


def test_differences_are_named_however_deep():
    old = {"a": {"b": [1, 2], "c": 0}, "d": 1}
    new = {"a": {"b": (1, 2), "c": 5}, "e": 2}
    assert differences(old, new) == ["a.c: 0, now 5", "d: 1, now None", "e: None, now 2"]
