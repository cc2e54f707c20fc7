"""Multi-head attention and the spatial transformer of latent diffusion.

Vaswani et al. 2017; Rombach et al. 2022, sec. 3.3 and appendix E.2.1.
"""

import math
from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import InputError
from .inside import Inside


class MultiHeadAttention(nn.Module):
    """softmax(q k^T / sqrt(d_head)) v in each head (Vaswani et al. 2017, eq. 1), heads joined by a
    linear layer. Queries come from x, keys and values from context: self-attention is x twice.

    d_model: channels of x, a multiple of d_head. d_context: channels of context. The softmax is a
    separate module, so that a forward hook on it reads the attention weights.
    """

    def __init__(self, d_model: int, d_head: int, d_context: int | None = None):
        super().__init__()
        if d_model % d_head:
            raise InputError(f"d_model {d_model} must be a multiple of d_head {d_head}.")
        d_context = d_context or d_model
        self.d_head = d_head
        self.to_q = nn.Linear(d_model, d_model, bias=False)
        self.to_k = nn.Linear(d_context, d_model, bias=False)
        self.to_v = nn.Linear(d_context, d_model, bias=False)
        self.softmax = nn.Softmax(dim=-1)
        self.to_out = nn.Linear(d_model, d_model)

    def forward(
        self, x: Tensor, context: Tensor, keep: Callable[[Tensor], None] | None = None
    ) -> Tensor:
        """x (B, n, d_model), context (B, m, d_context) -> (B, n, d_model). keep: gets the attention
        weights (B, heads, n, m)."""
        q, k, v = self.to_q(x), self.to_k(context), self.to_v(context)
        q, k, v = self._heads(q), self._heads(k), self._heads(v)
        # Written out: with at most 64 tokens, fused attention is no faster, and on a CPU its
        # gradient in bfloat16 takes longer than the rest of the network.
        weights = self.softmax(q @ k.mT / math.sqrt(self.d_head))  # (B, heads, n, m)
        if keep:
            keep(weights)
        return self.to_out((weights @ v).transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        """(B, n, d_model) -> (B, heads, n, d_head)."""
        return x.unflatten(-1, (-1, self.d_head)).transpose(1, 2)


class FeedForward(nn.Module):
    """GEGLU (Shazeer 2020, eq. 6): (x W) * GELU(x V), then back to d_model."""

    def __init__(self, d_model: int, expansion: int = 4):
        super().__init__()
        self.to_hidden = nn.Linear(d_model, 2 * expansion * d_model)
        self.to_out = nn.Linear(expansion * d_model, d_model)

    def forward(self, x: Tensor) -> Tensor:
        # Two products, not the halves of one: their results are contiguous in memory.
        halves = zip(self.to_hidden.weight.chunk(2), self.to_hidden.bias.chunk(2))
        value, gate = (F.linear(x, weight, bias) for weight, bias in halves)
        return self.to_out(value * F.gelu(gate))


class SpatialTransformer(nn.Module):
    """Lets every position of a feature map look at every other (self-attention) and at the
    condition tokens (cross-attention); then a feed-forward layer works on each position.

    Positions become tokens, (B, C, H, W) -> (B, H W, C), and back. The last layer starts at zero,
    so that a new block is the identity.
    """

    def __init__(self, channels: int, d_head: int, d_context: int):
        super().__init__()
        self.norm = nn.GroupNorm(16, channels)
        self.proj_in = nn.Linear(channels, channels)
        self.norm_self = nn.LayerNorm(channels)
        self.self_attention = MultiHeadAttention(channels, d_head)
        self.norm_cross = nn.LayerNorm(channels)
        self.cross_attention = MultiHeadAttention(channels, d_head, d_context)
        self.norm_feed_forward = nn.LayerNorm(channels)
        self.feed_forward = FeedForward(channels)
        self.proj_out = nn.Linear(channels, channels)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(
        self, x: Tensor, context: Tensor, inside: Inside | None = None, stage: str = ""
    ) -> Tensor:
        """x (B, C, H, W), context (B, n_tokens, d_context) -> (B, C, H, W). stage: its name for
        `inside`."""
        h = self.proj_in(self.norm(x).flatten(2).transpose(1, 2))
        normed = self.norm_self(h)
        h = h + self._attended("self", self.self_attention, normed, normed, inside, stage)
        normed = self.norm_cross(h)
        h = h + self._attended("cross", self.cross_attention, normed, context, inside, stage)
        h = h + self.feed_forward(self.norm_feed_forward(h))
        return x + self.proj_out(h).transpose(1, 2).unflatten(2, x.shape[2:])

    @staticmethod
    def _attended(
        kind: str, attention: nn.Module, x: Tensor, context: Tensor, inside: Inside, stage: str
    ) -> Tensor:
        if inside is None:
            return attention(x, context)
        keep = partial(inside.keep, f"attention.{kind}.{stage}")
        return inside.gate(f"{kind}_attention.{stage}", attention(x, context, keep))
