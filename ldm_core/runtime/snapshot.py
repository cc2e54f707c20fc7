"""Whether a module still is what a copy of it was made of."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn


class Snapshot:
    """Remembers what modules hold, to notice when that has changed: each of the modules given, not
    those within it.

    A change is noticed whether a parameter, a buffer or a submodule was replaced, was changed in
    place by an operation that PyTorch counts, or was written to behind its back, as `.data` allows.
    For that, the bits of all tensors are summed: half a millisecond for the U-Net of this release.
    (Only numbers that trade places within one tensor, by `.data`, leave their sum as it was.)
    """

    def __init__(self, modules: Sequence[nn.Module]):
        self.modules = list(modules)
        # The dictionaries in which modules keep their parts, and what was in them.
        self._parts = [
            (place, dict(place))
            for module in self.modules
            for place in (module._parameters, module._buffers, module._modules)
            if place
        ]
        parts = [part for _, held in self._parts for part in held.values()]
        self._tensors = [part for part in parts if isinstance(part, Tensor)]
        self._bits = [_bits(tensor) for tensor in self._tensors]
        self._state = self._read()

    def is_current(self) -> bool:
        """Whether nothing has changed since."""
        same = all(_same_parts(place, parts) for place, parts in self._parts)
        return same and self._read() == self._state

    def has_hooks(self) -> bool:
        """Whether anybody wants to be called when one of the modules runs."""
        return any(m._forward_hooks or m._forward_pre_hooks for m in self.modules)

    def _read(self) -> list[tuple[int, int, int]]:
        return [
            (tensor.data_ptr(), _version(tensor), int(np.add.reduce(bits)))
            for tensor, bits in zip(self._tensors, self._bits)
        ]


def _same_parts(place: dict, parts: dict) -> bool:
    return len(place) == len(parts) and all(place.get(name) is parts[name] for name in parts)


def _bits(tensor: Tensor) -> np.ndarray:
    """The memory of a tensor as whole numbers, not copied; wide ones, as they are summed faster."""
    memory = torch.empty(0, dtype=torch.uint8).set_(tensor.untyped_storage()).numpy()
    return memory.view(np.int64) if memory.size % 8 == 0 else memory


def _version(tensor: Tensor) -> int:
    """How often operations have changed a tensor; tensors of inference mode do not count that."""
    return 0 if tensor.is_inference() else tensor._version
