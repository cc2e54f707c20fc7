"""What is learned, one class for each: the VAE, the U-Net with the text encoder, the classifier
that judges samples. Each class reads in the order of its training: the module, the data, the loss
of a step, the optimisers, pictures of its progress, and its checkpoint."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..config import LATENT_SIDE, ClassifierConfig, ModelConfig, TrainingConfig
from ..data.captions import Captions
from ..data.datasets import LabelledImages
from ..data.morphometrics import measure
from ..diffusion.noise_schedule import NoiseSchedule
from ..diffusion.settings import SamplingSettings
from ..evaluation.classifier import Classifier
from ..evaluation.metrics import psnr
from ..evaluation.samples import reconstructions
from ..files.checkpoint import fingerprint, save_module
from ..files.weights import save_unet, save_vae
from ..latent_diffusion import LatentDiffusion
from ..model.pixels import to_image
from ..model.unet import UNet
from ..model.vae import VAE, LatentDistribution, kl_divergence
from ..model.vocabulary import EMPTY
from ..runtime.devices import mixed_precision
from ..runtime.processes import ALONE, Processes
from .draws import batch_at, chance_at, generator_at
from .optimisers import Optimisers, hidden_matrices
from .state import Learner

NORMALISATION_IMAGES = 5000  # enough for two digits of a mean and a deviation per channel
GRID_IMAGES, GRID_COLUMNS = 40, 10  # of a grid of reconstructions
GRID_ROWS, GRID_CLASSES = 4, 26  # of a grid of samples, at most
DROPOUT = 0.3  # share of the classifier's features
LABEL_SMOOTHING = 0.05
# Steps of the U-Net. Measured were trainings of 760 (three minutes), 3,000 (ten) and 18,000.
SHORT, SHORTEST = 6000, 1500


@dataclass(frozen=True)
class Materials:
    """What the stages of a run are made from. load_vae, load_teacher: read the VAE, and the whole
    model without a student, of the output folder. enough_pairs(n): whether a student needs no more
    than the n pairs that there are; they are kept in pairs_file, with the length of the run."""

    data: LabelledImages
    test: LabelledImages
    model: ModelConfig
    config: TrainingConfig
    device: torch.device
    load_vae: Callable[[], VAE]
    compiled: bool = False
    load_teacher: Callable[[], LatentDiffusion] | None = None
    enough_pairs: Callable[[int], bool] | None = None
    pairs_file: Path | None = None
    length: str = ""
    processes: Processes = ALONE


class Stage:
    """One stage of a run. Making one makes its module, with initial weights from the run's seed.

    module: what learns. batch: examples of a step. share: of the time that is left, if others
    follow. animated: its grids become the training animation. compiled: it is compiled.
    """

    name: str
    module: nn.Module
    batch: int
    share, animated, compiled = 1.0, False, False

    def __init__(self, materials: Materials):
        self.materials, self.config = materials, materials.config
        self.device, self.data = materials.device, materials.data

    def settings(self) -> dict[str, Any]:
        """The configuration that must be the same for the stage to be resumed, or count as done."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Make from the data what steps need."""

    def loss_at(self, step: int) -> Tensor:
        """The loss of step 0, 1, ..., the mean over this process's part of the batch."""
        raise NotImplementedError

    def optimisers(self) -> Optimisers:
        raise NotImplementedError

    def learner(self) -> Learner:
        """The module and all that steps change, before the first step."""
        optimisers, width = self.optimisers(), self.config.ema_width
        return Learner(self.name, self.module, self.loss_at, self.batch, optimisers, width)

    def draw(self) -> tuple[Tensor, int] | None:
        """The pictures of a progress grid, uint8 (N, 28, 28), and its columns; None: no grid."""
        return None

    def finish(self, steps: int) -> dict[str, float]:
        """Complete the module after its last step; returns figures for the checkpoint's record."""
        return {}

    def save(self, path: Path, record: dict[str, Any]) -> None:
        """Write the checkpoint."""
        raise NotImplementedError

    def _draws_at(self, step: int) -> tuple[slice, dict[str, Any], Tensor]:
        """Of a step: this process's part of the batch, arguments of random functions, and the
        indices of its examples. Draws are made for the whole batch, so that they are the same for
        any number of processes."""
        generator = generator_at(self.config.seed, step, self.device)
        indices = batch_at(step, len(self.data.pixels), self.batch, self.config.seed)
        part = self.materials.processes.part(self.batch)
        return part, {"generator": generator, "device": self.device}, indices


