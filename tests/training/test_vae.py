import math

import pytest
import torch

from ldm_core.training.vae import reconstruction_psnr


def test_psnr_follows_its_formula(small_model):
    pixels = torch.randint(0, 256, (3, 28, 28), generator=torch.Generator().manual_seed(0))
    pixels = pixels.to(torch.uint8)
    decoded = small_model.decode(small_model.encode(pixels))
    mse = ((decoded.double() - pixels.double()) ** 2).mean().item()
    expected = 10 * math.log10(255**2 / mse)
    assert reconstruction_psnr(small_model, pixels) == pytest.approx(expected, abs=1e-4)
