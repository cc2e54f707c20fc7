"""What is asked -> condition tokens, the `context` of cross-attention.

Here for models that know labels only; `text.py` is for those that know words. Nothing outside the
two knows what can be asked.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..checks import InputError, brief, check_whole
from ..config import ConditioningConfig

Prompt = int | str | None  # a class index (-1 is None too), a prompt, or nothing
Style = Mapping[str, float]  # a property -> an amount from -1 to 1


class Context(NamedTuple):
    """What each image of a batch is asked to show, as condition tokens.

    tokens: (B, n_tokens, d_context). null: the tokens that guidance leads away from, of nothing or
    of the negative prompt; of the same shape. is_guided: bool (B,), on the CPU; False where both
    ask the same, so that guidance would change nothing.
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
    """Reading is cheap, and refuses what cannot be asked; encoding runs a network. Reading gives
    what encoding takes: of each image what is asked, then of each what it is led away from."""

    def read(
        self,
        asked: Sequence[Prompt],
        negative: Sequence[Prompt] | None = None,
        style: Style | None = None,
    ) -> Any:
        """Raises InputError for what this model does not know."""
        raise NotImplementedError

    def encode(self, prompts: Any) -> Context:
        """What sampling needs of what `read` gives."""
        raise NotImplementedError

    def says_something(self, asked: Sequence[Prompt]) -> bool:
        """Whether anything is asked of any image; errors as for `read`."""
        raise NotImplementedError

    def context(self, *asked: Sequence[Prompt] | None, style: Style | None = None) -> Context:
        """Read and encode at once."""
        return self.encode(self.read(*asked, style=style))


class LabelConditioning(Conditioning):
    """A learned table: each class has n_tokens tokens, and so has "no label", the null condition
    of classifier-free guidance (Ho & Salimans 2022, sec. 3.2), in the last row."""

    def __init__(self, config: ConditioningConfig, d_context: int):
        super().__init__()
        self.config = config
        self.null_id = len(config.class_names)
        self.tokens = nn.Embedding(self.null_id + 1, config.n_tokens * d_context)

    def ids(self, asked: Sequence[Prompt]) -> Tensor:
        """What people ask, one class index or None for each image -> ids int64 (B,), on the CPU.

        Raises InputError naming what is no class of this model, and where there is nothing at all.
        """
        check_asked(asked)
        return torch.tensor([self._id(one) for one in asked])

    def _id(self, asked: Prompt) -> int:
        if isinstance(asked, str):
            raise InputError(
                f"These weights know labels only, and no prompts such as {brief(asked)}. Train new "
                "ones with train.py, which learn words too."
            )
        label = check_label(asked, self.config.class_names)
        return self.null_id if label is None else label

    def read(
        self,
        asked: Sequence[Prompt],
        negative: Sequence[Prompt] | None = None,
        style: Style | None = None,
    ) -> Tensor:
        """ids int64 (2 B,), on the CPU; errors as for `ids`, and for any style."""
        if style:
            raise InputError("These weights know labels only, and no style.")
        return torch.cat([self.ids(asked), self.ids(negative or [None] * len(asked))])

    def encode(self, ids: Tensor) -> Context:
        tokens = self(ids.to(self.tokens.weight.device))
        positive, away = ids.chunk(2)
        return Context(*tokens.chunk(2), positive != away)

    def says_something(self, asked: Sequence[Prompt]) -> bool:
        return bool((self.ids(asked) != self.null_id).any())

    def forward(self, ids: Tensor) -> Tensor:
        """ids (B,) -> context (B, n_tokens, d_context)."""
        return self.tokens(ids).unflatten(1, (self.config.n_tokens, -1))


def check_asked(asked: Sequence[Prompt]) -> None:
    """Raise InputError where there is nothing at all, and for a prompt that stands alone: it would
    be taken for as many prompts as it has letters."""
    if isinstance(asked, str):
        raise InputError(f"What is asked is a list with something for each image: [{asked!r}].")
    if len(asked) == 0:
        raise InputError("Nothing is asked: give one label, prompt or None for each image.")


def check_label(label: Any, class_names: Sequence[str]) -> int | None:
    """A class index, or None for None and for -1, which stands for it in the arrays of an .npz
    file; raises InputError naming what is no class of this model."""
    if label is None:
        return None
    try:
        number = check_whole("label", label, -1, len(class_names) - 1)
    except InputError:
        names = ", ".join(f"{i} ({name})" for i, name in enumerate(class_names))
        message = f"label must be None or one of {names}, not {brief(label)}."
        raise InputError(message) from None
    return None if number == -1 else number
