"""LatentDiffusion: VAE, U-Net, conditioning and noise schedule put together.

Rombach et al. 2022. Here is what people call; the work is done in `model`, `diffusion`, `runtime`.
"""

import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .checks import InputError, UserError, check_whole
from .config import LATENT_SIDE, ModelConfig
from .diffusion.guidance import guided_denoiser
from .diffusion.noise_schedule import NoiseSchedule
from .diffusion.randomness import gaussian_noise
from .diffusion.samplers import get_sampler
from .diffusion.settings import SamplingSettings
from .diffusion.starts import Start, check_start, noise_start
from .files.weights import load_unet, load_vae
from .model.conditioning import Asked, LabelConditioning, Style
from .model.pixels import to_image, to_pixels
from .model.text import Places, TextConditioning
from .model.unet import UNet
from .model.vae import VAE
from .model.vocabulary import Vocabulary
from .runtime.backends import make_backend
from .runtime.devices import choose_device
from .runtime.torch_backend import TorchBackend

MAX_SEED = 2**32 - 1


class NonFiniteError(UserError, RuntimeError):
    """A run has left the numbers that mean something."""


class DenoisingStep(NamedTuple):
    """One step of sampling: everything that a person can see is made of these.

    index: 0 (the start) to steps. t: the time reached, from 1 or less down to 0. x_t: the latent at
    t, (B, 4, 8, 8); after the last step it is the sample. x_0: the estimate of the clean latent
    that the step used, (B, 4, 8, 8); None at the start, before there is one.
    """

    index: int
    steps: int
    t: float
    x_t: Tensor
    x_0: Tensor | None


