"""What can be switched off in a U-Net, and what can be read of it while it works.

A switch that is off, in formulas:

    time               the time embedding e(t) becomes its mean over t = 0, 0.001, ... 1
    guidance           the prediction with the prompt alone, w = 1: not a part of the network
    skip.i             zeros in place of the skip connection from down[i] to up[i]
    self_attention.S   h + 0 in place of h + attention(h), in the transformer of stage S
    cross_attention.S  likewise

Readings, each of R conditions and B images:

    attention.self.S   (R, B, heads, positions, positions): how much each position takes of each
    attention.cross.S  (R, B, heads, positions, n_tokens): and of each condition token
    features.S         (R, B, C, H, W): what stage S returns

Stages are "down.0", "down.1", ..., "mid", "up.0", "up.1", ...; the attention of stage S is there
where it has a transformer. Positions go row by row.
"""

import math
from collections.abc import Collection, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import InputError, brief
from ..config import IMAGE_SIDE, PICTURE_SIDE, UNetConfig

GUIDANCE = "guidance"
PREDICTIONS = ("prediction.cond", "prediction.null")  # with the prompt, and with the negative one


def stages(config: UNetConfig) -> tuple[str, ...]:
    """The names of the stages."""
    levels = range(len(config.channels))
    return (*(f"down.{i}" for i in levels), "mid", *(f"up.{i}" for i in levels))


def attending(config: UNetConfig) -> tuple[str, ...]:
    """The names of the stages that have a transformer."""
    return ("mid",) if config.middle_only else stages(config)


def gates(config: UNetConfig) -> tuple[str, ...]:
    """What the network itself can switch off."""
    skips = (f"skip.{i}" for i in range(len(config.channels)))
    kinds = ("self_attention", "cross_attention")
    return ("time", *skips, *(f"{kind}.{stage}" for kind in kinds for stage in attending(config)))


def switches(config: UNetConfig) -> tuple[str, ...]:
    """The names that `SamplingSettings.off` may have."""
    time, *others = gates(config)
    return (time, GUIDANCE, *others)


def readings(config: UNetConfig) -> tuple[str, ...]:
    """The names of all that can be read."""
    kinds = ("attention.self", "attention.cross")
    attention = (f"{kind}.{stage}" for kind in kinds for stage in attending(config))
    return (*attention, *(f"features.{stage}" for stage in stages(config)), *PREDICTIONS)


def check_off(names: Collection[str], config: UNetConfig) -> None:
    """Raise InputError for a name that is no switch of this network."""
    known = switches(config)
    if unknown := [name for name in names if name not in known]:
        raise InputError(f"There is no switch {unknown[0]!r:.80}; off takes {', '.join(known)}.")


def check_read(names: Sequence[str], config: UNetConfig) -> tuple[str, ...]:
    """Return the readings that are meant: a name stands for all that begin with it and a dot, as
    "attention.cross" does. Raises InputError for a name that stands for none."""
    known, found = readings(config), []
    for name in names if not isinstance(names, str) else [names]:
        meant = [one for one in known if f"{one}.".startswith(f"{name}.")]
        if not meant:
            raise InputError(f"{brief(name)} cannot be read; read takes {', '.join(known)}.")
        found += meant
    return tuple(dict.fromkeys(found))


def gates_on(off: Collection[str], config: UNetConfig, images: int) -> Tensor | None:
    """For each image and each of `gates` 0 if it is off, else 1: (images, n_gates); None where
    nothing in the network is off."""
    names = gates(config)
    if not set(off) & set(names):
        return None
    return torch.tensor([[float(name not in off) for name in names]] * images)


def attention_maps(steps: Sequence[Mapping[str, Tensor]]) -> Tensor:
    """Where in the picture each word acts, (B, n_tokens, 28, 28): the mean cross-attention over
    heads, stages and steps, enlarged to the picture (DAAM, Tang et al. 2023). At each pixel the
    words, the empty ones included, sum to one.

    steps: for each step what was read as "attention.cross", or of some of its stages.
    """
    kind, border = "attention.cross.", (IMAGE_SIDE - PICTURE_SIDE) // 2
    maps = []
    for weights in (w for read in steps for name, w in read.items() if name.startswith(kind)):
        by_word = weights[0].mean(dim=1).mT  # (B, n_tokens, positions), with the prompt
        side = math.isqrt(by_word.shape[-1])
        large = by_word.unflatten(-1, (side, side))
        maps.append(F.interpolate(large, size=(IMAGE_SIDE, IMAGE_SIDE), mode="bilinear"))
    return torch.stack(maps).mean(dim=0)[..., border:-border, border:-border]


class Inside:
    """Goes through one pass of a U-Net: closes its gates, and keeps what is to be read.

    on: as from `gates_on`, for N images; None leaves all on. mean_time: from `UNet.mean_embedding`,
    replaces the time. names: of readings. found: the readings by name, each (N, ...).
    """

    def __init__(
        self,
        config: UNetConfig,
        on: Tensor | None = None,
        mean_time: Tensor | None = None,
        names: Collection[str] = (),
    ):
        self.on = None if on is None else dict(zip(gates(config), on.unbind(1), strict=True))
        self.mean_time, self.names, self.found = mean_time, names, {}

    def gate(self, name: str, h: Tensor, otherwise: Tensor | float = 0.0) -> Tensor:
        """h (N, ...) where the gate is on, and `otherwise` where it is off."""
        if self.on is None or self.on[name].all():
            return h
        on = self.on[name].to(h.device).view(-1, *[1] * (h.dim() - 1))
        return torch.where(on > 0, h, otherwise)

    def keep(self, name: str, value: Tensor) -> None:
        if name in self.names:
            self.found[name] = value
