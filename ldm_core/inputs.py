"""What people give with a request for images, and the checks of it."""

import secrets
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .checks import InputError, check_whole
from .config import PICTURE_SIDE
from .model.conditioning import Prompt

MAX_SEED = 2**32 - 1
RESAMPLE, MAX_RESAMPLE = 5, 20


class Keep(NamedTuple):
    """The pixels to keep in completion (inpainting).

    pixels: uint8 (B, 28, 28). mask: bool (B, 28, 28), True where the picture is kept. resample: how
    often each step is made, 1 to 20. 1 is quickest; with more, the new pixels fit better to those
    that are kept (see `diffusion.completion`).
    """

    pixels: Tensor
    mask: Tensor
    resample: int = RESAMPLE


def check_seeds(seeds: Sequence[int] | None, count: int) -> list[int]:
    """Return `count` seeds, random if None; raises InputError for a bad one."""
    if seeds is None:
        return [secrets.randbelow(MAX_SEED + 1) for _ in range(count)]
    if len(seeds) != count:
        raise InputError(f"seeds must be one per image: {count}, not {len(seeds)}.")
    return [check_whole("seed", seed, 0, MAX_SEED) for seed in seeds]


def check_negative(negative: Prompt | Sequence[Prompt], count: int) -> list[Prompt]:
    """Return one negative prompt per image; a single one is repeated. Raises InputError."""
    single = isinstance(negative, str | bytes) or getattr(negative, "ndim", 1) == 0
    single = single or not hasattr(negative, "__len__")
    each = [negative] * count if single else list(negative)
    if len(each) != count:
        raise InputError(f"negative must be one for all images, or {count}, not {len(each)}.")
    return each


def check_pictures(name: str, given: Tensor, dtype: torch.dtype, count: int | None = None) -> None:
    """Raise InputError unless it is a tensor (B, 28, 28) of this type, with B = count if given."""
    shape = ("B" if count is None else count, PICTURE_SIDE, PICTURE_SIDE)
    is_tensor = isinstance(given, Tensor)
    fits = is_tensor and given.dtype == dtype and given.shape[1:] == shape[1:]
    if not fits or count not in (None, len(given)):
        found = f"{given.dtype} {tuple(given.shape)}" if is_tensor else type(given).__name__
        wanted = f"{dtype} ({', '.join(map(str, shape))})"
        raise InputError(f"{name} must be a tensor {wanted}, not {found}.".replace("torch.", ""))


def check_keep(keep: Keep, count: int) -> Keep:
    """Return keep with a Python number; raises InputError if it does not fit `count` images, and
    where a mask keeps all of a picture or nothing."""
    check_pictures("keep.pixels", keep.pixels, torch.uint8, count)
    check_pictures("keep.mask", keep.mask, torch.bool, count)
    if not keep.mask.flatten(1).any(dim=1).all():
        raise InputError("The mask keeps nothing of a picture: leave it out, or make a part white.")
    if keep.mask.flatten(1).all(dim=1).any():
        raise InputError("The mask keeps all of a picture: make black what is to be redrawn.")
    return keep._replace(resample=check_whole("resample", keep.resample, 1, MAX_RESAMPLE))
