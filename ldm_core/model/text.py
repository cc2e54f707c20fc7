"""The text encoder: prompts -> condition tokens. What CLIP does for Stable Diffusion is done here
by two layers, trained together with the U-Net.

A prompt is a row of positions. Each holds a word and a weight in [0, 1]; the rest of the weight
goes to the empty word. A style slider is such a word: at 0.7 of its way to "bold" it is a position
with "bold" of weight 0.7.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..checks import InputError, brief, check_number
from ..config import ConditioningConfig
from .attention import FeedForward, MultiHeadAttention
from .conditioning import Conditioning, Context, Prompt, Style, check_label, check_prompts
from .vocabulary import EMPTY, HIGH, LOW, Reading, Vocabulary

D_HEAD = 32


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


class TextEncoder(nn.Module):
    """Embeddings of words and of positions, then a transformer (Vaswani et al. 2017) that
    normalises before each layer. Every position reads every other, the empty ones too."""

    def __init__(self, n_rows: int, n_positions: int, n_layers: int, d_context: int):
        super().__init__()
        self.words = nn.Embedding(n_rows, d_context)
        self.places = nn.Embedding(n_positions, d_context)  # the name is that in the weights
        self.layers = nn.ModuleList(EncoderLayer(d_context) for _ in range(n_layers))
        self.norm = nn.LayerNorm(d_context)

    def forward(self, rows: Tensor, weights: Tensor) -> Tensor:
        """rows, weights (B, n_positions) -> context (B, n_positions, d_context).

        A word w of weight a has the embedding a E[w] + (1 - a) E[empty].
        """
        empty = self.words.weight[EMPTY]
        x = empty + weights[..., None] * (self.words(rows) - empty) + self.places.weight
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)

    def matrices(self) -> list[nn.Parameter]:
        """The matrices between features: all parameters but embeddings, scales and shifts."""
        return [p for p in self.layers.parameters() if p.dim() > 1]


class EncoderLayer(nn.Module):
    """Self-attention, then a feed-forward layer; each adds its result to its input."""

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
    """Prompts, in words or as a class, -> condition tokens."""

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
