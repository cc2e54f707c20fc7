"""The text encoder: words -> condition tokens. What CLIP does for Stable Diffusion is done here by
two layers, trained together with the U-Net."""

from torch import Tensor, nn

from .attention import FeedForward, MultiHeadAttention
from .vocabulary import EMPTY

D_HEAD = 32


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
