"""What the stages of a run have in common: what they are made from, and what a run asks of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import ModelConfig, TrainingConfig
from ..data.datasets import LabelledImages
from ..model.vae import VAE
from .budget import Budget
from .loop import LoopOptions, TrainingResult


@dataclass(frozen=True)
class Materials:
    """What the stages of a run are made from. load_vae() -> the VAE of the output folder, in every
    process."""

    data: LabelledImages
    test: LabelledImages
    model: ModelConfig
    config: TrainingConfig
    device: torch.device
    compiled: bool
    load_vae: Callable[[], VAE]


class TrainingStage:
    """One stage of a run. Making one makes its module, with initial weights from the run's seed.

    share: of the time that is left when the stage begins. columns: of a progress grid, 0 where the
    stage draws none. animated: whether its grids become the training animation. compiles: whether
    --compile has an effect on it.
    """

    name: str
    share: float = 1.0
    columns: int = 0
    animated: bool = False
    compiles: bool = False

    def model_settings(self) -> dict[str, Any]:
        """What of the model must be the same for the stage to be resumed, or to count as done."""
        raise NotImplementedError

    def prepare(self) -> None:
        """What takes time and comes before the first step; it shortens a budget of seconds."""

    def train(self, budget: Budget, options: LoopOptions) -> TrainingResult:
        raise NotImplementedError

    def draw(self) -> Tensor:
        """The pictures of a progress grid, uint8 (N, 28, 28)."""
        raise NotImplementedError

    def quality(self) -> dict[str, float]:
        """Figures for the checkpoint's record, measured on test images after training."""
        return {}

    def weights(self) -> str:
        """Of an animated stage: the fingerprint of the model that it has trained."""
        raise NotImplementedError

    def save(self, path: Path, training: dict[str, Any]) -> None:
        """Write the checkpoint with its record."""
        raise NotImplementedError
