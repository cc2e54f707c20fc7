import math

import torch
from torch import nn

from ldm_core.model.unet import TimedResidualBlock, UNet, sinusoidal_embedding

from ..conftest import SMALL, randomised


def test_sinusoidal_embedding_follows_its_formula():
    t = torch.tensor([0.0, 0.25, 1.0])
    embedding = sinusoidal_embedding(t, 8)
    for row, time in zip(embedding, t.tolist()):
        angles = [1000 * time / 10000 ** (2 * i / 8) for i in range(4)]
        expected = [math.cos(a) for a in angles] + [math.sin(a) for a in angles]
        torch.testing.assert_close(row, torch.tensor(expected), atol=1e-4, rtol=1e-4)


def test_the_time_scales_and_shifts_between_two_convolutions():
    block = randomised(TimedResidualBlock(16, 32, d_time=8))
    x, time = torch.randn(2, 16, 5, 5), torch.randn(2, 8)
    scale, shift = block.time(time)[..., None, None].split(32, dim=1)
    h = block.norm_2(block.conv_1(nn.functional.silu(block.norm_1(x))))
    expected = block.skip(x) + block.conv_2(nn.functional.silu(h * (1 + scale) + shift))
    torch.testing.assert_close(block(x, time), expected)


def test_a_new_network_predicts_zero():
    x_t, t, context = torch.randn(2, 4, 8, 8), torch.rand(2), torch.randn(2, 4, 64)
    assert torch.equal(UNet(SMALL.unet)(x_t, t, context), torch.zeros(2, 4, 8, 8))


def test_prediction_depends_on_all_three_inputs():
    unet = randomised(UNet(SMALL.unet))
    inputs = [torch.randn(1, 4, 8, 8), torch.tensor([0.3]), torch.randn(1, 4, 64)]
    before = unet(*inputs)
    others = [torch.randn(1, 4, 8, 8), torch.tensor([0.7]), torch.randn(1, 4, 64)]
    for i, other in enumerate(others):
        changed = [*inputs[:i], other, *inputs[i + 1 :]]
        assert not torch.allclose(unet(*changed), before, atol=1e-3)