class VAEStage(Stage):
    """The VAE, as in Rombach et al. 2022: squared error + kl_weight * KL."""

    name = "vae"
    share = 0.08  # of ten minutes, enough for 32 dB

    def __init__(self, materials: Materials):
        super().__init__(materials)
        self.batch = self.config.vae_batch
        torch.manual_seed(self.config.seed)
        self.model = LatentDiffusion(materials.model).to(self.device)
        self.module = self.vae = self.model.vae

    def settings(self) -> dict[str, Any]:
        return {"vae": self.vae.config.to_dict()}

    def prepare(self) -> None:
        self.pixels = self.data.pixels.to(self.device)
        test = self.materials.test.pixels
        # Spread over all of them, so that all classes are shown, also where they are sorted.
        self.shown = test[torch.linspace(0, len(test) - 1, min(GRID_IMAGES, len(test))).long()]

    def loss_at(self, step: int) -> Tensor:
        part, random, indices = self._draws_at(step)
        image = to_image(self.pixels[indices[part]])
        latent = (self.batch, self.vae.config.latent_channels, LATENT_SIDE, LATENT_SIDE)
        noise = torch.randn(latent, **random)[part]
        with mixed_precision(self.device):
            mean, log_var = self.vae.posterior(image)
            mean, log_var = mean.float(), log_var.float()
            decoded = self.vae.decoder(mean + (0.5 * log_var).exp() * noise)
        squared_error = (decoded.float() - image).square().sum(dim=(1, 2, 3))
        loss = squared_error + self.config.kl_weight * kl_divergence(mean, log_var)
        return loss.mean() / image[0].numel()

    def optimisers(self) -> Optimisers:
        return Optimisers(
            self.vae,
            self.config.vae_learning_rate,
            weight_decay=0.0,
            matrices=hidden_matrices(self.vae),
            matrix_learning_rate=self.config.vae_matrix_learning_rate,
        )

    def draw(self) -> tuple[Tensor, int]:
        """Rows of originals, each above the row of its reconstructions."""
        columns = min(GRID_COLUMNS, len(self.shown))
        decoded = self.model.decode(self.model.encode(self.shown)).cpu()
        pairs = zip(self.shown.split(columns), decoded.split(columns))
        return torch.cat([row for pair in pairs for row in pair]), columns

    def finish(self, steps: int) -> dict[str, float]:
        generator = torch.Generator().manual_seed(self.config.seed)
        some = torch.randperm(len(self.pixels), generator=generator)[:NORMALISATION_IMAGES]
        fix_normalisation(self.model, self.data.pixels[some])
        test = self.materials.test.pixels
        return {"test_psnr_db": round(psnr(reconstructions(self.model, test), test), 2)}

    def save(self, path: Path, record: dict[str, Any]) -> None:
        save_vae(path, self.vae, record)


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


class UNetStage(Stage):
    """The U-Net and the text encoder, on latents that the VAE has made beforehand: those of a whole
    training set fit in memory, so no image is encoded twice."""

    name = "unet"
    animated = True

    def __init__(self, materials: Materials):
        super().__init__(materials)
        self.batch, self.compiled = self.config.unet_batch, materials.compiled
        torch.manual_seed(self.config.seed + 1)
        # To make a VAE draws from the same generator, even where its weights are then read from a
        # file: so the order of these two lines is part of what a seed means.
        vae = materials.load_vae()
        self.model = LatentDiffusion.around(vae, materials.model.to_dict()).to(self.device)
        self.module = nn.ModuleList([self.model.unet, self.model.conditioning])
        self.vae_fingerprint = fingerprint(vae)
        self.loss = v_loss
        if self.compiled:
            # The compiler's pattern matcher recognises the attention that we write out, and
            # replaces it by the fused one, whose gradient is slow on a CPU: steps then take 1.43
            # times as long.
            options = {"pattern_matcher": self.device.type != "cpu"}
            self.loss = torch.compile(v_loss, options=options)

    def settings(self) -> dict[str, Any]:
        return self.materials.model.to_dict() | {"vae": self.vae_fingerprint}

    def prepare(self) -> None:
        pixels, labels = self.data.pixels, self.data.labels.tolist()
        self.latents = encode_dataset(self.model, pixels)
        self.captions = Captions(self.model.vocabulary, labels, measure(pixels))

    def loss_at(self, step: int) -> Tensor:
        """Captions are sampled afresh in every step; some are left out, for guidance."""
        config, model = self.config, self.model
        part, random, indices = self._draws_at(step)
        mean, std = self.latents.mean[indices], self.latents.std[indices]
        z = mean + std * torch.randn(mean.shape, **random)
        noise = torch.randn(mean.shape, **random)
        t = training_times(torch.randn(len(z), **random), config.time_shift, config.time_spread)
        dropped = torch.rand(len(z), **random) < config.caption_dropout
        drawn = self.captions.draw(indices.tolist(), chance_at(config.seed, step, stream=2))
        rows, amounts = (part_of.to(self.device) for part_of in drawn)
        rows = rows.masked_fill(dropped[:, None], EMPTY)
        with mixed_precision(self.device):
            context = model.conditioning(rows[part], amounts[part])
            each = self.loss(model.unet, model.schedule, z[part], context, t[part], noise[part])
            return each.mean()

    def optimisers(self) -> Optimisers:
        unet, conditioning = self.module
        return Optimisers(
            self.module,
            self.config.unet_learning_rate,
            weight_decay=self.config.weight_decay,
            matrices=(*hidden_matrices(unet), *conditioning.encoder.matrices()),
            matrix_learning_rate=self.config.unet_matrix_learning_rate,
        )

    def draw(self) -> tuple[Tensor, int]:
        """A column for each class, from the same noise at every call."""
        classes = range(min(len(self.model.class_names), GRID_CLASSES))
        labels = [*classes] * GRID_ROWS
        return self.model.generate(labels, seeds=range(len(labels))), len(classes)

    def finish(self, steps: int) -> dict[str, float]:
        # Not before: the grids of one run are all drawn with the same settings.
        self.model.defaults = suited_defaults(steps)
        return {}

    def save(self, path: Path, record: dict[str, Any]) -> None:
        save_unet(path, self.model, record)


