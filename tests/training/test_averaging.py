import math

import pytest
import torch
from torch import nn

from ldm_core.training.averaging import Average, exponent_of_width


@pytest.mark.parametrize("width", [0.01, 0.05, 0.2])
def test_exponent_solves_its_equation(width):
    g = exponent_of_width(width)
    assert math.sqrt(g + 1) / ((g + 2) * math.sqrt(g + 3)) == pytest.approx(width, rel=1e-9)


def test_average_follows_its_recursion_and_has_the_width_asked_for():
    module = nn.Linear(1, 1, bias=False)
    average = Average(module, width=0.1)
    g, expected = exponent_of_width(0.1), 0.0
    updates = 400
    for i in range(1, updates + 1):
        module.weight.data.fill_(i / updates)
        beta = (1 - 1 / i) ** (g + 1)
        expected = beta * expected + (1 - beta) * i / updates
        average.update()
    assert average.average[0].item() == pytest.approx(expected, rel=1e-4)
    # Weights t^g on t in [0, 1] have the mean (g + 1) / (g + 2) (Karras et al. 2023, appendix C).
    assert expected == pytest.approx((g + 1) / (g + 2), abs=0.01)


def test_swapping_an_average_in_and_out_restores_the_weights():
    module = nn.Linear(2, 2)
    average = Average(module, width=0.1)
    average.update()
    module.weight.data.add_(1)
    before = module.weight.clone()
    with average.in_place():
        torch.testing.assert_close(module.weight, before - 1)
    assert torch.equal(module.weight, before)
