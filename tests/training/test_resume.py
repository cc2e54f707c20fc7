"""Runs that are killed or stopped, and then resumed, end with the same bits as all others."""

import signal
import subprocess
import sys
import time

import pytest
import torch
from torch import nn

import train as command
from ldm_core.files.checkpoint import CheckpointError, read_checkpoint
from ldm_core.training.budget import Budget
from ldm_core.training.loop import LoopOptions, NonFiniteLoss, Training, train
from ldm_core.training.optimisers import OptimiserSettings
from ldm_core.training.state import Clock, StateFile, differences

from ..conftest import ROOT, steps_saved

STEPS = 30
pytestmark = pytest.mark.usefixtures("small_training")


@pytest.fixture(scope="module")
def arguments(slice_of_mnist):
    return ["--steps", str(STEPS), "--data-dir", str(slice_of_mnist), "--device", "cpu"]


@pytest.fixture(scope="module")
def uninterrupted(small_training, arguments, tmp_path_factory):
    out = tmp_path_factory.mktemp("uninterrupted")
    assert command.main([*arguments, "--out", str(out)]) == 0
    return out


def start(*arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.small_training", *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_until(happened, process):
    while not happened():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.01)


def tensors_of(folder, stage):
    return read_checkpoint(folder / f"{stage}.safetensors", stage)[0]


def assert_same_bits(one, other):
    for stage in ("vae", "unet"):
        a, b = tensors_of(one, stage), tensors_of(other, stage)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_run_killed_twice_ends_with_the_same_bits(arguments, uninterrupted, tmp_path):
    again = [*arguments, "--out", str(tmp_path), "--save-seconds", "0.01"]
    for stage, extra in (("vae", []), ("unet", ["--resume"])):
        process = start(*again, *extra)
        wait_until(
            lambda stage=stage: steps_saved(tmp_path / f"{stage}.resume.safetensors") > 3, process
        )
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert 0 < steps_saved(tmp_path / f"{stage}.resume.safetensors") < STEPS
        assert not (tmp_path / f"{stage}.safetensors").exists()
    (tmp_path / ".unet.resume.123.partial.safetensors").write_bytes(b"of a killed process")
    assert command.main([*again, "--resume"]) == 0
    assert_same_bits(tmp_path, uninterrupted)
    assert {p.name for p in tmp_path.iterdir()} == {p.name for p in uninterrupted.iterdir()}


def test_the_animation_of_a_run_shows_all_of_it(uninterrupted):
    from PIL import Image

    with Image.open(uninterrupted / "training.gif") as animation:
        assert animation.n_frames == 11


def test_resuming_what_is_finished_changes_nothing(arguments, uninterrupted, capsys):
    before = (uninterrupted / "unet.safetensors").read_bytes()
    assert command.main([*arguments, "--out", str(uninterrupted), "--resume"]) == 0
    assert capsys.readouterr().out.count("finished already") == 2
    assert (uninterrupted / "unet.safetensors").read_bytes() == before


def test_resuming_with_other_settings_names_them(arguments, uninterrupted, capsys):
    others = [*arguments, "--out", str(uninterrupted), "--resume", "--seed", "5", "--steps", "7"]
    assert command.main(others) == 2
    shown = capsys.readouterr().err
    assert "length: 30 steps, now 7 steps; training.seed: 0, now 5." in shown


def test_compiling_is_no_setting_of_a_stage_that_is_not_compiled(
    slice_of_mnist, tmp_path, capsys, monkeypatch
):
    """The VAE is never compiled: a run that was stopped after it may go on without --compile."""
    monkeypatch.setattr("ldm_core.training.unet._compiled", lambda function, device: function)
    length = ["--steps", "2", "--data-dir", str(slice_of_mnist), "--out", str(tmp_path)]
    assert command.main(["--stage", "vae", "--compile", *length]) == 0
    assert command.main([*length, "--resume"]) == 0
    assert "vae.safetensors: finished already" in capsys.readouterr().out


