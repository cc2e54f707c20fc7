"""Muon: steps along the orthogonalised momentum of each weight matrix (Jordan et al. 2024).

Where the momentum is M = U S V^T, a step goes along U V^T: equally far in every direction that the
gradients have found, the rare ones too. Adam mostly follows the few that dominate.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from ..runtime.devices import has_bfloat16

# The coefficients of an odd polynomial. Iterating it drives singular values from (0, 1] to about 1:
# quickly rather than exactly, they end between 0.7 and 1.2.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


def orthogonalise(matrices: Tensor) -> Tensor:
    """About U V^T of each matrix U S V^T in a batch (N, rows, columns), by Newton-Schulz iteration:
    X <- a X + b (X X^T) X + c (X X^T)^2 X. In bfloat16 where the hardware has it."""
    a, b, c = _COEFFICIENTS
    x = matrices.bfloat16() if has_bfloat16(matrices.device) else matrices
    tall = x.shape[1] > x.shape[2]
    x = x.mT if tall else x
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return (x.mT if tall else x).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """For the hidden weights of a network; a kernel (out, in, h, w) is a matrix (out, in h w).

    Orthogonalised Nesterov momentum and decoupled weight decay. The root mean square of a step is
    0.2 lr, about that of Adam (Liu et al. 2025, eq. 4), so that both can use the same learning
    rates and decays. torch.optim.Muon does the same for matrices, but takes no kernels, and
    orthogonalises one matrix at a time.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ):
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(parameters, defaults)

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[Tensor]] = {}  # one batched product for each
            for p in group["params"]:
                if p.grad is not None:
                    by_shape.setdefault((len(p), p[0].numel()), []).append(p)
            for (rows, columns), parameters in by_shape.items():
                directions = [
                    self._direction(p, group["momentum"]).view(rows, columns) for p in parameters
                ]
                steps = orthogonalise(torch.stack(directions))
                size = 0.2 * math.sqrt(max(rows, columns))
                for p, step in zip(parameters, steps):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(step.view_as(p), alpha=-group["lr"] * size)

    def _direction(self, p: Tensor, momentum: float) -> Tensor:
        state = self.state[p]
        if not state:
            state["momentum"] = torch.zeros_like(p)
        state["momentum"].lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(state["momentum"], momentum)
