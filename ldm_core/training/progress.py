"""What a person sees of a training: a bar, grids of pictures, and an animation of them."""

import re
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..files.animation import write_animation
from ..files.pictures import lay_out, write_png
from ..files.weights import weights_of
from .loop import TrainingStep, check_weights
from .stages import Stage
from .state import Learner

SCALE = 2
FRAME_MS, HOLD_MS = 500, 3000


class Progress:
    """A bar of images, images a second and the time left, where it is visible; and grids of
    pictures in folder/progress, named by stage and step."""

    def __init__(self, folder: Path, stage: Stage, learner: Learner, *, visible: bool = True):
        self.folder, self.stage, self.learner = folder, stage, learner
        self.bar = tqdm(
            initial=learner.done,
            desc=learner.name,
            unit="image",
            unit_scale=learner.batch,
            dynamic_ncols=True,
            mininterval=1,
            disable=not visible,
        )

    def start(self) -> None:
        """Remove the grids of an earlier run, and show what the module draws before it learns."""
        for path in self._grids():
            path.unlink()
        self.show()

    def update(self, step: TrainingStep) -> None:
        """Show a step in the bar."""
        if step.loss is not None:
            self.bar.set_postfix(loss=f"{step.loss:.4f}", refresh=False)
        self.bar.total = round(step.index / step.share)  # with a time, at the speed so far
        self.bar.update()

    def show(self) -> None:
        """Draw a grid, if the stage has one, with the average of the weights; raises NonFiniteLoss
        where they are not finite."""
        check_weights(self.learner)
        with self.learner.average.in_place():
            drawn = self.stage.draw()
        if drawn is not None:
            images, columns = drawn
            grid, step = lay_out(images.cpu().numpy(), columns), self.learner.done
            path = self.folder / "progress" / f"{self.stage.name}_{step:06d}.png"
            write_png(path, grid, settings={"step": step}, scale=SCALE)

    def write_animation(self) -> None:
        """Write the grids of this run as folder/training.gif: how the model learned."""
        grids = self._grids()
        frames = (np.asarray(Image.open(grid))[::SCALE, ::SCALE] for grid in grids)
        steps, weights = list(map(_step, grids)), weights_of(self.stage.model)
        settings = {"steps": steps, "scale": SCALE, "weights": weights}
        looks = {"scale": SCALE, "frame_ms": FRAME_MS, "hold_ms": HOLD_MS}
        write_animation(self.folder / "training.gif", frames, settings=settings, **looks)

    def _grids(self) -> list[Path]:
        """The files of this stage's grids, in the order of their steps."""
        return sorted((self.folder / "progress").glob(f"{self.stage.name}_[0-9]*.png"), key=_step)


def _step(path: Path) -> int:
    return int(re.search(r"(\d+)\.png$", path.name)[1])
