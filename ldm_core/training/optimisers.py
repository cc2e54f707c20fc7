"""The optimisers of a training, and the learning rate as training goes on."""

from dataclasses import dataclass

import torch
from torch import nn

from ..model.unet import UNet
from ..model.vae import VAE
from .muon import Muon

WARM_UP_STEPS = 50  # the learning rate rises over these, and the speed is measured in them


@dataclass(frozen=True)
class OptimiserSettings:
    """Peak learning rates, and which parameters each optimiser trains.

    matrices: the parameters that Muon trains, at matrix_learning_rate. AdamW trains all others.
    """

    learning_rate: float
    weight_decay: float
    matrices: tuple[nn.Parameter, ...] = ()
    matrix_learning_rate: float = 0.0


class Optimisers:
    """AdamW, and Muon where there are matrices for it, which step together."""

    def __init__(self, module: nn.Module, settings: OptimiserSettings):
        chosen = set(map(id, settings.matrices))
        others = [p for p in module.parameters() if id(p) not in chosen]
        options = {"lr": settings.learning_rate, "weight_decay": settings.weight_decay}
        self.each = [torch.optim.AdamW(others, betas=(0.9, 0.99), fused=True, **options)]
        if settings.matrices:
            options["lr"] = settings.matrix_learning_rate
            self.each.append(Muon(settings.matrices, **options))
        for group in self._groups():
            group["initial_lr"] = group["lr"]

    def step(self, factor: float) -> None:
        """Take a step at `factor` times the peak learning rates, and forget the gradients."""
        for group in self._groups():
            group["lr"] = group["initial_lr"] * factor
        for optimiser in self.each:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def _groups(self) -> list[dict]:
        return [group for optimiser in self.each for group in optimiser.param_groups]


def rate_factor(step: int, total: int | None) -> float:
    """The learning rate at a step as a share of its peak: a linear rise over WARM_UP_STEPS, times a
    line from 1 down to 0 at `total` (Bergsma et al. 2025). None: the total is not known yet."""
    rise = min(1.0, (step + 1) / WARM_UP_STEPS)
    if total is None:
        return rise
    return rise * (1 - step / total)


def hidden_matrices(network: VAE | UNet) -> tuple[nn.Parameter, ...]:
    """The weights that Muon trains: those that lead from features to features.

    Biases and scales are no matrices. The layers that read or write an image or a latent have a
    side of four or eight channels only: too few directions to make equally long.
    """
    edges = {id(layer.weight) for layer in network.edges()}
    return tuple(p for p in network.parameters() if p.dim() > 1 and id(p) not in edges)
