"""Unpicked samples to be judged."""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..diffusion.settings import SamplingSettings
from ..inputs import MAX_SEED
from ..latent_diffusion import LatentDiffusion

BATCH = 250


def labels_like(labels: Tensor, count: int) -> Tensor:
    """`count` labels, sorted, each class as frequent as among labels (N,), to within one image.

    With another mix of classes, a distance to the training set would count the mix as a fault.
    """
    middles = (2 * torch.arange(count) + 1) * len(labels) // (2 * count)
    return labels.sort().values[middles]


def make_samples(
    model: LatentDiffusion,
    asked: Tensor | Sequence[int | str],
    settings: SamplingSettings,
    seed: int,
    bar: tqdm | None = None,
    **options: Any,
) -> Tensor:
    """One image for each label or prompt, uint8 (N, 28, 28); image i has the seed seed + i, modulo
    2**32. bar: counts the images, instead of one of their own. options: `negative` and `style`, as
    for `LatentDiffusion.denoise`."""
    parts = []
    own = lambda: tqdm(total=len(asked), desc="sampling", unit="image", disable=None)
    with nullcontext(bar) if bar is not None else own() as bar:
        for start in range(0, len(asked), BATCH):
            batch = asked[start : start + BATCH]
            seeds = [(seed + start + i) % (MAX_SEED + 1) for i in range(len(batch))]
            made = model.generate(batch, seeds=seeds, **options, **settings.to_dict())
            parts.append(made.cpu())
            bar.update(len(batch))
    return torch.cat(parts)
