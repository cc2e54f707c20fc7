"""Training: first the VAE, then the U-Net on the VAE's cached latents.

Two stages as in Rombach et al. 2022: the latents of the whole training set fit in memory, so after
the first stage no image is encoded again.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..config import TrainingConfig
from ..data.datasets import LabelledImages
from ..diffusion.noise_schedule import NoiseSchedule
from ..latent_diffusion import LatentDiffusion
from ..model.pixels import to_image
from ..model.unet import UNet
from ..model.vae import VAE, LatentDistribution, kl_divergence
from ..runtime.devices import mixed_precision
from .draws import batch_at, generator_at
from .loop import Budget, Run, TrainingResult, train

GRID_CLASSES = 26  # that a grid shows at most
NORMALISATION_IMAGES = 5000  # enough for two digits of a mean and a deviation per channel


def train_vae(
    model: LatentDiffusion,
    data: LabelledImages,
    budget: Budget,
    config: TrainingConfig,
    run: Run = Run(),
) -> TrainingResult:
    """Train `model.vae` on squared error + kl_weight * KL, then fix its normalisation."""
    vae, pixels = model.vae.train(), data.pixels.to(model.device)
    batch = config.vae_batch
    part = run.processes.part(batch)  # of every batch; draws are made for all of it
    latent = (batch, vae.config.latent_channels, 8, 8)

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

    result = train(
        vae,
        loss_at,
        budget,
        name="VAE",
        batch=batch,
        learning_rate=config.vae_learning_rate,
        weight_decay=0.0,
        ema_width=config.ema_width,
        matrices=hidden_matrices(vae),
        matrix_learning_rate=config.vae_matrix_learning_rate,
        run=run,
    )
    vae.eval()
    vae.set_normalisation(torch.zeros(1), torch.ones(1))
    some = torch.randperm(len(data.pixels), generator=torch.Generator().manual_seed(config.seed))
    latents = encode_dataset(model, data.pixels[some[:NORMALISATION_IMAGES]])
    variance = latents.mean.var(dim=(0, 2, 3)) + latents.std.square().mean(dim=(0, 2, 3))
    vae.set_normalisation(latents.mean.mean(dim=(0, 2, 3)), variance.sqrt())
    return result


@torch.inference_mode()
def encode_dataset(model: LatentDiffusion, pixels: Tensor, batch: int = 500) -> LatentDistribution:
    """The normalised latent distribution of every image: mean and std, each (N, 4, 8, 8)."""
    with mixed_precision(model.device):
        parts = [model.vae.encode(to_image(p.to(model.device))) for p in pixels.split(batch)]
    return LatentDistribution(*(torch.cat(field).float() for field in zip(*parts)))


def train_unet(
    model: LatentDiffusion,
    latents: LatentDistribution,
    asked: Sequence[int | None],
    budget: Budget,
    config: TrainingConfig,
    run: Run = Run(),
    compiled: bool = False,
) -> TrainingResult:
    """Train `model.unet` and `model.conditioning` on cached latents, dropping what is asked of some
    images at random.

    asked: for each latent, what `model.conditioning.ids` takes. compiled: by torch.compile, which
    takes a C++ compiler and minutes, and then saves time.
    """
    conditioning = model.conditioning
    ids = conditioning.ids(asked).to(model.device)
    # Its patterns make attention the fused one again, whose gradient is slow on a CPU.
    options = {"pattern_matcher": model.device.type != "cpu"}
    loss = torch.compile(v_loss, options=options) if compiled else v_loss
    part = run.processes.part(config.unet_batch)  # of every batch; draws are made for all of it

    def loss_at(step: int) -> Tensor:
        generator = generator_at(config.seed, step, model.device)
        draw = {"generator": generator, "device": model.device}
        indices = batch_at(step, len(ids), config.unet_batch, config.seed)
        mean, std = latents.mean[indices], latents.std[indices]
        z = mean + std * torch.randn(mean.shape, **draw)
        noise = torch.randn(mean.shape, **draw)
        t = training_times(torch.randn(len(z), **draw), config.time_shift, config.time_spread)
        dropped = torch.rand(len(z), **draw) < config.label_dropout
        kept = conditioning.drop(ids[indices], dropped)
        with mixed_precision(model.device):
            context = conditioning(kept[part])
            each = loss(model.unet, model.schedule, z[part], context, t[part], noise[part])
            return each.mean()

    learning = nn.ModuleList([model.unet.train(), model.conditioning.train()])
    result = train(
        learning,
        loss_at,
        budget,
        name="U-Net",
        batch=config.unet_batch,
        learning_rate=config.unet_learning_rate,
        weight_decay=config.weight_decay,
        ema_width=config.ema_width,
        matrices=hidden_matrices(model.unet),
        matrix_learning_rate=config.unet_matrix_learning_rate,
        run=run,
    )
    learning.eval()
    return result


def v_loss(
    unet: UNet, schedule: NoiseSchedule, z: Tensor, context: Tensor, t: Tensor, noise: Tensor
) -> Tensor:
    """Mean squared error of the v-prediction for each image, (B,) (Salimans & Ho 2022, sec. 4).

    z, noise (B, 4, 8, 8); context (B, n_tokens, d_context); t (B,).
    """
    prediction = unet(schedule.add_noise(z, noise, t), t, context)
    return (prediction - schedule.v_from_x_0(z, noise, t)).square().mean(dim=(1, 2, 3))


def sample_grid(model: LatentDiffusion, rows: int = 4) -> Tensor:
    """One column per class, from the same noise at every call: uint8 (rows * columns, 28, 28)."""
    labels = list(range(grid_columns(model))) * rows
    return model.generate(labels, seeds=range(len(labels)))


def grid_columns(model: LatentDiffusion) -> int:
    return min(len(model.class_names), GRID_CLASSES)


def reconstructions(model: LatentDiffusion, pixels: Tensor, columns: int = 10) -> Tensor:
    """Rows of originals, each above the row of its reconstructions: uint8 (2 N, 28, 28)."""
    decoded = model.decode(model.encode(pixels)).cpu()
    pairs = zip(pixels.split(columns), decoded.split(columns))
    return torch.cat([row for pair in pairs for row in pair])


def hidden_matrices(network: VAE | UNet) -> list[nn.Parameter]:
    """The weights that Muon trains: all but biases, scales, and what reads or writes images or
    latents, whose few channels are no matrix between features."""
    edges = {id(layer.weight) for layer in network.edges()}
    return [p for p in network.parameters() if p.dim() > 1 and id(p) not in edges]


def training_times(normal: Tensor, shift: float, spread: float) -> Tensor:
    """t = 1 / (1 + exp(-(shift + spread * normal))): logistic-normal (Esser et al. 2024, eq. 19,
    m = shift, s = spread)."""
    return torch.sigmoid(shift + spread * normal)


def reconstruction_psnr(model: LatentDiffusion, pixels: Tensor) -> float:
    """Peak signal-to-noise ratio of decode(encode(pixels)) in dB:
    10 log10(255^2 / mean squared error), over all pixels uint8 (N, 28, 28)."""
    error = 0.0
    for part in pixels.split(500):
        decoded = model.decode(model.encode(part)).cpu()
        error += (decoded.double() - part.double()).square().sum().item()
    return 10 * torch.tensor(255.0**2 * pixels.numel() / error).log10().item()
