import sys

import numpy as np
import pytest
import torch
from PIL import Image

from ldm_core.training.progress import Progress

GRID = torch.full((4, 28, 28), 255, dtype=torch.uint8)


def test_an_animation_shows_the_grids_of_this_run_in_order(tmp_path):
    stale = Progress(tmp_path, "unet", fresh=True)
    stale.show(700_000, GRID, columns=2)
    progress = Progress(tmp_path, "unet", fresh=True)
    for step in (0, 5, 1_000_000):
        progress.show(step, GRID * (step > 0), columns=2)
    Progress(tmp_path, "vae", fresh=True).show(1, GRID, columns=2)  # removes no other stage's
    Progress(tmp_path, "unet", fresh=False).write_animation(tmp_path / "training.gif")
    with Image.open(tmp_path / "training.gif") as animation:
        assert animation.n_frames == 3
        assert animation.size == (116, 116)
        assert not np.asarray(animation.convert("L")).any()
        animation.seek(1)
        assert np.asarray(animation.convert("L"))[0, 0] == 255


def test_logs_come_back_from_tensorboard_without_what_a_kill_undid(tmp_path):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    first = Progress(tmp_path, "unet", log_dir=tmp_path / "logs", fresh=True)
    for step in (10, 20, 30):
        first.log(step, {"loss": step / 10})
    first.close()
    resumed = Progress(tmp_path, "unet", log_dir=tmp_path / "logs", fresh=False)
    resumed.log(30, {"loss": 9.0})
    resumed.show(30, GRID, columns=2)
    resumed.close()
    events = accumulator.EventAccumulator(str(tmp_path / "logs" / "unet"))
    events.Reload()
    assert [(e.step, e.value) for e in events.Scalars("unet/loss")] == [(10, 1), (20, 2), (30, 9)]
    assert events.Images("unet/images")[0].width == 58


def test_without_tensorboard_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    progress = Progress(tmp_path, "unet", log_dir=tmp_path, fresh=True)
    with pytest.raises(ValueError, match="pip install tensorboard"):
        progress.log(1, {"loss": 1.0})
