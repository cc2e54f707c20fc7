"""The exponential moving average of weights: what samples are drawn with."""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """Power-function exponential moving average of a module's parameters (Karras et al. 2023,
    eq. 2): average_t = beta_t average_(t-1) + (1 - beta_t) parameters_t, beta_t = (1 - 1/t)^(g+1).

    g follows from the relative width w of the average, w = sqrt(g + 1) / ((g + 2) sqrt(g + 3))
    (appendix C): the weights of the last w of the run count most, however long it is.
    """

    def __init__(self, module: nn.Module, width: float):
        self.parameters = list(module.parameters())
        self.average = [copy.deepcopy(p.data) for p in self.parameters]
        self.exponent = exponent_of_width(width)
        self.updates = 0

    @torch.no_grad()
    def update(self) -> None:
        self.updates += 1
        beta = (1 - 1 / self.updates) ** (self.exponent + 1)
        torch._foreach_lerp_(self.average, [p.data for p in self.parameters], 1 - beta)

    def swap(self) -> None:
        """Exchange the parameters and their average; a second call takes it back."""
        for parameter, average in zip(self.parameters, self.average):
            held = parameter.data.clone()
            parameter.data.copy_(average)
            average.copy_(held)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """A context in which the module holds its average."""
        self.swap()
        try:
            yield
        finally:
            self.swap()


def exponent_of_width(width: float) -> float:
    """Solve width = sqrt(g + 1) / ((g + 2) sqrt(g + 3)) for g, by bisection. 0 < width < 0.28."""
    low, high = 0.0, 1e6
    for _ in range(100):
        g = (low + high) / 2
        wider = math.sqrt(g + 1) / ((g + 2) * math.sqrt(g + 3)) > width
        low, high = (g, high) if wider else (low, g)
    return low
