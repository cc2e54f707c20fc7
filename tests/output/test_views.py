"""From denoising steps to the pictures of an animation."""

import numpy as np
import pytest
import torch

from ldm_core import UserError
from ldm_core.latent_diffusion import DenoisingStep
from ldm_core.output.views import step_pictures


def test_pictures_are_the_decoded_steps(small_model):
    steps = list(small_model.denoise([1, 2, None], seeds=[5, 6, 7], steps=3))
    shown = list(step_pictures(small_model, steps, "both"))
    assert len(shown) == 4
    for pictures, step in zip(shown, steps):
        assert pictures.shape == (3, 2, 28, 28)
        x_0 = torch.zeros_like(step.x_t) if step.x_0 is None else step.x_0
        for view, latents in enumerate((step.x_t, x_0)):
            assert np.array_equal(pictures[:, view], small_model.decode(latents))
    for view, show in enumerate(("noisy", "estimate")):
        alone = list(step_pictures(small_model, steps, show))
        assert np.array_equal(alone, [pictures[:, [view]] for pictures in shown])


def test_the_start_is_shown_before_the_first_step_is_made(small_model):
    start = DenoisingStep(0, 1, 1.0, torch.randn(1, 4, 8, 8), None)

    def steps():
        yield start
        raise AssertionError("a step was asked for")

    pictures = next(step_pictures(small_model, steps(), "noisy"))
    assert np.array_equal(pictures[:, 0], small_model.decode(start.x_t))


def test_the_latent_is_shown_channel_by_channel(small_model):
    latent = torch.zeros(2, 4, 8, 8)
    latent[1, 2, 0, 7], latent[1, 3, 7, 0] = 3.1, -9.0
    (pictures,) = step_pictures(small_model, [DenoisingStep(0, 1, 1.0, latent, None)], "latent")
    assert pictures.shape == (2, 4, 28, 28) and pictures.dtype == np.uint8
    inside = pictures[:, :, 2:26, 2:26]
    assert pictures.sum() == inside.sum(dtype=np.uint64)  # the border is black
    assert (inside[0] == 128).all() and (inside[1, 2, :3, 21:] == 255).all()
    assert (inside[1, 3, 21:, :3] == 0).all() and (inside[1, 3, :21] == 128).all()
    with pytest.raises(UserError, match="NaN or infinity"):
        next(step_pictures(small_model, [DenoisingStep(0, 1, 1.0, latent / 0, None)], "latent"))
