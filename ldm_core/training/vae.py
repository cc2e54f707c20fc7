"""Training of the VAE: the first stage, as in Rombach et al. 2022."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..config import LATENT_SIDE, TrainingConfig
from ..data.datasets import LabelledImages
from ..files.weights import save_vae
from ..latent_diffusion import LatentDiffusion
from ..model.pixels import to_image
from ..model.vae import LatentDistribution, kl_divergence
from ..runtime.devices import mixed_precision
from .budget import Budget
from .draws import batch_at, generator_at
from .loop import LoopOptions, Training, TrainingResult, train
from .optimisers import OptimiserSettings, hidden_matrices
from .stage import Materials, TrainingStage

NORMALISATION_IMAGES = 5000  # enough for two digits of a mean and a deviation per channel
GRID_IMAGES, GRID_COLUMNS = 40, 10


class VAEStage(TrainingStage):
    name = "vae"
    share = 0.08  # of ten minutes, enough for 32 dB

    def __init__(self, materials: Materials):
        self.materials = materials
        torch.manual_seed(materials.config.seed)
        self.model = LatentDiffusion(materials.model).to(materials.device)
        pixels = materials.test.pixels
        # Spread over all of them, so that all classes are shown, also where they are sorted.
        indices = torch.linspace(0, len(pixels) - 1, min(GRID_IMAGES, len(pixels))).long()
        self.shown = pixels[indices]
        self.columns = min(GRID_COLUMNS, len(self.shown))

    def model_settings(self) -> dict[str, Any]:
        return {"vae": self.materials.model.vae.to_dict()}

    def train(self, budget: Budget, options: LoopOptions) -> TrainingResult:
        return train_vae(self.model, self.materials.data, budget, self.materials.config, options)

    def draw(self) -> Tensor:
        return reconstructions(self.model, self.shown, self.columns)

    def quality(self) -> dict[str, float]:
        psnr = reconstruction_psnr(self.model, self.materials.test.pixels)
        return {"test_psnr_db": round(psnr, 2)}

    def save(self, path: Path, training: dict[str, Any]) -> None:
        save_vae(path, self.model.vae, training)


def train_vae(
    model: LatentDiffusion,
    data: LabelledImages,
    budget: Budget,
    config: TrainingConfig,
    options: LoopOptions = LoopOptions(),
) -> TrainingResult:
    """Train `model.vae` on squared error + kl_weight * KL, then fix its normalisation."""
    vae, pixels = model.vae.train(), data.pixels.to(model.device)
    batch = config.vae_batch
    part = options.processes.part(batch)  # of every batch; draws are made for all of it
    latent = (batch, vae.config.latent_channels, LATENT_SIDE, LATENT_SIDE)

    def loss_at(step: int) -> Tensor:
        generator = generator_at(config.seed, step, model.device)
        image = to_image(pixels[batch_at(step, len(pixels), batch, config.seed)[part]])
        noise = torch.randn(latent, generator=generator, device=model.device)[part]
        with mixed_precision(model.device):
            mean, log_var = vae.posterior(image)
            mean, log_var = mean.float(), log_var.float()
            decoded = vae.decoder(mean + (0.5 * log_var).exp() * noise)
        squared_error = (decoded.float() - image).square().sum(dim=(1, 2, 3))
        loss = squared_error + config.kl_weight * kl_divergence(mean, log_var)
        return loss.mean() / image[0].numel()

    optimisers = OptimiserSettings(
        config.vae_learning_rate,
        weight_decay=0.0,
        matrices=hidden_matrices(vae),
        matrix_learning_rate=config.vae_matrix_learning_rate,
    )
    training = Training("VAE", vae, loss_at, batch, optimisers, config.ema_width)
    result = train(training, budget, options)
    vae.eval()
    generator = torch.Generator().manual_seed(config.seed)
    some = torch.randperm(len(data.pixels), generator=generator)[:NORMALISATION_IMAGES]
    fix_normalisation(model, data.pixels[some])
    return result


def fix_normalisation(model: LatentDiffusion, pixels: Tensor) -> None:
    """Set mean and deviation of the VAE's latents to those of `pixels`, uint8 (N, 28, 28)."""
    model.vae.set_normalisation(torch.zeros(1), torch.ones(1))
    latents = encode_dataset(model, pixels)
    variance = latents.mean.var(dim=(0, 2, 3)) + latents.std.square().mean(dim=(0, 2, 3))
    model.vae.set_normalisation(latents.mean.mean(dim=(0, 2, 3)), variance.sqrt())


@torch.inference_mode()
def encode_dataset(model: LatentDiffusion, pixels: Tensor, batch: int = 500) -> LatentDistribution:
    """The normalised latent distribution of every image: mean and std, each (N, 4, 8, 8)."""
    with mixed_precision(model.device):
        parts = [model.vae.encode(to_image(p.to(model.device))) for p in pixels.split(batch)]
    return LatentDistribution(*(torch.cat(field).float() for field in zip(*parts)))


def reconstructions(model: LatentDiffusion, pixels: Tensor, columns: int) -> Tensor:
    """Rows of originals, each above the row of its reconstructions: uint8 (2 N, 28, 28)."""
    decoded = model.decode(model.encode(pixels)).cpu()
    pairs = zip(pixels.split(columns), decoded.split(columns))
    return torch.cat([row for pair in pairs for row in pair])


def reconstruction_psnr(model: LatentDiffusion, pixels: Tensor) -> float:
    """Peak signal-to-noise ratio of decode(encode(pixels)) in dB:
    10 log10(255^2 / mean squared error), over all pixels uint8 (N, 28, 28)."""
    error = 0.0
    for part in pixels.split(500):
        decoded = model.decode(model.encode(part)).cpu()
        error += (decoded.double() - part.double()).square().sum().item()
    return 10 * torch.tensor(255.0**2 * pixels.numel() / error).log10().item()
