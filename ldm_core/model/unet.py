"""The U-Net: noisy latent, time and condition tokens in; raw prediction out.

Ronneberger et al. 2015 for the shape, Ho et al. 2020 for its use in diffusion, Rombach et al. 2022
for the spatial transformers. It knows no schedule and no guidance.

    8x8  conv_in ─ down[0] ───────────── skip ──────────── up[0] ─ conv_out
                      └─ 4x4  down[1] ── skip ── up[1] ──────┘
                                 └─ mid_1 ─ mid_2 ┘
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import UNetConfig
from .attention import SpatialTransformer
from .inside import Inside, attending


def sinusoidal_embedding(t: Tensor, d: int) -> Tensor:
    """t (B,) in [0, 1] -> (B, d): cos and sin of 1000 t / 10000^(2i/d), i = 0 ... d/2 - 1
    (Vaswani et al. 2017, sec. 3.5, at the usual scale of a thousand times)."""
    angle = t.float()[:, None] * frequencies(d, t.device)
    return torch.cat([angle.cos(), angle.sin()], dim=1)


def frequencies(d: int, device: torch.device | None = None) -> Tensor:
    """1000 / 10000^(2i/d), i = 0 ... d/2 - 1: (d/2,)."""
    i = torch.arange(d // 2, device=device, dtype=torch.float32)
    return 1000 * torch.exp(-math.log(10000) * 2 * i / d)


class TimedResidualBlock(nn.Module):
    """Two convolutions; their result is added to the input (He et al. 2016). Between them the time
    embedding scales and shifts (Dhariwal & Nichol 2021, eq. 1), so that each block knows how noisy
    its input is. The second convolution starts at zero."""

    def __init__(self, in_channels: int, out_channels: int, d_time: int):
        super().__init__()
        self.norm_1 = nn.GroupNorm(16, in_channels)
        self.conv_1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.time = nn.Linear(d_time, 2 * out_channels)
        self.norm_2 = nn.GroupNorm(16, out_channels)
        self.conv_2 = nn.Conv2d(out_channels, out_channels, 3, padding=1)
        nn.init.zeros_(self.conv_2.weight)
        nn.init.zeros_(self.conv_2.bias)
        same = in_channels == out_channels
        self.skip = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """x (B, in_channels, H, W), time (B, d_time) -> (B, out_channels, H, W)."""
        h = self.conv_1(F.silu(self.norm_1(x)))
        scale, shift = self.time(time)[:, :, None, None].chunk(2, dim=1)
        h = self.norm_2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv_2(F.silu(h))


class Stage(nn.Module):
    """A residual block, and a spatial transformer if the stage attends: the U-Net has one stage at
    each resolution on the way down and on the way up, and one in the middle. name: of `stages`."""

    def __init__(self, in_channels: int, out_channels: int, config: UNetConfig, name: str):
        super().__init__()
        self.name = name
        self.residual = TimedResidualBlock(in_channels, out_channels, config.d_time)
        self.transformer = None
        if name in attending(config):
            self.transformer = SpatialTransformer(out_channels, config.d_head, config.d_context)

    def forward(
        self, x: Tensor, time: Tensor, context: Tensor, inside: Inside | None = None
    ) -> Tensor:
        h = self.residual(x, time)
        if self.transformer is not None:
            h = self.transformer(h, context, inside, self.name)
        if inside:
            inside.keep(f"features.{self.name}", h)
        return h


class UNet(nn.Module):
    """(x_t, t, context) -> raw prediction, of x_t's shape."""

    def __init__(self, config: UNetConfig = UNetConfig()):
        super().__init__()
        self.config = config
        channels, d_time = config.channels, config.d_time
        self.time_embedding = nn.Sequential(
            nn.Linear(d_time, d_time), nn.SiLU(), nn.Linear(d_time, d_time)
        )
        # The mean token is added to the time embedding, as the pooled text embedding is in SDXL
        # (Podell et al. 2023, sec. 2.1); cross-attention reads the tokens one by one.
        self.pooled_context = nn.Linear(config.d_context, d_time)
        self.conv_in = nn.Conv2d(config.latent_channels, channels[0], 3, padding=1)

        inputs = (channels[0], *channels[:-1])
        self.down = nn.ModuleList(
            Stage(i, o, config, f"down.{level}")
            for level, (i, o) in enumerate(zip(inputs, channels))
        )
        self.downsample = nn.ModuleList(
            nn.Conv2d(c, c, 3, stride=2, padding=1) for c in channels[:-1]
        )
        self.mid_1 = Stage(channels[-1], channels[-1], config, "mid")
        self.mid_2 = TimedResidualBlock(channels[-1], channels[-1], d_time)
        # In the order of `down`: up[0] is the finest. It takes twice the channels, since half of
        # them come from the skip connection.
        self.up = nn.ModuleList(
            Stage(2 * c, c, config, f"up.{level}") for level, c in enumerate(channels)
        )
        self.upsample = nn.ModuleList(
            nn.Conv2d(coarse, fine, 3, padding=1) for fine, coarse in zip(channels, channels[1:])
        )
        self.norm_out = nn.GroupNorm(16, channels[0])
        self.conv_out = nn.Conv2d(channels[0], config.latent_channels, 3, padding=1)
        nn.init.zeros_(self.conv_out.weight)
        nn.init.zeros_(self.conv_out.bias)

    def edges(self) -> list[nn.Conv2d]:
        """The layers that read or write a latent: one side has only a few channels."""
        return [self.conv_in, self.conv_out]

    def embed(self, t: Tensor) -> Tensor:
        """t (B,) in [0, 1] -> the time embedding (B, d_time)."""
        dtype = self.conv_in.weight.dtype
        return self.time_embedding(sinusoidal_embedding(t, self.config.d_time).to(dtype))

    def mean_embedding(self) -> Tensor:
        """The mean time embedding over t = 0, 0.001, ... 1, (1, d_time)."""
        t = torch.linspace(0, 1, 1001, device=self.conv_in.weight.device)
        *hidden, last = self.time_embedding
        h = sinusoidal_embedding(t, self.config.d_time).to(last.weight.dtype)
        for layer in hidden:
            h = layer(h)
        return last(h.mean(dim=0, keepdim=True))  # it is linear

    def forward(
        self, x_t: Tensor, t: Tensor, context: Tensor, inside: Inside | None = None
    ) -> Tensor:
        """x_t (B, 4, 8, 8), t (B,) in [0, 1], context (B, n_tokens, d_context) -> (B, 4, 8, 8).
        inside: what is off in this pass, and read of it."""
        time = self.embed(t)
        if inside:
            time = inside.gate("time", time, inside.mean_time)
        time = F.silu(time + self.pooled_context(context.mean(dim=1)))

        h, skips = self.conv_in(x_t), []
        for level, stage in enumerate(self.down):
            h = stage(h, time, context, inside)
            skips.append(inside.gate(f"skip.{level}", h) if inside else h)
            if level < len(self.downsample):
                h = self.downsample[level](h)
        h = self.mid_2(self.mid_1(h, time, context, inside), time)
        for level in reversed(range(len(self.up))):
            h = self.up[level](torch.cat([h, skips[level]], dim=1), time, context, inside)
            if level > 0:
                h = self.upsample[level - 1](F.interpolate(h, scale_factor=2.0))
        return self.conv_out(F.silu(self.norm_out(h)))
