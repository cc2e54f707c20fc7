"""The VAE of the miniature Stable Diffusion as a model of diffusers."""

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from torch import Tensor

from ...config import VAEConfig
from ...model.pixels import to_image, to_pixels
from ...model.vae import VAE


class MiniatureVAE(ModelMixin, ConfigMixin):
    """Images (B, 1, 32, 32) in [-1, 1] <-> latents (B, 4, 8, 8), called as `AutoencoderKL` is.

    Latents are normalised here: there is no scaling factor to multiply by.
    """

    @register_to_config
    def __init__(self, latent_channels: int = 4, width: int = 48, n_blocks: int = 2):
        super().__init__()
        self.model = VAE(VAEConfig(latent_channels, width, n_blocks))

    def encode(self, image: Tensor, return_dict: bool = True) -> AutoencoderKLOutput | tuple:
        """image (B, 1, 32, 32) -> `.latent_dist`, the Gaussian of its latent."""
        mean, std = self.model.encode(image)
        latent_dist = DiagonalGaussianDistribution(torch.cat([mean, 2 * std.log()], dim=1))
        return AutoencoderKLOutput(latent_dist=latent_dist) if return_dict else (latent_dist,)

    def decode(self, z: Tensor, return_dict: bool = True) -> DecoderOutput | tuple:
        """z (B, 4, 8, 8) -> `.sample`, the image (B, 1, 32, 32), about [-1, 1] but not clipped."""
        image = self.model.decode(z)
        return DecoderOutput(sample=image) if return_dict else (image,)

    @staticmethod
    def to_image(pixels: Tensor) -> Tensor:
        """uint8 (B, 28, 28), as people see them -> image (B, 1, 32, 32), as `encode` takes it."""
        return to_image(pixels)

    @staticmethod
    def to_pixels(image: Tensor) -> Tensor:
        """image (B, 1, 32, 32), as `decode` gives it -> uint8 (B, 28, 28), as people see them."""
        return to_pixels(image)
