"""The layers that all our networks consist of, as operations of an ONNX graph.

Feature maps are (B, C, H W), as convolutions want them; tokens are (B, n, C).

The operations are plain ones: ONNX Runtime itself fuses a transposition with the product beside it,
a sigmoid with its product, an addition with its convolution.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from ..model.attention import FeedForward, MultiHeadAttention
from .onnx_graph import Graph


class Accuracy(NamedTuple):
    """Of weights in a small file: matrices and kernels are rounded to multiples of 2^-bits of their
    root mean square. bits is `narrow` for layers that read or write at most NARROW channels, and
    `wide` for the others, where a weight has less effect."""

    narrow: int
    wide: int


NARROW = 64
SMALL = 3000  # numbers; smaller tensors are never rounded: scales, biases, ends of a network


class Layers(Graph):
    """accuracy: None for weights as they are."""

    def __init__(self, accuracy: Accuracy | None = None):
        super().__init__()
        self.accuracy = accuracy

    def weights(self, tensor: Tensor) -> str:
        array = tensor.detach().float().cpu().numpy()
        if self.accuracy is None or array.size < SMALL or not array.any():
            return self.constant(array)
        bits = self.accuracy.narrow if min(array.shape[:2]) <= NARROW else self.accuracy.wide
        # A power of two, so that nothing else is rounded.
        step = 2.0 ** (round(math.log2(np.sqrt(np.mean(array**2)))) - bits)
        return self.constant((np.rint(array / step) * step + 0.0).astype(np.float32))  # no -0.0

    def reshape(self, x: str, *shape: int) -> str:
        """0 keeps a size; -1 is inferred."""
        return self.add("Reshape", x, self.constant(np.array(shape)))

    def convolution(self, x: str, layer: nn.Conv2d) -> str:
        options = {"kernel_shape": layer.kernel_size, "strides": layer.stride}
        weights = self.weights(layer.weight), self.weights(layer.bias)
        return self.add("Conv", x, *weights, pads=layer.padding * 2, **options)

    def linear(self, x: str, weight: Tensor, bias: Tensor | None = None) -> str:
        """x (B, n, in) -> (B, n, out)."""
        y = self.add("MatMul", x, self.weights(weight.T))
        return y if bias is None else self.add("Add", y, self.weights(bias))

    def gemm(self, x: str, weight: Tensor, bias: Tensor) -> str:
        """x (rows, in) -> (rows, out). Faster than `linear` with a bias, where x is a matrix."""
        return self.add("Gemm", x, self.weights(weight.T), self.weights(bias))

    def silu(self, x: str) -> str:
        return self.add("Mul", x, self.add("Sigmoid", x))

    def normalise(self, x: str, layer: nn.GroupNorm) -> str:
        """A group norm without its scale and shift: x (B, C, H, W) -> (B, C, H W).

        A group is an instance of a map of its own; GroupNormalization would be split up."""
        groups = self.reshape(x, 0, layer.num_groups, -1)
        ones = torch.ones(layer.num_groups)
        affine = self.weights(ones), self.weights(0 * ones)
        y = self.add("InstanceNormalization", groups, *affine, epsilon=layer.eps)
        return self.reshape(y, 0, layer.num_channels, -1)

    def group_norm(self, x: str, layer: nn.GroupNorm, side: int | None = None) -> str:
        """x (B, C, side, side) -> the same, or (B, C, H W) without a side."""
        y = self.add("Mul", self.normalise(x, layer), self.weights(layer.weight[:, None]))
        y = self.add("Add", y, self.weights(layer.bias[:, None]))
        return y if side is None else self.reshape(y, 0, layer.num_channels, side, side)

    def layer_norm(self, x: str, layer: nn.LayerNorm) -> str:
        affine = self.weights(layer.weight), self.weights(layer.bias)
        return self.add("LayerNormalization", x, *affine, epsilon=layer.eps)

    def self_attention(
        self,
        x: str,
        attention: MultiHeadAttention,
        n: int,
        keep: Callable[[str], None] | None = None,
    ) -> str:
        """x (N, n, C) -> the same. keep: gets the attention weights (N, heads, n, n)."""
        q, k, v = (
            self.linear(x, layer.weight)
            for layer in (attention.to_q, attention.to_k, attention.to_v)
        )
        channels = attention.to_q.out_features
        heads = channels // attention.d_head
        options = {"q_num_heads": heads, "kv_num_heads": heads}
        if keep is None:
            h = self.add("Attention", q, k, v, **options)
        else:  # its fourth output, after the softmax
            options["qk_matmul_output_mode"] = 3
            h, weights = self.add_several("Attention", (q, k, v), (0, 3), **options)
            keep(weights)
        return self.linear(h, attention.to_out.weight, attention.to_out.bias)

    def feed_forward(self, x: str, layer: FeedForward, n: int) -> str:
        """x (N, n, C) -> the same."""
        channels = layer.to_out.out_features
        rows = self.reshape(x, -1, channels)
        value, gate = (
            self.gemm(rows, weight, bias)
            for weight, bias in zip(layer.to_hidden.weight.chunk(2), layer.to_hidden.bias.chunk(2))
        )
        hidden = self.add("Mul", value, self.add("Gelu", gate))
        y = self.gemm(hidden, layer.to_out.weight, layer.to_out.bias)
        return self.reshape(y, -1, n, channels)
