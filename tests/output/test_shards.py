"""Folders of shards, which one process makes, or two that torchrun has started."""

import glob
import os
import signal
import time

import numpy as np
import pytest

from ldm_core.files.metadata import read_settings
from ldm_core.output import shards

from ..conftest import children_of, torchrun

NAMES = ["0000000000.npz", "0000000004.npz", "0000000008.npz"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 4)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_processes_make_the_bytes_of_one(run, weights, tmp_path):
    options = "--count 10 --seed 5 --steps 2"
    two = torchrun(
        "tests.small_shards", *options.split(), "--weights", weights, "--out", "two/", cwd=tmp_path
    )
    assert run(f"{options} --out one/") == "one: 10 images, seed 5"
    out, err = two.communicate(timeout=120)
    assert two.returncode == 0, err
    assert out == "two: 10 images, seed 5\n"
    assert files(tmp_path / "two") == files(tmp_path / "one")


def test_shards_hold_what_one_file_holds(run, tmp_path):
    run("--count 10 --seed 5 --prompt eight --out shards/")
    run("--count 10 --seed 5 --prompt eight --out all.npz")
    paths = sorted(glob.glob(str(tmp_path / "shards" / "*.npz")))
    assert [os.path.basename(path) for path in paths] == NAMES
    parts = [np.load(path) for path in paths]
    with np.load(tmp_path / "all.npz") as whole:
        assert parts[0].files == whole.files
        for name in ("labels", "seeds", "prompts"):
            assert np.array_equal(np.concatenate([part[name] for part in parts]), whole[name])
        images = np.concatenate([part["images"] for part in parts]).astype(int)
        assert np.abs(images - whole["images"]).max() <= 1
        assert [part["settings"] for part in parts] == [whole["settings"]] * 3


def test_a_killed_run_goes_on(run, weights, tmp_path):
    options = ["--count", "200", "--steps", "10", "--weights", weights, "--out", "killed/"]
    folder = tmp_path / "killed"
    two = torchrun("tests.small_shards", *options, cwd=tmp_path)
    while len(there := glob.glob(str(folder / "*.npz"))) < 3:
        assert two.poll() is None, two.communicate()
        time.sleep(0.005)
    os.kill(children_of(two)[0], signal.SIGKILL)
    assert two.wait(timeout=60) == 1
    kept = {path: os.stat(path).st_mtime_ns for path in there}
    seed = read_settings(there[0])["seed"]
    run(f"--count 200 --steps 10 --out {folder}")  # without a seed, and without the last stroke
    assert {path: os.stat(path).st_mtime_ns for path in there} == kept
    run(f"--count 200 --steps 10 --seed {seed} --out whole/")
    assert files(folder) == files(tmp_path / "whole")


def test_nothing_is_made_twice_and_force_makes_all_anew(run, tmp_path):
    run("--count 10 --seed 1 --out shards/")
    before = {path: path.stat().st_ino for path in (tmp_path / "shards").iterdir()}
    assert run("--count 10 --out shards/") == "shards: 10 images, seed 1"
    assert {path: path.stat().st_ino for path in (tmp_path / "shards").iterdir()} == before
    assert run("--count 5 --seed 2 --out shards/ --force") == "shards: 5 images, seed 2"
    assert sorted(files(tmp_path / "shards")) == NAMES[:2]


@pytest.mark.parametrize("other", ["--seed 2", "--count 9", "--label 3", "--steps 3"])
def test_other_settings_do_not_mix(run, tmp_path, other):
    run("--count 10 --seed 1 --out shards/")
    before = files(tmp_path / "shards")
    said = run(f"--count 10 --seed 1 {other} --out shards/", status=2)
    assert f"{NAMES[0]} was made with other settings or weights" in said
    assert files(tmp_path / "shards") == before


def test_a_morph_goes_into_one_file(run):
    assert "into one file" in run("--morph 3:7 8:11 --out shards/", status=2)


def test_several_processes_refuse_one_file(weights, tmp_path):
    two = torchrun("tests.small_shards", "--weights", weights, "--out", "a.npz", cwd=tmp_path)
    _, err = two.communicate(timeout=120)
    assert two.returncode == 1
    assert "process 0 of 2: Several processes make a folder of shards: --out a/" in err
