"""What a person sees of a training, while it runs and after it: grids, an animation, logs."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from ..checks import InputError
from ..files.animation import write_gif
from ..files.pictures import lay_out, write_png

SCALE = 2
FRAME_MS, HOLD_MS = 500, 3000


class Progress:
    """Grids of images in folder/progress, named by stage and step; TensorBoard logs in log_dir.

    fresh: the stage starts from its beginning, so the grids of an earlier run are removed.
    Raises InputError where log_dir is given and the package tensorboard is missing.
    """

    def __init__(self, folder: Path, stage: str, *, log_dir: Path | None = None, fresh: bool):
        self.folder, self.stage = folder / "progress", stage
        self.log_dir, self.writer = log_dir and log_dir / stage, None
        if fresh:
            for path in self.grids():
                path.unlink()

    def grids(self) -> list[Path]:
        """The files of this stage's grids, in the order of their steps."""
        return sorted(self.folder.glob(f"{self.stage}_[0-9]*.png"), key=_step)

    def show(self, step: int, images: Tensor, columns: int) -> None:
        """Write uint8 (N, 28, 28) as a grid of that many columns."""
        grid = lay_out(images.cpu().numpy(), columns)
        path = self.folder / f"{self.stage}_{step:06d}.png"
        write_png(path, grid, settings={"step": step}, scale=SCALE)
        if self.log_dir:
            self._writer(step).add_image(f"{self.stage}/images", grid[None], step)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items() if self.log_dir else ():
            self._writer(step).add_scalar(f"{self.stage}/{name}", value, step)

    def close(self) -> None:
        if self.writer:
            self.writer.close()

    def _writer(self, step: int):
        if self.writer is None:  # a killed run may have logged this step and later ones: they go
            self.writer = summary_writer()(str(self.log_dir), purge_step=step)
        return self.writer

    def write_animation(self, path: Path, **about: Any) -> None:
        """Write the grids of this run, one after the other, as a GIF: how the model learned.

        about: what else the file says, besides the steps of the grids.
        """
        grids = self.grids()
        frames = (np.asarray(Image.open(grid))[::SCALE, ::SCALE] for grid in grids)
        settings = {"steps": [_step(grid) for grid in grids], "scale": SCALE, **about}
        write_gif(path, frames, settings=settings, scale=SCALE, frame_ms=FRAME_MS, hold_ms=HOLD_MS)


def summary_writer() -> Callable:
    """TensorBoard's writer; raises InputError where the package is missing."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise InputError(
            "--log-dir needs the package tensorboard. Install it with: pip install tensorboard"
        ) from error
    return SummaryWriter


def _step(path: Path) -> int:
    return int(re.search(r"(\d+)\.png$", path.name)[1])
