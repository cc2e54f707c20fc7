"""The output folder of a run: what is in it, what may be replaced, and whether there is room."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from ..checks import InputError
from ..evaluation.classifier import Classifier
from ..files.whole_file import remove_leftovers
from ..latent_diffusion import LatentDiffusion

GRID_BYTES = 20_000_000  # room for progress grids, the training animation and logs


class OutputFolder:
    """Where a run of `stages` writes, for each of them a checkpoint and, until all are complete, a
    state."""

    def __init__(self, path: Path, stages: Sequence[str]):
        self.path, self.stages = path, stages

    def checkpoint(self, stage: str) -> Path:
        return self.path / f"{stage}.safetensors"

    def state(self, stage: str) -> Path:
        return self.path / f"{stage}.resume.safetensors"

    def states_before(self, stage: str) -> tuple[Path, ...]:
        return tuple(map(self.state, self.stages[: self.stages.index(stage)]))

    def unfinished(self) -> bool:
        """Whether a run was begun here and not completed."""
        return any(self.state(stage).exists() for stage in self.stages)

    def first_stage(self, *, resume: bool) -> int:
        """The index of the stage to begin with; len(stages) where all are finished."""
        if not resume:
            return 0
        if self.unfinished():
            return max(i for i, stage in enumerate(self.stages) if self.state(stage).exists())
        done = [self.checkpoint(stage).exists() for stage in self.stages]
        return [*done, False].index(False)

    def check(self, to_come: Sequence[str], *, may_replace: bool) -> None:
        """Raise InputError where stages to come would replace what they must not, or where the
        folder cannot be written to, or lacks the room."""
        files = [*map(self.checkpoint, to_come), *map(self.state, to_come)]
        existing = [str(path) for path in files if path.exists()]
        if existing and not may_replace:
            raise InputError(
                f"{' and '.join(existing)} would be replaced. Pass --resume to go on with an "
                "unfinished run, --force to start anew, or --out to write to another folder."
            )
        self._check_writable()
        self._check_room(to_come)

    def tidy(self, to_come: Sequence[str], *, resume: bool) -> None:
        """Remove half-written files of killed processes; in a new run, also the old states."""
        goes_on = resume and any(self.state(stage).exists() for stage in to_come)
        for stage in to_come:
            remove_leftovers(self.checkpoint(stage))
            remove_leftovers(self.state(stage))
            if not goes_on:
                self.state(stage).unlink(missing_ok=True)

    def remove_states(self) -> None:
        for stage in self.stages:
            self.state(stage).unlink(missing_ok=True)

    def _check_writable(self) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.path):
                pass
        except OSError as error:
            raise InputError(f"{self.path} cannot be written to ({error.strerror}).") from error

    def _check_room(self, to_come: Sequence[str]) -> None:
        with torch.device("meta"):
            model, classifier = LatentDiffusion(), Classifier()
        modules = {"vae": model.vae, "unet": model.unet, "classifier": classifier}
        numbers = sum(p.numel() for stage in to_come for p in modules[stage].parameters())
        # For each parameter, a state holds four numbers of 4 bytes and a checkpoint one. While a
        # file is replaced, the old one and the new one are both there.
        needed = numbers * 4 * (4 + 1) * 2 + GRID_BYTES
        if (free := shutil.disk_usage(self.path).free) < needed:
            raise InputError(
                f"{self.path.absolute()} has {free / 1e6:.0f} MB free; this run may write "
                f"{needed / 1e6:.0f} MB. Make room, or choose another disk with --out."
            )
