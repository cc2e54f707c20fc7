"""Prompts -> condition tokens, the `context` of cross-attention.

This file is for models that know labels only; `text.py` is for those that know words. No other file
knows what a prompt may be.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..checks import InputError, brief, check_whole
from ..config import ConditioningConfig

Prompt = int | str | None  # a class index (-1 is None too), a text, or nothing
Style = Mapping[str, float]  # a property -> a value from -1 to 1


class Context(NamedTuple):
    """The prompts of a batch as condition tokens.

    tokens: (B, n_tokens, d_context). null: the tokens of the negative prompts, or of the empty one;
    of the same shape. is_guided: bool (B,), on the CPU; False where both prompts are the same, so
    that guidance would change nothing.
    """

    tokens: Tensor
    null: Tensor
    is_guided: Tensor

    def between(self, before: Tensor, after: Tensor, share: Tensor) -> "Context":
        """Contexts on the straight line from image before (N,) to image after (N,): share (N,) of
        the way, 0 and 1 to the bit."""
        share = share.to(self.tokens).view(-1, 1, 1)
        mixed = (torch.lerp(tokens[before], tokens[after], share) for tokens in self[:2])
        return Context(*mixed, self.is_guided[before] | self.is_guided[after])


class Conditioning(nn.Module):
    """`read` validates cheaply, `encode` runs the network. `read` returns the prompts, then the
    negative prompts."""

    def read(
        self,
        prompts: Sequence[Prompt],
        negative: Sequence[Prompt] | None = None,
        style: Style | None = None,
    ) -> Any:
        """Raises InputError for what this model does not know."""
        raise NotImplementedError

    def encode(self, read: Any) -> Context:
        """Turn what `read` returns into a context."""
        raise NotImplementedError

    def says_something(self, prompts: Sequence[Prompt]) -> bool:
        """Whether any prompt is not empty; errors as for `read`."""
        raise NotImplementedError

    def context(self, *prompts: Sequence[Prompt] | None, style: Style | None = None) -> Context:
        """`read`, then `encode`."""
        return self.encode(self.read(*prompts, style=style))


class LabelConditioning(Conditioning):
    """A learned table: each class has n_tokens tokens, and so has "no label", the null condition
    of classifier-free guidance (Ho & Salimans 2022, sec. 3.2), in the last row."""

    def __init__(self, config: ConditioningConfig, d_context: int):
        super().__init__()
        self.config = config
        self.null_id = len(config.class_names)
        self.tokens = nn.Embedding(self.null_id + 1, config.n_tokens * d_context)

    def ids(self, prompts: Sequence[Prompt]) -> Tensor:
        """Class indices or None, one for each image -> ids int64 (B,), on the CPU.

        Raises InputError naming what is no class of this model, and where there is no prompt.
        """
        check_prompts(prompts)
        return torch.tensor([self._id(prompt) for prompt in prompts])

    def _id(self, prompt: Prompt) -> int:
        if isinstance(prompt, str):
            raise InputError(
                f"These weights know labels only, and no prompts such as {brief(prompt)}. Train "
                "new ones with train.py, in the repository: they learn words too."
            )
        label = check_label(prompt, self.config.class_names)
        return self.null_id if label is None else label

    def read(
        self,
        prompts: Sequence[Prompt],
        negative: Sequence[Prompt] | None = None,
        style: Style | None = None,
    ) -> Tensor:
        """ids int64 (2 B,), on the CPU; errors as for `ids`, and for any style."""
        if style:
            raise InputError("These weights know labels only, and no style.")
        return torch.cat([self.ids(prompts), self.ids(negative or [None] * len(prompts))])

    def encode(self, read: Tensor) -> Context:
        tokens = self(read.to(self.tokens.weight.device))
        positive, negative = read.chunk(2)
        return Context(*tokens.chunk(2), positive != negative)

    def says_something(self, prompts: Sequence[Prompt]) -> bool:
        return bool((self.ids(prompts) != self.null_id).any())

    def forward(self, ids: Tensor) -> Tensor:
        """ids (B,) -> context (B, n_tokens, d_context)."""
        return self.tokens(ids).unflatten(1, (self.config.n_tokens, -1))


def check_prompts(prompts: Sequence[Prompt]) -> None:
    """Raise InputError for no prompt, and for a text where a list of prompts is expected: its
    letters would be taken for prompts."""
    if isinstance(prompts, str):
        raise InputError(f"Prompts are a list with one for each image: [{prompts!r}].")
    if len(prompts) == 0:
        raise InputError("There is no prompt: give one label, prompt or None for each image.")


def check_label(label: Any, class_names: Sequence[str]) -> int | None:
    """Return a class index, or None for None and for -1, its form in .npz files; raises InputError
    naming the classes of this model."""
    if label is None:
        return None
    try:
        number = check_whole("label", label, -1, len(class_names) - 1)
    except InputError:
        names = ", ".join(f"{i} ({name})" for i, name in enumerate(class_names))
        message = f"label must be None or one of {names}, not {brief(label)}."
        raise InputError(message) from None
    return None if number == -1 else number