class LatentDiffusion(nn.Module):
    """A whole model. `defaults` are the sampling settings that suit these weights."""

    def __init__(self, config: ModelConfig = ModelConfig()):
        super().__init__()
        self.config = config
        self.vae = VAE(config.vae)
        self.unet = UNet(config.unet)
        kind = TextConditioning if config.conditioning.vocabulary else LabelConditioning
        self.conditioning = kind(config.conditioning, config.unet.d_context)
        self.schedule = NoiseSchedule(config.noise_schedule)
        self.defaults = SamplingSettings()
        self.backend = TorchBackend(self)  # what runs the networks while sampling

    @classmethod
    def load(
        cls, folder: str | Path = "weights", device: str = "cpu", backend: str = "auto"
    ) -> "LatentDiffusion":
        """The model in folder/vae.safetensors and folder/unet.safetensors, ready to sample.

        device: "cpu", "cuda", "cuda:N", or "auto": a GPU if there is one. backend: what runs the
        model, a name from `BACKENDS`. Raises CheckpointError if a file is missing, damaged,
        foreign, or belongs to another VAE; InputError for a device or a backend that is unknown or
        not possible here.
        """
        place = choose_device(str(device))
        vae = load_vae(Path(folder) / "vae.safetensors")
        model = load_unet(Path(folder) / "unet.safetensors", vae, cls.around)
        model.eval().requires_grad_(False).to(place)
        model.backend = make_backend(backend, model, place)
        return model

    @classmethod
    def around(cls, vae: VAE, config: dict) -> "LatentDiffusion":
        """A model with that VAE; the rest is new, built from the dictionary of a ModelConfig."""
        model = cls(ModelConfig.from_dict({**config, "vae": vae.config.to_dict()}))
        model.vae = vae
        return model

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.config.conditioning.class_names

    @property
    def vocabulary(self) -> Vocabulary | None:
        """The words that prompts may have; None for a model that knows labels only."""
        return getattr(self.conditioning, "vocabulary", None)

    @property
    def device(self) -> torch.device:
        return self.unet.conv_in.weight.device

    def settings(self, **options: Any) -> SamplingSettings:
        """This model's default settings, but for `options`, fields of `SamplingSettings`.

        Raises InputError for a field that does not exist or a value that is not allowed.
        """
        return SamplingSettings.from_dict(self.defaults.to_dict() | options)

    def denoise(
        self,
        asked: Sequence[Asked],
        *,
        seeds: Sequence[int] | None = None,
        negative: Asked | Sequence[Asked] = None,
        style: Style | None = None,
        start: Start | None = None,
        **options: Any,
    ) -> Iterator[DenoisingStep]:
        """Generate step by step: yields the start, then a DenoisingStep for each step.

        asked: for each image a class index, a prompt such as "a bold seven", or None for
        unconditional. A class is the prompt of its name, None the empty prompt. seeds: one whole
        number from 0 to 2**32 - 1 for each image; the image depends on its seed, on what is asked
        and on the options, and on nothing else; random if not given. negative: what guidance leads
        away from, one for each image, or one for all of them; nothing if not given. style: for
        "stroke", "lean" and "width" an amount from -1 (thin, leaning left, narrow) to 1 (bold,
        leaning right, wide) for all images; 0 says nothing. start: what takes the place of the
        noise of the seeds; its times take the place of `steps` and `spacing`. options: the fields
        of `SamplingSettings`; what is not given is as in `defaults`.
        Raises InputError at the call, before any work, for anything that is not allowed.
        """
        settings = self.settings(**options)
        negative = check_negative(negative, len(asked))
        prompts = self.conditioning.read(asked, negative, style)
        if settings.guidance_scale == 1 and self.conditioning.says_something(negative):
            raise InputError("A negative prompt needs guidance: a guidance_scale above 1.")
        seeds = check_seeds(seeds, len(asked))
        if start is None:
            times = self.schedule.times(settings.steps, settings.spacing)
            start = noise_start(seeds, self._latent_shape, times)
        elif extra := sorted({"steps", "spacing"} & options.keys()):
            raise InputError(
                f"{' and '.join(extra)} cannot be given with a start, which has times."
            )
        else:
            check_start(start, (len(asked), *self._latent_shape))
        return self._denoise(prompts, seeds, start, settings)

    @torch.inference_mode()
    def _denoise(
        self,
        prompts: Tensor | Places,
        seeds: Sequence[int],
        start: Start,
        settings: SamplingSettings,
    ) -> Iterator[DenoisingStep]:
        x, times = start.x.to(self.device), start.times.double().cpu()
        yield DenoisingStep(0, start.steps, times[0].item(), x, None)
        context = self.conditioning.encode(prompts)
        steps = get_sampler(settings.sampler)(
            guided_denoiser(self.backend.predictor, context, self.schedule, settings),
            x,
            times,
            schedule=self.schedule,
            noise=lambda i: gaussian_noise(seeds, i, self._latent_shape).to(self.device),
            **({"eta": settings.eta} if settings.eta else {}),
        )
        for index, (x_t, x_0) in enumerate(steps, start=1):
            yield DenoisingStep(index, start.steps, times[index].item(), x_t, x_0)

    def generate(
        self, asked: Sequence[Asked], *, seeds: Sequence[int] | None = None, **options: Any
    ) -> Tensor:
        """The finished images, uint8 (B, 28, 28). Arguments and errors as for `denoise`."""
        *_, last = self.denoise(asked, seeds=seeds, **options)
        return self.decode(last.x_t)

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """uint8 (B, 28, 28) -> the mean latents (B, 4, 8, 8), normalised."""
        return self.vae.encode(to_image(pixels.to(self.device))).mean

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """latents (B, 4, 8, 8) -> uint8 (B, 28, 28).

        Raises NonFiniteError for NaN or infinity, which would become a picture like any other.
        """
        if not latents.isfinite().all():
            raise NonFiniteError(
                "The latents hold NaN or infinity, which are no picture. Take a lower guidance "
                "scale or another sampler; if that does not help, the weights are at fault."
            )
        return to_pixels(self.backend.decode(latents))

    @property
    def _latent_shape(self) -> tuple[int, int, int]:
        return self.config.unet.latent_channels, LATENT_SIDE, LATENT_SIDE


def check_seeds(seeds: Sequence[int] | None, count: int) -> list[int]:
    """`count` seeds, drawn where none are given; raises InputError for a bad one."""
    if seeds is None:
        return [secrets.randbelow(MAX_SEED + 1) for _ in range(count)]
    if len(seeds) != count:
        raise InputError(f"seeds must be one per label: {count}, not {len(seeds)}.")
    return [check_whole("seed", seed, 0, MAX_SEED) for seed in seeds]


def check_negative(negative: Asked | Sequence[Asked], count: int) -> list[Asked]:
    """`count` things to lead away from; raises InputError for another number of them."""
    single = isinstance(negative, (str, bytes)) or getattr(negative, "ndim", 1) == 0
    single = single or not hasattr(negative, "__len__")
    each = [negative] * count if single else list(negative)
    if len(each) != count:
        raise InputError(f"negative must be one for all images, or {count}, not {len(each)}.")
    return each