def test_a_missing_compiler_is_told_before_anything_is_made(
    slice_of_mnist, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr("ldm_core.training.unet.shutil.which", lambda name: None)
    out = tmp_path / "out"
    line = ["--steps", "2", "--data-dir", str(slice_of_mnist), "--out", str(out), "--compile"]
    assert command.main([*line, "--device", "cpu"]) == 2
    assert "--compile needs a C++ compiler" in capsys.readouterr().err
    assert not out.exists()


def test_a_damaged_state_says_how_to_start_anew(arguments, tmp_path, capsys):
    (tmp_path / "vae.resume.safetensors").write_bytes(b"half a state")
    assert command.main([*arguments, "--out", str(tmp_path), "--resume"]) == 2
    said = capsys.readouterr().err
    assert "vae.resume.safetensors is damaged" in said
    assert "Start anew with --force" in said


def test_training_says_what_it_learns_from_before_it_begins(slice_of_mnist, tmp_path, capsys):
    line = ["--stage", "vae", "--steps", "1", "--data-dir", str(slice_of_mnist)]
    assert command.main([*line, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert said.startswith("10 classes (pictures for training / for testing): 0 (")


def test_starting_anew_over_an_unfinished_run_asks_for_force(arguments, tmp_path, capsys):
    save = {"losses": torch.zeros(0)}
    state = StateFile(tmp_path / "vae.resume.safetensors", {}, {}, Clock(), resume=False)
    state.save(save, total=3, seconds=0.0)
    assert command.main([*arguments, "--out", str(tmp_path)]) == 2
    assert "--resume to go on" in capsys.readouterr().err
    assert state.path.exists()


def test_resuming_nothing_starts_from_the_beginning_and_says_so(slice_of_mnist, tmp_path, capsys):
    arguments = ["--stage", "vae", "--steps", "1", "--data-dir", str(slice_of_mnist)]
    assert command.main([*arguments, "--out", str(tmp_path), "--resume"]) == 0
    assert "nothing to resume" in capsys.readouterr().out
    assert (tmp_path / "vae.safetensors").exists()


def test_a_disk_without_room_is_told_before_training(arguments, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ldm_core.training.folder.GRID_BYTES", 10**18)
    assert command.main([*arguments, "--out", str(tmp_path)]) == 2
    assert "MB free; this run may write" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_told_before_training(arguments, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert command.main([*arguments, "--out", str(tmp_path / "file" / "out")]) == 2
    assert "file/out cannot be written to" in capsys.readouterr().err


# The loop, with a module of two numbers


class Line:
    """A training of two numbers with a state file, which can be stopped at a step."""

    def __init__(self, path, *, resume=False, settings=None, stop_at=None, every=None):
        torch.manual_seed(0)
        self.module, self.stop_at = nn.Linear(1, 1), stop_at
        self.state = StateFile(
            path,
            settings or {},
            {"precision": "float32"},
            Clock(),
            resume=resume,
            every=every,
        )

    def loss_at(self, step):
        if step == self.stop_at:
            signal.raise_signal(signal.SIGINT)
        draw = torch.randn(4, 1, generator=torch.Generator().manual_seed(step))
        return (self.module(draw) - draw * 3).square().mean()

    def train(self, budget=Budget(steps=80)):
        optimisers = OptimiserSettings(learning_rate=0.05, weight_decay=0.01)
        training = Training("line", self.module, self.loss_at, 4, optimisers, ema_width=0.1)
        return train(training, budget, LoopOptions(state=self.state))


def test_ctrl_c_leaves_a_state_that_goes_on_to_the_same_bits(tmp_path):
    whole = Line(tmp_path / "a.safetensors")
    expected = whole.train()
    first = Line(tmp_path / "b.safetensors", stop_at=33)
    assert first.train().interrupted
    second = Line(tmp_path / "b.safetensors", resume=True)
    result = second.train()
    assert not result.interrupted
    assert result.losses == expected.losses
    assert torch.equal(second.module.weight, whole.module.weight)
    assert torch.equal(second.module.bias, whole.module.bias)


def test_a_time_becomes_steps_once(tmp_path, monkeypatch):
    first = Line(tmp_path / "state.safetensors", stop_at=60)
    first.train(Budget(seconds=0.3))
    total = read_checkpoint(first.state.path, "training state")[1]["total"]
    second = Line(first.state.path, resume=True)
    assert second.train(Budget(seconds=100.0)).steps == total
    monkeypatch.setattr("ldm_core.training.budget.steps_that_fit", lambda *_: total)
    whole = Line(tmp_path / "whole.safetensors")
    whole.train(Budget(seconds=0.3))
    assert torch.equal(second.module.weight, whole.module.weight)


def test_threads_that_were_given_up_stay_so_after_a_resume(tmp_path):
    first = Line(tmp_path / "state.safetensors", stop_at=60)
    first.train(Budget(steps=80))
    tensors, about = read_checkpoint(first.state.path, "training state")
    assert about["threads"] == torch.get_num_threads()
    first.state.save(tensors, total=80, seconds=0.0, threads=1)
    second, seen = Line(first.state.path, resume=True), []
    loss_at = second.loss_at
    second.loss_at = lambda step: seen.append(torch.get_num_threads()) or loss_at(step)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        second.train(Budget(steps=80))
        assert set(seen) == {1}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_saves_cost_no_more_than_their_share_of_the_time(tmp_path, monkeypatch):
    state = Line(tmp_path / "state.safetensors").state
    before = time.monotonic()
    monkeypatch.setattr("ldm_core.training.state.save_checkpoint", lambda *_: time.sleep(0.7))
    state.save({}, total=1, seconds=0.0)
    assert state.next_save - before >= 0.7 / 0.02


def test_a_loss_that_is_not_finite_leaves_the_last_good_state(tmp_path):
    line = Line(tmp_path / "state.safetensors", every=1e-9)
    loss_at = line.loss_at
    # Its gradient is infinite at 0, so that the weights go before the loss does.
    line.loss_at = lambda step: (
        loss_at(step) + (line.module.weight * (step != 20)).abs().sqrt().sum()
    )
    with pytest.raises(NonFiniteLoss, match="weights became infinite or NaN at step 20"):
        line.train()
    tensors, about = read_checkpoint(line.state.path, "training state")
    assert len(tensors["losses"]) == 20
    assert all(t.isfinite().all() for t in tensors.values())


def test_a_disk_that_fills_up_leaves_the_last_save(tmp_path):
    resource = pytest.importorskip("resource")
    state = Line(tmp_path / "state.safetensors").state
    state.save({"losses": torch.ones(3)}, total=9, seconds=0.0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError, match="state.safetensors could not be written"):
            state.save({"losses": torch.ones(10**6)}, total=9, seconds=0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]
    assert len(read_checkpoint(state.path, "training state")[0]["losses"]) == 3


def test_another_environment_is_told(tmp_path, capsys):
    Line(tmp_path / "state.safetensors", stop_at=20).train()
    other = Line(tmp_path / "state.safetensors", resume=True)
    other.state.environment = {"precision": "bfloat16"}
    other.train()
    assert "precision: float32, now bfloat16" in capsys.readouterr().out


def test_a_state_of_another_version_is_refused(tmp_path):
    Line(tmp_path / "state.safetensors", stop_at=20).train()
    other = Line(tmp_path / "state.safetensors", resume=True)
    other.module = nn.Linear(2, 1)
    with pytest.raises(CheckpointError, match="Start anew with --force"):
        other.train()


def test_differences_are_named_however_deep():
    old = {"a": {"b": [1, 2], "c": 0}, "d": 1}
    new = {"a": {"b": (1, 2), "c": 5}, "e": 2}
    assert differences(old, new) == ["a.c: 0, now 5", "d: 1, now None", "e: None, now 2"]
