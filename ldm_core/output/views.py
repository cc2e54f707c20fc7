"""From denoising steps to the pictures of an animation."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch

from ..checks import check_choice
from ..latent_diffusion import DenoisingStep, LatentDiffusion

VIEWS = {"noisy": ("x_t",), "estimate": ("x_0",), "both": ("x_t", "x_0")}


def step_pictures(
    model: LatentDiffusion, steps: Iterable[DenoisingStep], show: str
) -> Iterator[np.ndarray]:
    """The pictures of each step of `model.denoise`, as soon as it exists: uint8 (B, V, 28, 28).

    show: a name from VIEWS: the noisy latent, decoded, the estimate of the clean latent, decoded,
    or both (V = 2), in this order. At the start there is no estimate: its place is taken by the
    picture of the mean of all latents, which is what is known by then (for MNIST nearly black).
    """
    check_choice("show", show, VIEWS)
    for step in steps:
        known = step._replace(x_0=torch.zeros_like(step.x_t) if step.x_0 is None else step.x_0)
        # Each view by itself: in a batch of another size, a value may round to the next grey.
        views = [model.decode(getattr(known, name)) for name in VIEWS[show]]
        yield torch.stack(views, dim=1).cpu().numpy()
