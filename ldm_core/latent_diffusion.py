"""LatentDiffusion: VAE, U-Net, conditioning and noise schedule put together.

This is the one place where a raw prediction becomes an estimate of the clean latent, and where
classifier-free guidance happens. Rombach et al. 2022; Ho & Salimans 2022.
"""

import secrets
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .backends import Predict, TorchBackend, make_backend
from .checkpoint import (
    CheckpointError,
    build,
    fingerprint,
    load_tensors,
    read_checkpoint,
    save_checkpoint,
)
from .conditioning import LabelConditioning
from .config import ModelConfig, check_whole
from .datasets import to_image, to_pixels
from .noise_schedule import NoiseSchedule
from .randomness import gaussian_noise
from .samplers import Denoise, get_sampler
from .settings import SamplingSettings
from .unet import UNet
from .vae import VAE

MAX_SEED = 2**32 - 1


class DenoisingStep(NamedTuple):
    """One step of sampling: what everything that a person can see is made of."""

    index: int  # 1 ... steps
    steps: int
    t: float  # time after the step; 0 after the last
    x_t: Tensor  # (B, 4, 8, 8) after the step; after the last step it is the sample
    x_0: Tensor  # (B, 4, 8, 8) the estimate of the clean latent that the step made


class LatentDiffusion(nn.Module):
    def __init__(self, config: ModelConfig = ModelConfig()):
        super().__init__()
        self.config = config
        self.vae = VAE(config.vae)
        self.unet = UNet(config.unet)
        self.conditioning = LabelConditioning(config.conditioning, config.unet.d_context)
        self.schedule = NoiseSchedule(config.noise_schedule)
        self.backend = TorchBackend(self)  # what runs the networks while sampling

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.config.conditioning.class_names

    @property
    def device(self) -> torch.device:
        return self.conditioning.tokens.weight.device

    # Training

    def loss(self, z: Tensor, labels: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Mean squared error of the v-prediction per image, (B,) (Salimans & Ho 2022, sec. 4).

        z, noise (B, 4, 8, 8); labels int64 (B,), with the null label where it was dropped; t (B,).
        """
        x_t = self.schedule.add_noise(z, noise, t)
        prediction = self.unet(x_t, t, self.conditioning(labels))
        return (prediction - self.schedule.v_from_x_0(z, noise, t)).square().mean(dim=(1, 2, 3))

    # Sampling

    def denoiser(self, labels: Tensor, settings: SamplingSettings) -> Denoise:
        """`denoise(x_t, t) -> x_0 estimate` for labels int64 (B,), with guidance:

            prediction = uncond + guidance_scale * (cond - uncond)     (Ho & Salimans 2022, eq. 6)

        (their w is guidance_scale - 1). A guidance scale of 1 or 0, a batch without labels and
        times outside the guidance interval cost one pass of the U-Net; all else costs two.
        labels and t (B,) are on the CPU, whatever the device of x_t: what depends on them is
        decided without waiting for a GPU.
        """
        w = settings.guidance_scale
        low, high = settings.guidance_interval
        null_labels = torch.full_like(labels, self.conditioning.null_label)
        guides = w not in (0, 1) and bool((labels != null_labels).any())
        conditions = [null_labels] if w == 0 else [labels, null_labels] if guides else [labels]
        context = self.conditioning(torch.stack(conditions).to(self.device).flatten())
        context = context.unflatten(0, (len(conditions), -1))

        @cache
        def predict(conditions: int) -> Predict:
            return self.backend.predictor(context[:conditions])

        def denoise(x_t: Tensor, t: Tensor) -> Tensor:
            guided = (low <= t) & (t <= high)
            if not guides or not guided.any():
                (v,) = predict(1)(x_t, t)
                return self.schedule.x_0_from_v(x_t, v, t)
            v_cond, v_uncond = predict(2)(x_t, t)
            v = v_uncond + w * (v_cond - v_uncond)
            if settings.guidance_rescale:
                v = rescale(v, v_cond, settings.guidance_rescale)
            if not guided.all():
                v = torch.where(guided.to(v.device).view(-1, 1, 1, 1), v, v_cond)
            return self.schedule.x_0_from_v(x_t, v, t)

        return denoise

    def starting_noise(self, seeds: Sequence[int]) -> Tensor:
        """x_t at t = 1, one latent per seed: (B, 4, 8, 8)."""
        return self._noise(seeds, 0)

    @torch.inference_mode()
    def denoise(
        self, labels: Sequence[int | None], *, seeds: Sequence[int] | None = None, **options
    ) -> Iterator[DenoisingStep]:
        """Generate step by step: yields exactly `steps` DenoisingSteps for a batch of images.

        labels: one class index per image, None for unconditional. seeds: one whole number from 0
        to 2**32 - 1 per image, on which (with its label and the options) the image depends and on
        nothing else; random if not given. options: the fields of `SamplingSettings`.
        Raises ValueError, before any work, for a label, seed or option that is not allowed.
        """
        settings = SamplingSettings.from_dict(options)
        label_tensor = self.conditioning.to_tensor(labels)
        seeds = check_seeds(seeds, len(labels))
        sampler = get_sampler(settings.sampler)
        extra = {"eta": settings.eta} if settings.eta else {}
        times = self.schedule.times(settings.steps, settings.spacing)
        steps = sampler(
            self.denoiser(label_tensor, settings),
            self.starting_noise(seeds),
            times,
            schedule=self.schedule,
            noise=lambda i: self._noise(seeds, i),
            **extra,
        )
        for index, (x_t, x_0) in enumerate(steps, start=1):
            yield DenoisingStep(index, settings.steps, times[index].item(), x_t, x_0)

    def generate(
        self, labels: Sequence[int | None], *, seeds: Sequence[int] | None = None, **options
    ) -> Tensor:
        """The finished images, uint8 (B, 28, 28). Arguments and errors as for `denoise`."""
        *_, last = self.denoise(labels, seeds=seeds, **options)
        return self.decode(last.x_t)

    # Pixels

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """uint8 (B, 28, 28) -> the mean latents (B, 4, 8, 8), normalised."""
        return self.vae.encode(to_image(pixels.to(self.device))).mean

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """latents (B, 4, 8, 8) -> uint8 (B, 28, 28)."""
        return to_pixels(self.backend.decode(latents))

    # Checkpoints

    def save_unet(self, path: str | Path, training: dict) -> None:
        """Write all that learns to denoise, and which VAE's latents it denoises."""
        parts = {k: v for k, v in self.config.to_dict().items() if k != "vae"}
        about = {"config": parts, "vae": fingerprint(self.vae), "training": training}
        save_checkpoint(path, "unet", _unet_part(self).state_dict(), about)

    @classmethod
    def load(
        cls, folder: str | Path = "weights", device: str = "cpu", backend: str = "auto"
    ) -> "LatentDiffusion":
        """The model in folder/vae.safetensors and folder/unet.safetensors, ready to sample.

        backend: what runs it (see `backends.make_backend`), with the weights as they are now.
        Raises CheckpointError if a file is missing, damaged, foreign, or belongs to another VAE;
        ValueError for a backend that is unknown or not possible here.
        """
        vae_path, unet_path = Path(folder) / "vae.safetensors", Path(folder) / "unet.safetensors"
        vae = VAE.load(vae_path)
        tensors, about = read_checkpoint(unet_path, "unet")
        model = build(unet_path, lambda: cls.around(vae, about["config"]))
        load_tensors(unet_path, _unet_part(model), tensors)
        if about.get("vae") != fingerprint(vae):
            raise CheckpointError(
                f"{unet_path} was trained on the latents of another VAE than {vae_path}. Use the "
                "two files of one run, or train the U-Net again with python train.py --stage unet."
            )
        model.eval().requires_grad_(False).to(device)
        model.backend = make_backend(backend, model, model.device)
        return model

    @classmethod
    def around(cls, vae: VAE, config: dict) -> "LatentDiffusion":
        """A model with that VAE; the rest is new, built from the dictionary of a ModelConfig."""
        model = cls(ModelConfig.from_dict({**config, "vae": vae.config.to_dict()}))
        model.vae = vae
        return model

    def _noise(self, seeds: Sequence[int], stream: int) -> Tensor:
        shape = (self.config.unet.latent_channels, 8, 8)
        return gaussian_noise(seeds, stream, shape).to(self.device)


def rescale(v: Tensor, v_cond: Tensor, share: float) -> Tensor:
    """Pull the deviation of guided v towards that of v_cond (Lin et al. 2023, eq. 15-16):
    share * v * std(v_cond) / std(v) + (1 - share) * v, each std over one image."""
    std, std_cond = (x.std(dim=(1, 2, 3), keepdim=True) for x in (v, v_cond))
    return share * v * (std_cond / std) + (1 - share) * v


def check_seeds(seeds: Sequence[int] | None, count: int) -> list[int]:
    """`count` seeds, drawn where none are given; raises ValueError for a bad one."""
    if seeds is None:
        return [secrets.randbelow(MAX_SEED + 1) for _ in range(count)]
    if len(seeds) != count:
        raise ValueError(f"seeds must be one per label: {count}, not {len(seeds)}.")
    for seed in seeds:
        check_whole("seed", seed, 0, MAX_SEED)
    return list(seeds)


def _unet_part(model: LatentDiffusion) -> nn.ModuleDict:
    """What unet.safetensors holds: all that learns to denoise."""
    return nn.ModuleDict({"unet": model.unet, "conditioning": model.conditioning})
