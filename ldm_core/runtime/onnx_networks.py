"""The U-Net and the two halves of the VAE as ONNX graphs, built from the modules and their weights.

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
from ..model.inside import gates
from ..model.unet import TimedResidualBlock, UNet, frequencies
from ..model.vae import VAE, ResidualBlock
from .onnx_graph import Shape
from .onnx_layers import Accuracy, Layers


def context_graph(unet: UNet, n_tokens: int) -> bytes:
    """A model that takes context (N, n_tokens, d_context) and returns what `unet_graph` asks for,
    by the names and in the shapes of `context_shapes`."""
    graph = Layers()
    context = graph.input("context", ("N", n_tokens, unet.config.d_context))
    return graph.model(add_context(graph, context, unet, n_tokens))


def context_shapes(unet: UNet, n_tokens: int) -> dict[str, Shape]:
    """What the U-Net asks of N contexts: "pooled" (N, d_time), and for each transformer i "keys_i"
    (N, C, heads n_tokens) and "values_i" (N, heads n_tokens, C)."""
    shapes = {"pooled": ("N", unet.config.d_time)}
    for i, transformer in enumerate(_transformers(unet)):
        channels = transformer.cross_attention.to_q.in_features
        columns = channels // transformer.cross_attention.d_head * n_tokens
        shapes[f"keys_{i}"] = ("N", channels, columns)
        shapes[f"values_{i}"] = ("N", columns, channels)
    return shapes


def add_context(
    graph: Layers, context: str, unet: UNet, n_tokens: int
) -> dict[str, tuple[str, Shape]]:
    """What `context_graph` does, within a graph; returns its outputs, as for `Graph.model`."""
    # The mean is a product, because ReduceMean adds up in another order where N is 1: an image
    # alone would be another than in a batch, by the last bit.
    shares = graph.weights(torch.full((1, n_tokens), 1 / n_tokens))
    mean = graph.reshape(graph.add("MatMul", shares, context), 0, -1)
    pooled = graph.gemm(mean, unet.pooled_context.weight, unet.pooled_context.bias)
    tensors = [pooled]
    for transformer in _transformers(unet):
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
        values = graph.add("Transpose", values, perm=(0, 2, 1, 3))
        tensors += [graph.reshape(keys, 0, channels, -1), graph.reshape(values, 0, -1, channels)]
    shapes = context_shapes(unet, n_tokens)
    return {name: (tensor, shapes[name]) for name, tensor in zip(shapes, tensors, strict=True)}


def unet_graph(
    unet: UNet,
    n_tokens: int,
    accuracy: Accuracy | None = None,
    *,
    inside: bool = False,
    elsewhere: dict[bytes, tuple[str, int]] | None = None,
) -> bytes:
    """A model that takes x_t (B, 4, 8, 8), t (B,), and what `context_graph` makes of N contexts,
    N a multiple of B: of the whole batch for the first condition, then for the next, and so on.
    Returns "prediction" (N, 4, 8, 8).

    inside: it also takes "on" (N, n_gates), 0 for what is off and else 1, and returns all readings,
    (N, ...) (see `model/inside.py`). elsewhere: weights that stand in a file already, their bytes
    with the name of the file and the place."""
    graph = _UNetGraph(unet, n_tokens, accuracy, inside)
    graph.elsewhere = elsewhere or {}
    return graph.build()


def decoder_graph(vae: VAE, accuracy: Accuracy | None = None) -> bytes:
    """A model that takes z (B, 4, 8, 8), normalised, and returns "image" (B, 1, 32, 32)."""
    graph = Layers(accuracy)
    x = graph.input("z", ("B", vae.config.latent_channels, LATENT_SIDE, LATENT_SIDE))
    x = graph.add("Mul", x, graph.weights(vae.latent_std))
    x = graph.add("Add", x, graph.weights(vae.latent_mean))
    x = _add_layers(graph, x, vae.decoder, LATENT_SIDE)
    return graph.model({"image": (x, ("B", 1, IMAGE_SIDE, IMAGE_SIDE))})


def encoder_graph(vae: VAE, accuracy: Accuracy | None = None) -> bytes:
    """A model that takes image (B, 1, 32, 32) and returns "z" (B, 4, 8, 8): the mean latents,
    normalised."""
    graph, channels = Layers(accuracy), vae.config.latent_channels
    x = graph.input("image", ("B", 1, IMAGE_SIDE, IMAGE_SIDE))
    x = _add_layers(graph, x, vae.encoder, IMAGE_SIDE)
    first, axis = graph.constant([0]), graph.constant([1])
    mean = graph.add("Slice", x, first, graph.constant([channels]), axis)  # the rest: log-variances
    mean = graph.add("Sub", mean, graph.weights(vae.latent_mean))
    z = graph.add("Div", mean, graph.weights(vae.latent_std))
    return graph.model({"z": (z, ("B", channels, LATENT_SIDE, LATENT_SIDE))})


def _add_layers(graph: Layers, x: str, layers: nn.Sequential, side: int) -> str:
    """The layers of the VAE, one after the other, on x (B, C, side, side)."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            x = graph.convolution(x, layer)
            side //= layer.stride[0]
        elif isinstance(layer, nn.GroupNorm):
            x = graph.group_norm(x, layer, side)
        elif isinstance(layer, nn.SiLU):
            x = graph.silu(x)
        elif isinstance(layer, nn.PixelUnshuffle):  # of one channel: of several, the orders differ
            x = graph.add("SpaceToDepth", x, blocksize=layer.downscale_factor)
            side //= layer.downscale_factor
        elif isinstance(layer, nn.PixelShuffle):
            x = graph.add("DepthToSpace", x, blocksize=layer.upscale_factor, mode="CRD")
            side *= layer.upscale_factor
        elif isinstance(layer, ResidualBlock):
            h = graph.convolution(graph.silu(graph.group_norm(x, layer.norm_1, side)), layer.conv_1)
            h = graph.convolution(graph.silu(graph.group_norm(h, layer.norm_2, side)), layer.conv_2)
            x = graph.add("Add", x, h)
        else:
            raise TypeError(f"No graph knows the layer {type(layer).__name__}.")
    return x


