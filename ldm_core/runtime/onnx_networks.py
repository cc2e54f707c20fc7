"""The U-Net and the VAE's decoder as ONNX graphs, built from the modules and their weights.

The mathematics of `model/`, arranged for many runs with the same context:

- What depends on the context only is computed once, by `context_graph`. A score of
  cross-attention is q . k = (W_q x) . (W_k c) = x . (W_q^T W_k c), so the matrix of the queries is
  multiplied into the keys, and likewise that of the output into the values. Two small products of
  each layer remain.
- The conditions of guidance share x_t, so the layers before the first one that sees the condition
  run once for all of them.
"""

import numpy as np
import torch
from torch import nn

from ..config import IMAGE_SIDE, LATENT_SIDE
from ..model.attention import SpatialTransformer
from ..model.unet import TimedResidualBlock, UNet, frequencies
from ..model.vae import VAE, ResidualBlock
from .onnx_graph import Shape
from .onnx_layers import Layers


def context_graph(unet: UNet, n_tokens: int) -> bytes:
    """A model that takes context (N, n_tokens, d_context) and returns what `unet_graph` asks for:

    pooled (N, d_time), and per transformer i keys_i (N, C, heads n_tokens) and values_i
    (N, heads n_tokens, C).
    """
    graph = Layers()
    context = graph.input("context", ("N", n_tokens, unet.config.d_context))
    return graph.model(add_context(graph, context, unet, n_tokens))


def add_context(
    graph: Layers, context: str, unet: UNet, n_tokens: int
) -> dict[str, tuple[str, Shape]]:
    """What `context_graph` does, within a graph; returns its outputs, as for `Graph.model`."""
    mean = graph.add("ReduceMean", context, graph.constant(np.array([1])), keepdims=0)
    pooled = graph.gemm(mean, unet.pooled_context.weight, unet.pooled_context.bias)
    outputs = {"pooled": (pooled, ("N", unet.config.d_time))}
    for i, transformer in enumerate(_transformers(unet)):
        attention = transformer.cross_attention
        d_head, channels = attention.d_head, attention.to_q.in_features
        w_q, w_k, w_v = (
            layer.weight.unflatten(0, (-1, d_head))
            for layer in (attention.to_q, attention.to_k, attention.to_v)
        )
        w_out = attention.to_out.weight.unflatten(1, (-1, d_head))
        keys, values = (
            graph.reshape(graph.linear(context, matrices.flatten(0, 1)), 0, n_tokens, -1, channels)
            for matrices in (
                torch.einsum("hdc,hde->hce", w_q, w_k) / d_head**0.5,
                torch.einsum("chd,hde->hce", w_out, w_v),
            )
        )  # each (N, n_tokens, heads, C)
        keys = graph.add("Transpose", keys, perm=(0, 3, 2, 1))
        rows = channels // d_head * n_tokens
        outputs[f"keys_{i}"] = graph.reshape(keys, 0, channels, -1), ("N", channels, rows)
        values = graph.add("Transpose", values, perm=(0, 2, 1, 3))
        outputs[f"values_{i}"] = graph.reshape(values, 0, -1, channels), ("N", rows, channels)
    return outputs


def unet_graph(unet: UNet, n_tokens: int) -> bytes:
    """A model that takes x_t (B, 4, 8, 8), t (B,), and what `context_graph` makes of N contexts,
    N a multiple of B: of the whole batch for the first condition, then for the next, and so on.
    Returns "prediction" (N, 4, 8, 8)."""
    return _UNetGraph(unet, n_tokens).build()


