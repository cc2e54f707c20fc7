"""The text encoder: prompts -> condition tokens. What CLIP does for Stable Diffusion is done here
by two layers, trained together with the U-Net.

A prompt is a row of places. Each place holds a word and the amount to which it counts, from 0 to 1;
what is missing to 1 is the empty place. A style slider is such a word: at 0.7 of its way to "bold"
it is a place with "bold" that counts by 0.7.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..checks import InputError, brief, check_number
from ..config import ConditioningConfig
from .attention import FeedForward, MultiHeadAttention
from .conditioning import Conditioning, Context, Prompt, Style, check_asked, check_label
from .vocabulary import EMPTY, HIGH, LOW, Reading, Vocabulary

D_HEAD = 32


class Places(NamedTuple):
    """Prompts as the text encoder reads them.

    rows: int64 (B, n_tokens), words as rows of the vocabulary. amounts: float32 (B, n_tokens), by
    how much each counts, 0 to 1.
    """

    rows: Tensor
    amounts: Tensor


Words = list[tuple[int, float]]  # the word, as a row, and the amount of each place


def as_places(each: Sequence[Words], n_places: int) -> Places:
    """The words of each prompt, the rest of its places empty."""
    filled = [words + [(EMPTY, 1.0)] * (n_places - len(words)) for words in each]
    rows, amounts = zip(*(zip(*words) for words in filled))
    return Places(torch.tensor(rows), torch.tensor(amounts))


class TextEncoder(nn.Module):
    """Embeddings of words and of places, then a transformer (Vaswani et al. 2017) that normalises
    before each layer. Every place reads every other, the empty ones too."""

    def __init__(self, n_rows: int, n_places: int, n_layers: int, d_context: int):
        super().__init__()
        self.words = nn.Embedding(n_rows, d_context)
        self.places = nn.Embedding(n_places, d_context)
        self.layers = nn.ModuleList(EncoderLayer(d_context) for _ in range(n_layers))
        self.norm = nn.LayerNorm(d_context)

    def forward(self, rows: Tensor, amounts: Tensor) -> Tensor:
        """rows, amounts (B, n_places) -> context (B, n_places, d_context).

        A word w that counts by a has the embedding a E[w] + (1 - a) E[empty].
        """
        empty = self.words.weight[EMPTY]
        x = empty + amounts[..., None] * (self.words(rows) - empty) + self.places.weight
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)

    def matrices(self) -> list[nn.Parameter]:
        """The weights that lead from features to features: all but embeddings, scales, shifts."""
        return [p for p in self.layers.parameters() if p.dim() > 1]


class EncoderLayer(nn.Module):
    """Self-attention, then a feed-forward layer; the result of each is added to its input."""

    def __init__(self, d_model: int):
        super().__init__()
        self.norm_attention = nn.LayerNorm(d_model)
        self.attention = MultiHeadAttention(d_model, D_HEAD)
        self.norm_feed_forward = nn.LayerNorm(d_model)
        self.feed_forward = FeedForward(d_model)

    def forward(self, x: Tensor) -> Tensor:
        """x (B, n, d_model) -> the same."""
        normed = self.norm_attention(x)
        x = x + self.attention(normed, normed)
        return x + self.feed_forward(self.norm_feed_forward(x))


class TextConditioning(Conditioning):
    """What is asked, in words or as a class, -> condition tokens."""

    def __init__(self, config: ConditioningConfig, d_context: int):
        super().__init__()
        self.config = config
        n_rows, n_places = len(config.vocabulary), config.n_tokens
        self.vocabulary = Vocabulary(config.vocabulary, len(config.class_names), n_places)
        self.encoder = TextEncoder(n_rows, n_places, config.n_layers, d_context)

    def forward(self, rows: Tensor, amounts: Tensor) -> Tensor:
        """rows, amounts (B, n_tokens), as in `Places` -> context (B, n_tokens, d_context)."""
        return self.encoder(rows, amounts)

    def places(self, asked: Sequence[Prompt], style: Style | None = None) -> Places:
        """What people ask of each image -> its places, on the CPU.

        A class is the prompt of its name; None is the empty prompt. style is said of all images;
        0 says nothing, and 1 or -1 the same as the word. Raises InputError for what this model does
        not know, and where a prompt and style differ about a property.
        """
        check_asked(asked)
        style = self._checked(style)
        names = self.config.class_names
        asked = [one if isinstance(one, str) else check_label(one, names) for one in asked]
        each = {one: self._words(one, style) for one in dict.fromkeys(asked)}
        return as_places([each[one] for one in asked], self.config.n_tokens)

    def read(
        self,
        asked: Sequence[Prompt],
        negative: Sequence[Prompt] | None = None,
        style: Style | None = None,
    ) -> Places:
        """2 B places, on the CPU; errors as for `places`."""
        away = self.places(negative or [None] * len(asked))
        return Places(*map(torch.cat, zip(self.places(asked, style), away)))

    def encode(self, places: Places) -> Context:
        """The encoder runs once, and reads each different prompt once."""
        both = torch.stack([part.double() for part in places], dim=-1)
        different, which = both.unique(dim=0, return_inverse=True)
        device = self.encoder.words.weight.device
        rows, amounts = different.to(device).unbind(-1)
        tokens = self(rows.long(), amounts.float())[which.to(device)]
        positive, away = which.chunk(2)
        return Context(*tokens.chunk(2), positive != away)

    def says_something(self, asked: Sequence[Prompt]) -> bool:
        return bool((self.places(asked).rows != EMPTY).any())

    def _words(self, asked: Prompt, style: Style) -> Words:
        """The words of a prompt. Those of style come last, where they are not in the way of a
        sentence."""
        vocabulary, n_places = self.vocabulary, self.config.n_tokens
        if isinstance(asked, str):
            reading = vocabulary.read(asked)
        else:
            rows = () if asked is None else (vocabulary.class_row(asked),)
            reading = Reading(rows, asked, {})
        words = [(row, 1.0) for row in reading.rows]
        for name, amount in style.items():
            if reading.style.get(name) == amount:
                continue
            if name in reading.style:
                said = vocabulary.write(vocabulary.phrases(name, reading.style[name])[0])
                raise InputError(
                    f"The prompt says {said}, and style says {name} {amount:g}: leave one out."
                )
            phrase = vocabulary.phrases(name, HIGH if amount > 0 else LOW)[0]
            words += [(row, abs(amount)) for row in phrase]
        if len(words) > n_places:
            raise InputError(
                f"The prompt and its style have {len(words)} words together, and there is room for "
                f"{n_places}. Take a shorter prompt."
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
