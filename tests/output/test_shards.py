"""Folders of shards, which one process makes, or two that torchrun has started."""

import glob
import os
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from ldm_core import InputError
from ldm_core.output import shards
from ldm_core.runtime.processes import Processes
from ldm_core.sample import sample

from ..conftest import in_two

NAMES = ["0000000000.npz", "0000000004.npz", "0000000008.npz"]


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 4)


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_processes_make_the_bytes_of_one(run, weights, tmp_path):
    options = "--count 10 --seed 5 --steps 2"
    two = in_two(
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


def test_a_killed_run_goes_on(run, tmp_path):
    run("--count 10 --seed 5 --out whole/")
    whole, folder = files(tmp_path / "whole"), tmp_path / "killed"
    folder.mkdir()
    (folder / NAMES[1]).write_bytes(whole[NAMES[1]])
    (folder / f".{NAMES[0][:-4]}.123.partial.npz").write_bytes(whole[NAMES[0]][:100])
    before = (folder / NAMES[1]).stat().st_mtime_ns
    run(f"--count 10 --out {folder}")  # without a seed, and without the last stroke
    assert (folder / NAMES[1]).stat().st_mtime_ns == before
    assert files(folder) == whole


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


def test_several_processes_refuse_one_file():
    with pytest.raises(InputError, match="Several processes make a folder of shards: --out a/"):
        sample(Namespace(), Path("a.npz"), shards=False, processes=Processes(0, 2))