def decoder_graph(vae: VAE) -> bytes:
    """A model that takes z (B, 4, 8, 8), normalised, and returns "image" (B, 1, 32, 32)."""
    graph, side = Layers(), LATENT_SIDE
    x = graph.input("z", ("B", vae.config.latent_channels, LATENT_SIDE, LATENT_SIDE))
    x = graph.add("Mul", x, graph.weights(vae.latent_std))
    x = graph.add("Add", x, graph.weights(vae.latent_mean))
    for layer in vae.decoder:
        if isinstance(layer, nn.Conv2d):
            x = graph.convolution(x, layer)
        elif isinstance(layer, nn.GroupNorm):
            x = graph.group_norm(x, layer, side)
        elif isinstance(layer, nn.SiLU):
            x = graph.silu(x)
        elif isinstance(layer, nn.PixelShuffle):
            x = graph.add("DepthToSpace", x, blocksize=layer.upscale_factor, mode="CRD")
            side *= layer.upscale_factor
        elif isinstance(layer, ResidualBlock):
            h = graph.convolution(graph.silu(graph.group_norm(x, layer.norm_1, side)), layer.conv_1)
            h = graph.convolution(graph.silu(graph.group_norm(h, layer.norm_2, side)), layer.conv_2)
            x = graph.add("Add", x, h)
        else:
            raise TypeError(f"decoder_graph does not know the layer {type(layer).__name__}.")
    return graph.model({"image": (x, ("B", 1, IMAGE_SIDE, IMAGE_SIDE))})


def _transformers(unet: UNet) -> list[SpatialTransformer]:
    """The transformers, in the order that all graphs use."""
    return [module for module in unet.modules() if isinstance(module, SpatialTransformer)]


