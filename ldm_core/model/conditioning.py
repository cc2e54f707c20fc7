"""Prompts -> condition tokens, the `context` of cross-attention. No other file knows what a prompt
may be.

A prompt is a row of positions. Each holds a word and a weight in [0, 1]; the rest of the weight
goes to the empty word. A style slider is such a word: at 0.7 of its way to "bold" it is a position
with "bold" of weight 0.7.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ..checks import InputError, brief, check_number, check_whole
from ..config import ConditioningConfig
from .text import TextEncoder
from .vocabulary import EMPTY, HIGH, LOW, Reading, Vocabulary

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


class Positions(NamedTuple):
    """Prompts as the text encoder reads them.

    rows: int64 (B, n_tokens), words as rows of the vocabulary. weights: float32 (B, n_tokens), how
    much each word counts, 0 to 1.
    """

    rows: Tensor
    weights: Tensor


Words = list[tuple[int, float]]  # for each position its word, as a row, and the weight


def as_positions(prompts: Sequence[Words], n_positions: int) -> Positions:
    """The words of each prompt, followed by empty positions."""
    filled = [words + [(EMPTY, 1.0)] * (n_positions - len(words)) for words in prompts]
    rows, weights = zip(*(zip(*words) for words in filled))
    return Positions(torch.tensor(rows), torch.tensor(weights))


class Conditioning(nn.Module):
    """Prompts -> condition tokens: `read` validates cheaply, `encode` runs the network."""

    def __init__(self, config: ConditioningConfig, d_context: int):
        super().__init__()
        self.config = config
        n_rows, n_positions = len(config.vocabulary), config.n_tokens
        self.vocabulary = Vocabulary(config.vocabulary, len(config.class_names), n_positions)
        self.encoder = TextEncoder(n_rows, n_positions, config.n_layers, d_context)

    def forward(self, rows: Tensor, weights: Tensor) -> Tensor:
        """rows, weights (B, n_tokens), as in `Positions` -> context (B, n_tokens, d_context)."""
        return self.encoder(rows, weights)

    def positions(self, prompts: Sequence[Prompt], style: Style | None = None) -> Positions:
        """Read the prompt of each image, on the CPU.

        A class is the prompt of its name; None is the empty prompt. style: for all images; 0 says
        nothing, and 1 or -1 the same as the word. Raises InputError for what this model does not
        know, and where a prompt and style differ about a property.
        """
        check_prompts(prompts)
        style = self._checked(style)
        names = self.config.class_names
        prompts = [p if isinstance(p, str) else check_label(p, names) for p in prompts]
        words = {prompt: self._words(prompt, style) for prompt in dict.fromkeys(prompts)}
        return as_positions([words[prompt] for prompt in prompts], self.config.n_tokens)

    def read(
        self,
        prompts: Sequence[Prompt],
        negative: Sequence[Prompt] | None = None,
        style: Style | None = None,
    ) -> Positions:
        """The positions of 2 B prompts, on the CPU; errors as for `positions`."""
        negative = self.positions(negative or [None] * len(prompts))
        return Positions(*map(torch.cat, zip(self.positions(prompts, style), negative)))

    def encode(self, read: Positions) -> Context:
        """Run the encoder once, on each different prompt once."""
        both = torch.stack([part.double() for part in read], dim=-1)
        different, which = both.unique(dim=0, return_inverse=True)
        device = self.encoder.words.weight.device
        rows, weights = different.to(device).unbind(-1)
        tokens = self(rows.long(), weights.float())[which.to(device)]
        positive, negative = which.chunk(2)
        return Context(*tokens.chunk(2), positive != negative)

    def says_something(self, prompts: Sequence[Prompt]) -> bool:
        return bool((self.positions(prompts).rows != EMPTY).any())

    def _words(self, prompt: Prompt, style: Style) -> Words:
        """The words of a prompt; those of style come last, where they do not break a sentence."""
        vocabulary, n_positions = self.vocabulary, self.config.n_tokens
        if isinstance(prompt, str):
            reading = vocabulary.read(prompt)
        else:
            rows = () if prompt is None else (vocabulary.class_row(prompt),)
            reading = Reading(rows, prompt, {})
        words = [(row, 1.0) for row in reading.rows]
        for name, value in style.items():
            if reading.style.get(name) == value:
                continue
            if name in reading.style:
                said = vocabulary.write(vocabulary.phrases(name, reading.style[name])[0])
                raise InputError(
                    f"The prompt says {said}, and style says {name} {value:g}: leave one out."
                )
            phrase = vocabulary.phrases(name, HIGH if value > 0 else LOW)[0]
            words += [(row, abs(value)) for row in phrase]
        if len(words) > n_positions:
            raise InputError(
                f"The prompt and its style have {len(words)} words together, and there is room for "
                f"{n_positions}. Take a shorter prompt."
            )
        return words

    def _checked(self, style: Style | None) -> Style:
        known = self.vocabulary.styles
        if not isinstance(style, Mapping | None):
            raise InputError(
                f'style must be a dictionary such as {{"stroke": 1}}, not {brief(style)}.'
            )
        for name in style or {}:
            if name not in known:
                raise InputError(
                    f"style may have {', '.join(known) or 'nothing'}, not {brief(name)}."
                )
        checked = {n: check_number(f"style {n}", a, -1, 1) for n, a in (style or {}).items()}
        return {name: checked[name] for name in known if checked.get(name)}  # always in one order


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
