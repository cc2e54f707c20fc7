"""The VAE: images (B, 1, 32, 32) in [-1, 1] <-> latents (B, 4, 8, 8) of about unit variance.

Kingma & Welling 2014, in the role it has in latent diffusion (Rombach et al. 2022, sec. 3.1).
Space-to-depth (Shi et al. 2016) replaces convolutions at full resolution: the page decodes every
denoising step, so decoding must be cheap.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import VAEConfig


class LatentDistribution(NamedTuple):
    """q(z | image): the mean and standard deviation of a diagonal Gaussian, each (B, 4, 8, 8)."""

    mean: Tensor
    std: Tensor


def kl_divergence(mean: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mean, exp(log_var)) || N(0, 1)) per image, in nats: (B,).

    (mean^2 + exp(log_var) - log_var - 1) / 2, summed over the latent
    (Kingma & Welling 2014, appendix B).
    """
    return 0.5 * (mean**2 + log_var.exp() - log_var - 1).sum(dim=(1, 2, 3))


class VAE(nn.Module):
    """Encoder and decoder. `encode` gives and `decode` takes *normalised* latents, so that no other
    code needs to know the scale that training gave them."""

    def __init__(self, config: VAEConfig = VAEConfig()):
        super().__init__()
        self.config = config
        width, wide, z = config.width, 2 * config.width, config.latent_channels
        self.encoder = nn.Sequential(
            nn.PixelUnshuffle(2),  # (B, 4, 16, 16)
            nn.Conv2d(4, width, 3, padding=1),
            ResidualBlock(width),
            nn.Conv2d(width, wide, 3, stride=2, padding=1),  # (B, wide, 8, 8)
            *[ResidualBlock(wide) for _ in range(config.n_blocks)],
            nn.GroupNorm(8, wide),
            nn.SiLU(),
            nn.Conv2d(wide, 2 * z, 3, padding=1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(z, wide, 3, padding=1),
            *[ResidualBlock(wide) for _ in range(config.n_blocks)],
            nn.Conv2d(wide, 4 * width, 1),
            nn.PixelShuffle(2),  # (B, width, 16, 16)
            ResidualBlock(width),
            nn.GroupNorm(8, width),
            nn.SiLU(),
            nn.Conv2d(width, 4, 3, padding=1),
            nn.PixelShuffle(2),  # (B, 1, 32, 32)
        )
        self.register_buffer("latent_mean", torch.zeros(1, z, 1, 1))
        self.register_buffer("latent_std", torch.ones(1, z, 1, 1))

    def posterior(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(mean, log-variance) of q(z | image) in the VAE's own scale, before normalisation."""
        mean, log_var = self.encoder(image).chunk(2, dim=1)
        # A deviation below exp(-10) or above exp(5) holds no information; it is a failing network.
        return mean, log_var.clamp(-20, 10)

    def encode(self, image: Tensor) -> LatentDistribution:
        """image (B, 1, 32, 32) in [-1, 1] -> distribution of its normalised latent."""
        mean, log_var = self.posterior(image)
        return LatentDistribution(
            (mean - self.latent_mean) / self.latent_std, (0.5 * log_var).exp() / self.latent_std
        )

    def decode(self, z: Tensor) -> Tensor:
        """Normalised latent (B, 4, 8, 8) -> image (B, 1, 32, 32), about [-1, 1] but not clipped."""
        return self.decoder(z * self.latent_std + self.latent_mean)

    def edges(self) -> list[nn.Conv2d]:
        """The layers that read or write an image or a latent: one side has only a few channels."""
        return [self.encoder[1], self.encoder[-1], self.decoder[0], self.decoder[-2]]

    def set_normalisation(self, mean: Tensor, std: Tensor) -> None:
        """Fix the per-channel mean and deviation (4,) of latents, in the VAE's own scale."""
        self.latent_mean.copy_(mean.view(1, -1, 1, 1))
        self.latent_std.copy_(std.view(1, -1, 1, 1))


class ResidualBlock(nn.Module):
    """Two convolutions; their result is added to the input (He et al. 2016)."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm_1 = nn.GroupNorm(8, channels)
        self.conv_1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm_2 = nn.GroupNorm(8, channels)
        self.conv_2 = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv_1(F.silu(self.norm_1(x)))
        return x + self.conv_2(F.silu(self.norm_2(h)))
