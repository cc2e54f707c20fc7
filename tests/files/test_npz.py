"""Many images in one NumPy file."""

import time

import numpy as np

from ldm_core.files.metadata import read_settings
from ldm_core.files.pictures import write_npz

from ..conftest import SETTINGS

ARRAYS = {
    "images": np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8),
    "labels": np.array([0, 1, -1, 0, 1]),
    "seeds": np.arange(5) + 2**32 - 3,
    "prompts": np.array(["a bold 7", "", "été", "-", "7"]),
}


def test_an_npz_is_read_back(tmp_path):
    write_npz(tmp_path / "a.npz", **ARRAYS, settings=SETTINGS)
    with np.load(tmp_path / "a.npz") as arrays:
        for name, array in ARRAYS.items():
            assert np.array_equal(arrays[name], array)
    assert read_settings(tmp_path / "a.npz") == SETTINGS


def test_the_same_arrays_make_the_same_bytes_at_another_time(tmp_path, monkeypatch):
    write_npz(tmp_path / "a.npz", **ARRAYS, settings=SETTINGS)
    monkeypatch.setattr(time, "time", lambda: 2e9)
    write_npz(tmp_path / "b.npz", **ARRAYS, settings=SETTINGS)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
