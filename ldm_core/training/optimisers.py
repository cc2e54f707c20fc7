"""What changes the weights: AdamW, Muon, the learning rate, and the average that samples use."""

import copy
import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from ..model.unet import UNet
from ..model.vae import VAE
from ..runtime.devices import has_bfloat16

WARM_UP_STEPS = 50  # the learning rate rises over these
# The coefficients of an odd polynomial. Iterating it drives singular values from (0, 1] to about 1:
# quickly rather than exactly, they end between 0.7 and 1.2.
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5


def rate_factor(step: int, share: float) -> float:
    """The learning rate of a step (0, 1, ...) as a share of its peak: a linear rise over
    WARM_UP_STEPS, times a line from 1 down to 0 (Bergsma et al. 2025).

    share: how much of the training is over, of its steps or of its time, 0 to 1.
    """
    return min(1.0, (step + 1) / WARM_UP_STEPS) * (1 - share)


class Optimisers:
    """Muon for `matrices`, AdamW for all other parameters; both step together.

    learning_rate, matrix_learning_rate: the peaks, of AdamW and of Muon.
    """

    def __init__(
        self,
        module: nn.Module,
        learning_rate: float,
        weight_decay: float,
        matrices: tuple[nn.Parameter, ...] = (),
        matrix_learning_rate: float = 0.0,
    ):
        chosen = set(map(id, matrices))
        others = [p for p in module.parameters() if id(p) not in chosen]
        options = {"lr": learning_rate, "weight_decay": weight_decay}
        self.each = [torch.optim.AdamW(others, betas=(0.9, 0.99), fused=True, **options)]
        if matrices:
            self.each.append(Muon(matrices, matrix_learning_rate, weight_decay=weight_decay))
        for group in self.groups:
            group["initial_lr"] = group["lr"]

    @property
    def groups(self) -> list[dict]:
        """The optimisers' own, which they replace when a state is loaded."""
        return [group for optimiser in self.each for group in optimiser.param_groups]

    def step(self, factor: float) -> None:
        """Take a step at `factor` times the peak learning rates, and forget the gradients."""
        for group in self.groups:
            group["lr"] = group["initial_lr"] * factor
        for optimiser in self.each:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)


def hidden_matrices(network: VAE | UNet) -> tuple[nn.Parameter, ...]:
    """The weights that Muon trains: those that lead from features to features.

    Biases and scales are no matrices. The layers that read or write an image or a latent have a
    side of four or eight channels only: too few directions to make equally long.
    """
    edges = {id(layer.weight) for layer in network.edges()}
    return tuple(p for p in network.parameters() if p.dim() > 1 and id(p) not in edges)


class Muon(torch.optim.Optimizer):
    """Steps along the orthogonalised momentum of each weight matrix (Jordan et al. 2024).

    Where the momentum is M = U S V^T, a step goes along U V^T: equally far in every direction that
    the gradients have found, the rare ones too. Adam mostly follows the few that dominate. A kernel
    (out, in, h, w) is a matrix (out, in h w).

    The momentum is Nesterov's, the weight decay decoupled. The root mean square of a step is
    0.2 lr, about that of Adam (Liu et al. 2025, eq. 4), so both can use the same learning rates and
    decays. torch.optim.Muon does the same for matrices, but takes no kernels, and orthogonalises
    one matrix at a time.
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


def orthogonalise(matrices: Tensor) -> Tensor:
    """About U V^T of each matrix U S V^T in a batch (N, rows, columns), by Newton-Schulz iteration:
    X <- Q X with Q = a + b G + c G^2, G = X X^T."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    wide = x.shape[2] > 1.5 * x.shape[1]
    x = _iterate_on_gram(x) if wide else _iterate(x)
    return x.mT if tall else x


def _iterate(x: Tensor) -> Tensor:
    """The iteration as it is written; it bears the rounding to bfloat16."""
    a, b, c = _COEFFICIENTS
    x = x.bfloat16() if has_bfloat16(x.device) else x
    for _ in range(_ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.float()


def _iterate_on_gram(x: Tensor) -> Tensor:
    """The same where rows are long, as those of kernels: only G and the product of all Q are kept,
    G <- Q G Q, and the factors commute. X itself is multiplied twice, in place of ten times. In
    float32: rounded to bfloat16, G can have negative eigenvalues, and they grow."""
    a, b, c = _COEFFICIENTS
    gram, product = x @ x.mT, None
    for left in reversed(range(_ITERATIONS)):
        q = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        q.diagonal(dim1=1, dim2=2).add_(a)
        product = q if product is None else q @ product
        if left:
            gram = q @ gram @ q
    return product @ x


class Average:
    """Power-function exponential moving average of a module's parameters (Karras et al. 2023,
    eq. 2): average_t = beta_t average_(t-1) + (1 - beta_t) parameters_t, beta_t = (1 - 1/t)^(g+1).

    g follows from the relative width w of the average, w = sqrt(g + 1) / ((g + 2) sqrt(g + 3))
    (appendix C): the weights of the last w of the run count most, in long runs and short ones.
    """

    def __init__(self, module: nn.Module, width: float):
        self.source, self.module = module, copy.deepcopy(module)
        # (appendix C), solved for g: w^2 (g + 2)^2 (g + 3) = g + 1
        cubic = [1, 7, 16 - width**-2, 12 - width**-2]
        self.exponent = float(np.roots(cubic).real.max())
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        beta = (1 - 1 / self.updates) ** (self.exponent + 1)
        averages, parameters = map(list, (self.module.parameters(), self.source.parameters()))
        torch._foreach_lerp_(averages, parameters, 1 - beta)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the parameters and their average; a second call takes it back."""
        for average, parameter in zip(self.module.parameters(), self.source.parameters()):
            held = parameter.clone()
            parameter.copy_(average)
            average.copy_(held)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """A context in which the module holds its average."""
        self.swap()
        try:
            yield
        finally:
            self.swap()
