"""What to draw: labels -> condition tokens, the `context` of cross-attention."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .config import ConditioningConfig


class LabelConditioning(nn.Module):
    """A learned table: each class has n_tokens tokens, and so has "no label", the null condition
    of classifier-free guidance (Ho & Salimans 2022, sec. 3.2), in the last row."""

    def __init__(self, config: ConditioningConfig, d_context: int):
        super().__init__()
        self.config = config
        self.null_label = len(config.class_names)
        self.tokens = nn.Embedding(self.null_label + 1, config.n_tokens * d_context)

    def forward(self, labels: Tensor) -> Tensor:
        """labels int64 (B,), null_label for "none" -> context (B, n_tokens, d_context)."""
        return self.tokens(labels).unflatten(1, (self.config.n_tokens, -1))

    def to_tensor(self, labels: Sequence[int | None]) -> Tensor:
        """Labels as people give them, None for no label, -> int64 (B,).

        Raises ValueError naming a label that is no class of this model.
        """
        for label in labels:
            is_class = isinstance(label, int) and not isinstance(label, bool)
            if label is not None and not (is_class and 0 <= label < self.null_label):
                names = ", ".join(f"{i} ({n})" for i, n in enumerate(self.config.class_names))
                raise ValueError(f"label must be None or one of {names}, not {label!r:.40}.")
        return torch.tensor([self.null_label if label is None else label for label in labels])