class _UNetGraph(Layers):
    def __init__(self, unet: UNet, n_tokens: int):
        super().__init__()
        self.unet, self.n_tokens = unet, n_tokens
        self.numbers = {id(module): i for i, module in enumerate(_transformers(unet))}

    def build(self) -> bytes:
        unet = self.unet
        x_t = self.input("x_t", ("B", unet.config.latent_channels, LATENT_SIDE, LATENT_SIDE))
        t = self.input("t", ("B",))
        pooled = self.input("pooled", ("N", unet.config.d_time))
        sizes = (self.add("Shape", of, start=0, end=1) for of in (pooled, x_t))
        self.copies = self.add("Div", *sizes)
        self.time = self._time(t, pooled)

        h, side, skips = self.convolution(x_t, unet.conv_in), LATENT_SIDE, []
        for level, stage in enumerate(unet.down):
            h = self._stage(h, stage, side, shared=level == 0)
            skips.append(h)
            if level < len(unet.downsample):
                h, side = self.convolution(h, unet.downsample[level]), side // 2
        h = self._residual(self._stage(h, unet.mid_1, side), unet.mid_2, side)
        for level in reversed(range(len(unet.up))):
            h = self._stage(self.add("Concat", h, skips[level], axis=1), unet.up[level], side)
            if level > 0:
                h, side = self._twice_as_large(h), side * 2
                h = self.convolution(h, unet.upsample[level - 1])
        h = self.silu(self.group_norm(h, unet.norm_out, side))
        prediction = self.convolution(h, unet.conv_out)
        shape = ("N", unet.config.latent_channels, LATENT_SIDE, LATENT_SIDE)
        return self.model({"prediction": (prediction, shape)})

    def _time(self, t: str, pooled: str) -> str:
        """The time embedding with the pooled context, (N, d_time)."""
        first, _, second = self.unet.time_embedding
        t = self.reshape(t, -1, 1)
        angle = self.add("Mul", t, self.weights(frequencies(self.unet.config.d_time)))
        embedding = self.add("Concat", self.add("Cos", angle), self.add("Sin", angle), axis=1)
        h = self.silu(self.gemm(embedding, first.weight, first.bias))
        h = self._copied(self.gemm(h, second.weight, second.bias), 1)
        return self.silu(self.add("Add", h, pooled))

    def _copied(self, x: str, n_dims: int) -> str:
        """x (B, ...) with n_dims dimensions after the first -> (N, ...): a copy per condition."""
        ones = self.constant(np.ones(n_dims, np.int64))
        return self.add("Tile", x, self.add("Concat", self.copies, ones, axis=0))

    def _stage(self, x: str, stage, side: int, shared: bool = False) -> str:
        return self._transformer(
            self._residual(x, stage.residual, side, shared), stage.transformer, side
        )

    def _residual(self, x: str, block: TimedResidualBlock, side: int, shared: bool = False) -> str:
        """shared: x is (B, ...), the same for all conditions; the result is (N, ...) anyway."""
        h = self.convolution(self.silu(self.group_norm(x, block.norm_1, side)), block.conv_1)
        h = self.normalise(h, block.norm_2)
        if shared:
            x, h = self._copied(x, 3), self._copied(h, 2)
        # norm_2's own scale g and shift b go into the layer that makes those of the time:
        # (g h + b) (1 + scale) + shift = h (g (1 + scale)) + (b (1 + scale) + shift)
        gain, offset = block.norm_2.weight, block.norm_2.bias
        (w_scale, w_shift), (b_scale, b_shift) = (
            parameter.chunk(2) for parameter in (block.time.weight, block.time.bias)
        )
        scale = self.gemm(self.time, gain[:, None] * w_scale, gain * (1 + b_scale))
        weight, bias = offset[:, None] * w_scale + w_shift, offset * (1 + b_scale) + b_shift
        shift = self.gemm(self.time, weight, bias)
        scale, shift = (self.reshape(level, 0, -1, 1) for level in (scale, shift))
        h = self.add("Add", self.add("Mul", h, scale), shift)
        h = self.reshape(self.silu(h), 0, block.conv_2.in_channels, side, side)
        h = self.convolution(h, block.conv_2)
        skip = x if isinstance(block.skip, nn.Identity) else self.convolution(x, block.skip)
        return self.add("Add", h, skip)

    def _transformer(self, x: str, block: SpatialTransformer, side: int) -> str:
        channels = block.proj_in.in_features
        tokens = self.add("Transpose", self.group_norm(x, block.norm), perm=(0, 2, 1))
        h = self.linear(tokens, block.proj_in.weight, block.proj_in.bias)
        normed = self.layer_norm(h, block.norm_self)
        h = self.add("Add", h, self.self_attention(normed, block.self_attention))
        normed = self.layer_norm(h, block.norm_cross)
        h = self.add("Add", h, self._cross_attention(normed, block))
        normed = self.layer_norm(h, block.norm_feed_forward)
        h = self.add("Add", h, self.feed_forward(normed, block.feed_forward, side * side))
        # W h^T is the transpose of h W^T, already as a feature map.
        tokens = self.add("Transpose", h, perm=(0, 2, 1))
        y = self.add("MatMul", self.weights(block.proj_out.weight), tokens)
        y = self.add("Add", y, self.weights(block.proj_out.bias[:, None]))
        return self.add("Add", x, self.reshape(y, 0, channels, side, side))

    def _cross_attention(self, x: str, block: SpatialTransformer) -> str:
        attention, i = block.cross_attention, self.numbers[id(block)]
        channels = attention.to_q.in_features
        columns = channels // attention.d_head * self.n_tokens
        scores = self.add("MatMul", x, self.input(f"keys_{i}", ("N", channels, columns)))
        weights = self.add("Softmax", self.reshape(scores, 0, -1, self.n_tokens), axis=-1)
        weights = self.reshape(weights, 0, -1, columns)
        h = self.add("MatMul", weights, self.input(f"values_{i}", ("N", columns, channels)))
        return self.add("Add", h, self.weights(attention.to_out.bias))

    def _twice_as_large(self, x: str) -> str:
        """Each position becomes 2 x 2, as F.interpolate does it."""
        factors = self.constant(np.array([1, 1, 2, 2], np.float32))
        nearest = {"mode": "nearest", "nearest_mode": "floor"}
        return self.add(
            "Resize", x, "", factors, coordinate_transformation_mode="asymmetric", **nearest
        )
