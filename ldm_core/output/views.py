"""From denoising steps to the pictures of an animation."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch

from ..config import PICTURE_SIDE
from ..latent_diffusion import DenoisingStep, LatentDiffusion, check_finite

CHANNELS = ("channel 1", "channel 2", "channel 3", "channel 4")
VIEWS = {"noisy": ("x_t",), "estimate": ("x_0",), "both": ("x_t", "x_0"), "latent": CHANNELS}


def step_pictures(
    model: LatentDiffusion, steps: Iterable[DenoisingStep], show: str
) -> Iterator[np.ndarray]:
    """Yield the pictures of each step of `model.denoise` as soon as it exists: uint8
    (B, V, 28, 28).

    show: a name from VIEWS: the noisy latent, decoded, the estimate of the clean latent, decoded,
    or both (V = 2), in this order; or the noisy latent itself (V = 4, see `latent_pictures`). The
    start has no estimate, so it shows the decoded mean of all latents (for MNIST nearly black).
    """
    for step in steps:
        if show == "latent":
            yield latent_pictures(step.x_t)
            continue
        known = step._replace(x_0=torch.zeros_like(step.x_t) if step.x_0 is None else step.x_0)
        # Each view by itself: with PyTorch, a larger batch may round a value to the next grey.
        views = [model.decode(getattr(known, name)) for name in VIEWS[show]]
        yield torch.stack(views, dim=1).cpu().numpy()


def latent_pictures(latents: torch.Tensor) -> np.ndarray:
    """Turn (B, 4, 8, 8) into uint8 (B, 4, 28, 28), a picture of each channel with a black border:
    -3 and less is black, 0 the middle grey, 3 and more white. Raises NonFiniteError."""
    check_finite(latents)
    greys = latent_greys(latents.float().cpu().numpy())
    scale, rest = divmod(PICTURE_SIDE, greys.shape[-1])
    border = (0, 0), (0, 0), (rest // 2, rest - rest // 2), (rest // 2, rest - rest // 2)
    return np.pad(greys.repeat(scale, axis=2).repeat(scale, axis=3), border)


def latent_greys(latents: np.ndarray) -> np.ndarray:
    """Turn floats of about unit variance into uint8: 0 is the middle grey, 3 is white."""
    return (127.5 + 42.5 * latents).clip(0, 255).round().astype(np.uint8)