def _transformers(unet: UNet) -> list[SpatialTransformer]:
    """The transformers, in the order that all graphs use."""
    return [module for module in unet.modules() if isinstance(module, SpatialTransformer)]


class _UNetGraph(Layers):
    def __init__(self, unet: UNet, n_tokens: int, accuracy: Accuracy | None, inside: bool):
        super().__init__(accuracy)
        self.unet, self.n_tokens = unet, n_tokens
        self.gates = gates(unet.config) if inside else ()
        self.on = self.input("on", ("N", len(self.gates))) if inside else None
        self.readings: dict[str, tuple[str, Shape]] = {}
        self.shapes = context_shapes(unet, n_tokens)
        self.numbers = {id(module): i for i, module in enumerate(_transformers(unet))}

    def build(self) -> bytes:
        unet = self.unet
        x_t = self.input("x_t", ("B", unet.config.latent_channels, LATENT_SIDE, LATENT_SIDE))
        t = self.input("t", ("B",))
        pooled = self._context("pooled")
        sizes = (self.add("Shape", of, start=0, end=1) for of in (pooled, x_t))
        self.copies = self.add("Div", *sizes)
        self.time = self._time(t, pooled)

        h, side, skips = self.convolution(x_t, unet.conv_in), LATENT_SIDE, []
        for level, stage in enumerate(unet.down):
            h = self._stage(h, stage, side, shared=level == 0)
            skips.append(self._gated(f"skip.{level}", h, 4))
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
        return self.model({"prediction": (prediction, shape)} | self.readings)

    def _gated(self, name: str, h: str, n_dims: int) -> str:
        """h (N, ...), n_dims in all, times the gate of that name where there are gates."""
        return self.add("Mul", h, self._gate(name, n_dims)) if self.gates else h

    def _gate(self, name: str, n_dims: int) -> str:
        index = self.constant(np.array(self.gates.index(name)))
        gate = self.add("Gather", self.on, index, axis=1)
        return self.reshape(gate, -1, *[1] * (n_dims - 1))

    def _keep(self, name: str, tensor: str, *shape: int) -> None:
        if self.gates:
            self.readings[name] = tensor, ("N", *shape)

    def _time(self, t: str, pooled: str) -> str:
        """The time embedding with the pooled context, (N, d_time)."""
        first, _, second = self.unet.time_embedding
        t = self.reshape(t, -1, 1)
        angle = self.add("Mul", t, self.weights(frequencies(self.unet.config.d_time)))
        embedding = self.add("Concat", self.add("Cos", angle), self.add("Sin", angle), axis=1)
        h = self.silu(self.gemm(embedding, first.weight, first.bias))
        h = self._copied(self.gemm(h, second.weight, second.bias), 1)
        if self.gates:
            on, mean = self._gate("time", 2), self.weights(self.unet.mean_embedding())
            h = self.add("Add", mean, self.add("Mul", on, self.add("Sub", h, mean)))
        return self.silu(self.add("Add", h, pooled))

    def _copied(self, x: str, n_dims: int) -> str:
        """x (B, ...) with n_dims dimensions after the first -> (N, ...): a copy per condition."""
        ones = self.constant(np.ones(n_dims, np.int64))
        return self.add("Tile", x, self.add("Concat", self.copies, ones, axis=0))

    def _stage(self, x: str, stage, side: int, shared: bool = False) -> str:
        h = self._residual(x, stage.residual, side, shared)
        if stage.transformer is not None:
            h = self._transformer(h, stage.transformer, side, stage.name)
        self._keep(f"features.{stage.name}", h, stage.residual.conv_2.out_channels, side, side)
        return h

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

    def _transformer(self, x: str, block: SpatialTransformer, side: int, stage: str) -> str:
        channels, n = block.proj_in.in_features, side * side
        heads = channels // block.self_attention.d_head
        read = lambda weights: self._keep(f"attention.self.{stage}", weights, heads, n, n)
        keep = read if self.gates else None
        tokens = self.add("Transpose", self.group_norm(x, block.norm), perm=(0, 2, 1))
        h = self.linear(tokens, block.proj_in.weight, block.proj_in.bias)
        normed = self.layer_norm(h, block.norm_self)
        attended = self.self_attention(normed, block.self_attention, n, keep)
        h = self.add("Add", h, self._gated(f"self_attention.{stage}", attended, 3))
        normed = self.layer_norm(h, block.norm_cross)
        attended = self._cross_attention(normed, block, n, stage)
        h = self.add("Add", h, self._gated(f"cross_attention.{stage}", attended, 3))
        normed = self.layer_norm(h, block.norm_feed_forward)
        h = self.add("Add", h, self.feed_forward(normed, block.feed_forward, n))
        # W h^T is the transpose of h W^T, already as a feature map.
        tokens = self.add("Transpose", h, perm=(0, 2, 1))
        y = self.add("MatMul", self.weights(block.proj_out.weight), tokens)
        y = self.add("Add", y, self.weights(block.proj_out.bias[:, None]))
        return self.add("Add", x, self.reshape(y, 0, channels, side, side))

    def _cross_attention(self, x: str, block: SpatialTransformer, n: int, stage: str) -> str:
        i = self.numbers[id(block)]
        columns = self.shapes[f"keys_{i}"][-1]
        scores = self.add("MatMul", x, self._context(f"keys_{i}"))
        weights = self.add("Softmax", self.reshape(scores, 0, -1, self.n_tokens), axis=-1)
        if self.gates:
            heads = columns // self.n_tokens
            by_head = self.reshape(weights, 0, n, heads, self.n_tokens)
            by_head = self.add("Transpose", by_head, perm=(0, 2, 1, 3))
            self._keep(f"attention.cross.{stage}", by_head, heads, n, self.n_tokens)
        weights = self.reshape(weights, 0, -1, columns)
        h = self.add("MatMul", weights, self._context(f"values_{i}"))
        return self.add("Add", h, self.weights(block.cross_attention.to_out.bias))

    def _context(self, name: str) -> str:
        return self.input(name, self.shapes[name])

    def _twice_as_large(self, x: str) -> str:
        """Each position becomes 2 x 2, as F.interpolate does it."""
        factors = self.constant(np.array([1, 1, 2, 2], np.float32))
        nearest = {"mode": "nearest", "nearest_mode": "floor"}
        return self.add(
            "Resize", x, "", factors, coordinate_transformation_mode="asymmetric", **nearest
        )
