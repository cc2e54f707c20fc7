"""What is asked -> condition tokens, the `context` of cross-attention.

Nothing outside this file knows what can be asked: here a class index, or None for nothing.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..checks import InputError, check_whole, shown
from ..config import ConditioningConfig


class Context(NamedTuple):
    """What each image of a batch is asked to show, as condition tokens.

    tokens: (B, n_tokens, d_context). null: the tokens of "nothing asked", which guidance leads away
    from; of the same shape. is_asked: bool (B,), on the CPU; False where nothing is asked, so that
    the tokens are the null tokens and guidance would change nothing.
    """

    tokens: Tensor
    null: Tensor
    is_asked: Tensor


class LabelConditioning(nn.Module):
    """A learned table: each class has n_tokens tokens, and so has "no label", the null condition
    of classifier-free guidance (Ho & Salimans 2022, sec. 3.2), in the last row."""

    def __init__(self, config: ConditioningConfig, d_context: int):
        super().__init__()
        self.config = config
        self.null_id = len(config.class_names)
        self.tokens = nn.Embedding(self.null_id + 1, config.n_tokens * d_context)

    def ids(self, asked: Sequence[int | None]) -> Tensor:
        """What people ask, one class index or None for each image -> ids int64 (B,), on the CPU.

        -1 is None too, as in the arrays of an .npz file. Raises InputError naming what is no class
        of this model, and where there is nothing at all.
        """
        if len(asked) == 0:
            raise InputError("Nothing is asked: give one label, or None, for each image.")
        return torch.tensor([self._id(label) for label in asked])

    def _id(self, label: Any) -> int:
        if label is None:
            return self.null_id
        try:
            number = check_whole("label", label, -1, self.null_id - 1)
        except InputError:
            names = ", ".join(f"{i} ({n})" for i, n in enumerate(self.config.class_names))
            message = f"label must be None or one of {names}, not {shown(label)}."
            raise InputError(message) from None
        return self.null_id if number == -1 else number

    def drop(self, ids: Tensor, dropped: Tensor) -> Tensor:
        """ids, with nothing asked where dropped, bool (B,), is true: what training does, so that
        the same network also learns to be unconditional."""
        return ids.masked_fill(dropped, self.null_id)

    def context(self, asked: Sequence[int | None]) -> Context:
        """What sampling needs of what is asked of each image; errors as for `ids`."""
        ids, nothing = self.ids(asked), self.ids([None] * len(asked))
        both = self(torch.cat([ids, nothing]).to(self.tokens.weight.device))
        return Context(*both.chunk(2), ids != nothing)

    def forward(self, ids: Tensor) -> Tensor:
        """ids (B,) -> context (B, n_tokens, d_context)."""
        return self.tokens(ids).unflatten(1, (self.config.n_tokens, -1))
