"""Two real processes, connected by gloo; torchrun itself starts those of the first test."""

import os
import signal

import pytest

import train as command
from ldm_core.files.checkpoint import read_checkpoint
from ldm_core.runtime.processes import ALONE, Processes, joined

from ..conftest import children_of, in_two, record_of, start, steps_saved, wait_for_steps

pytestmark = pytest.mark.usefixtures("small_training")


def training(*arguments):
    return in_two("tests.small_training", *arguments)


def alone(*arguments):
    assert command.main(list(map(str, arguments))) == 0


def test_two_processes_make_the_losses_of_one(slice_of_mnist, tmp_path):
    arguments = ["--steps", "6", "--data-dir", slice_of_mnist, "--device", "cpu"]
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m"]
    two = start(*torchrun, "tests.small_training", *arguments, "--out", tmp_path / "two")
    alone(*arguments, "--out", tmp_path / "one")
    out, err = two.communicate()
    assert two.returncode == 0, err
    assert out.count("unet: 6 steps") == 1  # only the first process speaks
    for stage in ("vae", "unet"):
        expected = record_of(tmp_path / "one", stage)
        found = record_of(tmp_path / "two", stage)
        assert found["environment"]["processes"] == 2
        assert found["losses"] == pytest.approx(expected["losses"], rel=2e-3)


def test_two_processes_end_with_the_time_after_the_same_step(slice_of_mnist, tmp_path):
    arguments = ["--stage", "vae", "--data-dir", slice_of_mnist, "--device", "cpu"]
    run = training(*arguments, "--minutes", "0.05", "--out", tmp_path)
    _, err = run.communicate(timeout=300)  # a process that went on would wait for the other
    assert run.returncode == 0, err
    record = record_of(tmp_path, "vae")
    assert record["steps"] > 1 and not record["interrupted"]
    assert 2.5 < record["elapsed"] < 30  # of 3 s, on a machine that may be busy


def test_an_error_in_the_first_process_ends_both_with_its_words(slice_of_mnist, tmp_path):
    (tmp_path / "vae.safetensors").touch()
    run = training("--steps", "1", "--data-dir", slice_of_mnist, "--out", tmp_path)
    _, err = run.communicate(timeout=300)
    assert "process 0 of 2: " in err and "would be replaced. Pass --resume" in err
    assert "process 1 of 2: another process ended" in err


def test_a_lost_process_ends_the_run_which_one_process_can_finish(slice_of_mnist, tmp_path, capsys):
    arguments = ["--stage", "vae", "--data-dir", slice_of_mnist, "--device", "cpu"]
    arguments += ["--out", tmp_path, "--save-seconds", "0.01", "--steps", "60"]
    run = training(*arguments)
    state = tmp_path / "vae.resume.safetensors"
    wait_for_steps(state, run)
    os.kill(children_of(run)[-1], signal.SIGKILL)
    assert "another process ended, so this one cannot go on" in run.communicate()[1]
    done = len(read_checkpoint(state, "training state")[0]["losses"])
    assert 0 < done < 60
    alone(*arguments, "--resume")
    assert "processes: 2, now 1" in capsys.readouterr().out
    assert record_of(tmp_path, "vae")["steps"] == 60
    assert not state.exists()


def test_ctrl_c_in_one_process_ends_both_after_the_same_step(slice_of_mnist, tmp_path):
    arguments = ["--stage", "vae", "--data-dir", slice_of_mnist, "--device", "cpu"]
    run = training(*arguments, "--out", tmp_path, "--save-seconds", "0.1", "--steps", "100000")
    state = tmp_path / "vae.resume.safetensors"
    wait_for_steps(state, run)
    os.kill(children_of(run)[-1], signal.SIGINT)
    _, err = run.communicate(timeout=300)  # a process that went on would wait for the other
    assert "Traceback" not in err, err
    record = record_of(tmp_path, "vae")
    assert record["interrupted"]
    assert record["steps"] == steps_saved(state)


def test_a_batch_is_divided_in_equal_parts():
    parts = [Processes(rank, 4).part(64) for rank in range(4)]
    assert [i for part in parts for i in range(64)[part]] == list(range(64))
    with pytest.raises(ValueError, match="64 cannot be divided among 3 processes"):
        Processes(0, 3).part(64)


def test_one_process_joins_nobody(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")  # of another program than torchrun
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    with joined("cpu", "") as processes:
        assert processes == ALONE
        assert processes.from_first(lambda: 3) == processes.in_turn(lambda: 3) == 3
        assert processes.agree(0.25, True) == (0.25, True)