def v_loss(
    unet: UNet, schedule: NoiseSchedule, z: Tensor, context: Tensor, t: Tensor, noise: Tensor
) -> Tensor:
    """Mean squared error of the v-prediction for each image, (B,) (Salimans & Ho 2022, sec. 4).

    z, noise (B, 4, 8, 8); context (B, n_tokens, d_context); t (B,).
    """
    prediction = unet(schedule.add_noise(z, noise, t), t, context)
    return (prediction - schedule.v_from_x_0(z, noise, t)).square().mean(dim=(1, 2, 3))


def training_times(normal: Tensor, shift: float, spread: float) -> Tensor:
    """t = 1 / (1 + exp(-(shift + spread * normal))): logistic-normal (Esser et al. 2024, eq. 19,
    m = shift, s = spread)."""
    return torch.sigmoid(shift + spread * normal)


def suited_defaults(steps: int) -> SamplingSettings:
    """The default settings of a model whose U-Net was trained for `steps` steps.

    Measured on MNIST (docs/training-log.md): the shorter the training, the more guidance it takes
    until digits are read as their label. Below SHORT steps it begins earlier, where a digit is
    decided; a longer training would lose variety by that.
    """
    settings = SamplingSettings(sampler="unipc", steps=16, guidance_scale=3.5)
    if steps >= SHORT:
        return settings
    scale = 3.6 if steps >= SHORTEST else 4.0
    return replace(settings, guidance_scale=scale, guidance_interval=(0.55, 0.8))


class ClassifierStage(Stage):
    """The judge of samples, on real images that are randomly rotated, scaled and shifted."""

    name = "classifier"

    def __init__(self, materials: Materials):
        super().__init__(materials)
        self.batch = self.config.classifier_batch
        torch.manual_seed(self.config.seed + 2)
        config = ClassifierConfig(self.data.class_names)
        self.module = self.classifier = Classifier(config).to(self.device)

    def settings(self) -> dict[str, Any]:
        return self.classifier.config.to_dict()

    def prepare(self) -> None:
        self.pixels, self.labels = (x.to(self.device) for x in self.data[:2])

    def loss_at(self, step: int) -> Tensor:
        part, random, indices = self._draws_at(step)
        augmented = augment(self.pixels[indices].float(), random)[part]
        # Not nn.Dropout, whose draws would depend on more than seed and step.
        shape = (self.batch, self.classifier.config.d_features)
        kept = (torch.rand(shape, **random) >= DROPOUT)[part]
        with mixed_precision(self.device):
            features = self.classifier.features(augmented) * kept / (1 - DROPOUT)
            logits = self.classifier.head(features).float()
        wanted = self.labels[indices][part]
        return F.cross_entropy(logits, wanted, label_smoothing=LABEL_SMOOTHING)

    def optimisers(self) -> Optimisers:
        config = self.config
        return Optimisers(self.module, config.classifier_learning_rate, config.weight_decay)

    def finish(self, steps: int) -> dict[str, float]:
        test = self.materials.test
        predicted = self.classifier.judge(test.pixels)[1].cpu()
        return {"test_accuracy": round((predicted == test.labels).double().mean().item(), 4)}

    def save(self, path: Path, record: dict[str, Any]) -> None:
        save_module(path, "classifier", self.classifier, record)


def augment(pixels: Tensor, random: dict[str, Any]) -> Tensor:
    """Rotate by up to 10 degrees, scale by up to 10 % and shift by up to 2 pixels."""
    spread = torch.tensor([0.17, 0.1, 0.14, 0.14], device=pixels.device)
    angle, scale, dx, dy = ((torch.rand(len(pixels), 4, **random) * 2 - 1) * spread).T
    cos, sin = angle.cos() * (1 + scale), angle.sin() * (1 + scale)
    matrix = torch.stack([torch.stack([cos, -sin, dx], 1), torch.stack([sin, cos, dy], 1)], 1)
    grid = F.affine_grid(matrix, [len(pixels), 1, *pixels.shape[1:]], align_corners=False)
    return F.grid_sample(pixels.unsqueeze(1), grid, align_corners=False)[:, 0]
