"""Unpicked samples for the judge."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from ..diffusion.settings import SamplingSettings
from ..inputs import MAX_SEED
from ..latent_diffusion import LatentDiffusion
from ..runtime.processes import ALONE, Processes

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
    processes: Processes = ALONE,
    **options: Any,
) -> Tensor:
    """One image for each label or prompt, uint8 (N, 28, 28); image i has the seed seed + i, modulo
    2**32. Each process makes some of the batches; all get all images. options: `negative` and
    `style`, as for `LatentDiffusion.denoise`."""
    parts = {}
    starts = range(0, len(asked), BATCH)
    own = starts[processes.rank :: processes.count]
    for start in tqdm(own, desc="sampling", unit="batch", leave=False, disable=processes.silent):
        batch = asked[start : start + BATCH]
        seeds = [(seed + start + i) % (MAX_SEED + 1) for i in range(len(batch))]
        parts[start] = model.generate(batch, seeds=seeds, **options, **settings.to_dict()).cpu()
    parts = processes.union(parts)
    return torch.cat([parts[start] for start in starts])


def reconstructions(model: LatentDiffusion, pixels: Tensor) -> Tensor:
    """What the VAE makes of pictures uint8 (N, 28, 28): decoded from their mean latents."""
    return torch.cat([model.decode(model.encode(part)).cpu() for part in pixels.split(500)])
