"""Training of the U-Net and of the text encoder, on latents that the VAE has made beforehand.

The latents of a whole training set fit in memory, so no image is encoded twice.
"""

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..checks import InputError
from ..config import TrainingConfig
from ..data.captions import Captions
from ..data.morphometrics import measure
from ..diffusion.noise_schedule import NoiseSchedule
from ..files.checkpoint import fingerprint
from ..files.weights import save_unet, weights_of
from ..latent_diffusion import LatentDiffusion
from ..model.unet import UNet
from ..model.vae import LatentDistribution
from ..model.vocabulary import EMPTY
from ..runtime.devices import mixed_precision
from .budget import Budget
from .defaults import suited_defaults
from .draws import batch_at, chance_at, generator_at
from .loop import LoopOptions, Training, TrainingResult, train
from .optimisers import OptimiserSettings, hidden_matrices
from .stage import Materials, TrainingStage
from .vae import encode_dataset

GRID_ROWS, GRID_CLASSES = 4, 26  # of a progress grid, at most


class UNetStage(TrainingStage):
    name = "unet"
    animated = True
    compiles = True

    def __init__(self, materials: Materials):
        self.materials = materials
        torch.manual_seed(materials.config.seed + 1)
        # To make a VAE draws from the same generator, even where its weights are then read from a
        # file: so the order of these two lines is part of what a seed means.
        vae = materials.load_vae()
        self.model = LatentDiffusion.around(vae, materials.model.to_dict()).to(materials.device)
        self.vae_fingerprint = fingerprint(vae)
        self.columns = len(shown_classes(self.model))

    def model_settings(self) -> dict[str, Any]:
        return self.materials.model.to_dict() | {"vae": self.vae_fingerprint}

    def prepare(self) -> None:
        data, vocabulary = self.materials.data, self.model.conditioning.vocabulary
        self.latents = encode_dataset(self.model, data.pixels)
        self.captions = Captions(vocabulary, data.labels.tolist(), measure(data.pixels))

    def train(self, budget: Budget, options: LoopOptions) -> TrainingResult:
        config, compiled = self.materials.config, self.materials.compiled
        made_from = self.model, self.latents, self.captions
        result = train_unet(*made_from, budget, config, options, compiled)
        # Not before: the grids of one run are all drawn with the same settings.
        self.model.defaults = suited_defaults(result.steps)
        return result

    def draw(self) -> Tensor:
        return sample_grid(self.model)

    def weights(self) -> str:
        return weights_of(self.model)

    def save(self, path: Path, training: dict[str, Any]) -> None:
        save_unet(path, self.model, training)


def train_unet(
    model: LatentDiffusion,
    latents: LatentDistribution,
    captions: Captions,
    budget: Budget,
    config: TrainingConfig,
    options: LoopOptions = LoopOptions(),
    compiled: bool = False,
) -> TrainingResult:
    """Train `model.unet` and `model.conditioning` on cached latents and their captions, which are
    drawn anew at every step; some of them are left out, for guidance.

    compiled: by torch.compile, which takes a C++ compiler and minutes, and then saves time.
    """
    conditioning, batch = model.conditioning, config.unet_batch
    loss = _compiled(v_loss, model.device) if compiled else v_loss
    part = options.processes.part(batch)  # of every batch; draws are made for all of it

    def loss_at(step: int) -> Tensor:
        generator = generator_at(config.seed, step, model.device)
        draw = {"generator": generator, "device": model.device}
        indices = batch_at(step, len(latents.mean), batch, config.seed)
        mean, std = latents.mean[indices], latents.std[indices]
        z = mean + std * torch.randn(mean.shape, **draw)
        noise = torch.randn(mean.shape, **draw)
        t = training_times(torch.randn(len(z), **draw), config.time_shift, config.time_spread)
        dropped = torch.rand(len(z), **draw) < config.caption_dropout
        drawn = captions.draw(indices.tolist(), chance_at(config.seed, step, stream=2))
        rows, amounts = (part_of.to(model.device) for part_of in drawn)
        rows = rows.masked_fill(dropped[:, None], EMPTY)
        with mixed_precision(model.device):
            context = conditioning(rows[part], amounts[part])
            each = loss(model.unet, model.schedule, z[part], context, t[part], noise[part])
            return each.mean()

    module = nn.ModuleList([model.unet.train(), conditioning.train()])
    optimisers = OptimiserSettings(
        config.unet_learning_rate,
        weight_decay=config.weight_decay,
        matrices=(*hidden_matrices(model.unet), *conditioning.encoder.matrices()),
        matrix_learning_rate=config.unet_matrix_learning_rate,
    )
    training = Training("U-Net", module, loss_at, batch, optimisers, config.ema_width)
    result = train(training, budget, options)
    module.eval()
    return result


def check_compiler(device: torch.device) -> None:
    """Raise InputError where torch.compile would fail, which it says only after the VAE's stage."""
    if device.type == "cuda":
        if importlib.util.find_spec("triton") is None:
            raise InputError("--compile needs the package triton here. Train without --compile.")
    elif not any(map(shutil.which, (os.environ.get("CXX") or "g++", "clang++", "c++"))):
        raise InputError(
            "--compile needs a C++ compiler, and finds none. Install g++, or train without "
            "--compile."
        )


def _compiled(function: Callable, device: torch.device) -> Callable:
    # The compiler's pattern matcher recognises the attention that we write out, and replaces it by
    # the fused one, whose gradient is slow on a CPU: steps then take 1.43 times as long.
    return torch.compile(function, options={"pattern_matcher": device.type != "cpu"})


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


def sample_grid(model: LatentDiffusion) -> Tensor:
    """One column per class, from the same noise at every call: uint8 (rows * columns, 28, 28)."""
    asked = [*shown_classes(model)] * GRID_ROWS
    return model.generate(asked, seeds=range(len(asked)))


def shown_classes(model: LatentDiffusion) -> range:
    """The classes that a progress grid shows: all of them, or the first GRID_CLASSES."""
    return range(min(len(model.class_names), GRID_CLASSES))
