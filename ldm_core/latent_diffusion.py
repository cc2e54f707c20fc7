"""LatentDiffusion: VAE, U-Net, conditioning and noise schedule put together.

Rombach et al. 2022. Here is what people call; the work is done in `model`, `diffusion`, `runtime`.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .checks import InputError, UserError
from .config import LATENT_SIDE, ModelConfig
from .diffusion.completion import keeping, passes, resampled, times_reached
from .diffusion.guidance import guided_denoiser
from .diffusion.noise_schedule import NoiseSchedule
from .diffusion.randomness import gaussian_noise
from .diffusion.samplers import Noise, get_sampler
from .diffusion.settings import SamplingSettings
from .diffusion.starts import (
    Start,
    check_start,
    inverted_start,
    noise_start,
    noised_start,
    path,
    slerp,
)
from .files.weights import load_unet, load_vae
from .inputs import (
    Keep,
    check_keep,
    check_negative,
    check_pictures,
    check_points,
    check_seeds,
)
from .model.conditioning import Asked, Context, LabelConditioning, Style
from .model.pixels import border, to_image, to_pixels
from .model.text import TextConditioning
from .model.unet import UNet
from .model.vae import VAE
from .model.vocabulary import Vocabulary
from .runtime.backends import make_backend
from .runtime.devices import choose_device
from .runtime.torch_backend import TorchBackend

INVERSION = SamplingSettings(sampler="ddim", steps=25, guidance_scale=1.0)  # see `invert`


class NonFiniteError(UserError, RuntimeError):
    """A run has left the numbers that mean something."""


def check_finite(latents: Tensor) -> None:
    """Raises NonFiniteError for NaN or infinity."""
    if not latents.isfinite().all():
        raise NonFiniteError(
            "The latents hold NaN or infinity, which are no picture. Take a lower guidance "
            "scale or another sampler; if that does not help, the weights are at fault."
        )


class DenoisingStep(NamedTuple):
    """One step of sampling: everything that a person can see is made of these.

    index: 0 (the start) to steps. t: the time reached, from 1 or less down to 0. x_t: the latent at
    t, (B, 4, 8, 8); after the last step it is the sample. x_0: the estimate of the clean latent
    that the step used, (B, 4, 8, 8); None at the start, before there is one, unless the start is
    the sample already.
    """

    index: int
    steps: int
    t: float
    x_t: Tensor
    x_0: Tensor | None


class LatentDiffusion(nn.Module):
    """A whole model. `defaults` are the sampling settings that suit these weights, `records` what
    the checkpoints "vae" and "unet" say of their training, where the model was loaded from them."""

    def __init__(self, config: ModelConfig = ModelConfig()):
        super().__init__()
        self.config = config
        self.vae = VAE(config.vae)
        self.unet = UNet(config.unet)
        kind = TextConditioning if config.conditioning.vocabulary else LabelConditioning
        self.conditioning = kind(config.conditioning, config.unet.d_context)
        self.schedule = NoiseSchedule(config.noise_schedule)
        self.defaults = SamplingSettings()
        self.records: dict[str, Any] = {}
        self.backend = TorchBackend(self)  # what runs the networks while sampling

    @classmethod
    def load(
        cls, folder: str | Path = "weights", device: str = "cpu", backend: str = "auto"
    ) -> "LatentDiffusion":
        """The model in folder/vae.safetensors and folder/unet.safetensors, ready to sample.

        device: "cpu", "cuda", "cuda:N", or "auto": a GPU if there is one. backend: what runs the
        networks while sampling, a name from `BACKENDS`. "torch" runs the modules themselves;
        "onnxruntime" copies the weights into its graphs, and again after an operation of PyTorch
        has changed them (it may miss what is written into their `.data`). Raises CheckpointError if
        a file is missing, damaged, foreign, or belongs to another VAE; InputError for a device or a
        backend that is unknown or not possible here.
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
        keep: Keep | None = None,
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
        noise of the seeds, such as from `start_from` and `invert`; its times take the place of
        `steps` and `spacing`. keep: what of given pictures stays; the rest is drawn anew, beginning
        with the start, so that it fits. options: the fields of `SamplingSettings`; what is not
        given is as in `defaults`.
        Raises InputError at the call, before any work, for anything that is not allowed.
        """
        settings = self.settings(**options)
        prompts = self._read(asked, negative, style, settings)
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
        keep = None if keep is None else check_keep(keep, len(asked))
        context = lambda: self.conditioning.encode(prompts)
        return self._denoise(context, self._noise(seeds), start, settings, keep)

    def _read(
        self,
        asked: Sequence[Asked],
        negative: Asked | Sequence[Asked],
        style: Style | None,
        settings: SamplingSettings,
    ) -> Any:
        """What `conditioning.encode` takes; raises InputError for what cannot be asked."""
        negative = check_negative(negative, len(asked))
        prompts = self.conditioning.read(asked, negative, style)
        if settings.guidance_scale == 1 and self.conditioning.says_something(negative):
            raise InputError("A negative prompt needs guidance: a guidance_scale above 1.")
        return prompts

    def _noise(self, seeds: Sequence[int]) -> Noise:
        return lambda i: gaussian_noise(seeds, i, self._latent_shape).to(self.device)

    @torch.inference_mode()
    def _denoise(
        self,
        context: Callable[[], Context],
        noise: Noise,
        start: Start,
        settings: SamplingSettings,
        keep: Keep | None = None,
    ) -> Iterator[DenoisingStep]:
        x, times = start.x.to(self.device), start.times.double().cpu()
        if not start.steps:
            yield DenoisingStep(0, 0, 0.0, x, x)
            return
        pieces = passes(times, 1 if keep is None else keep.resample)
        times = times_reached(pieces)
        total = len(times) - 1
        yield DenoisingStep(0, total, times[0].item(), x, None)
        denoise = guided_denoiser(self.backend.predictor, context(), self.schedule, settings)
        if keep is not None:
            denoise = keeping(denoise, self._known(keep))
        steps = resampled(
            get_sampler(settings.sampler),
            denoise,
            x,
            pieces,
            schedule=self.schedule,
            noise=noise,
            **({"eta": settings.eta} if settings.eta else {}),
        )
        for index, (x_t, x_0) in enumerate(steps, start=1):
            yield DenoisingStep(index, total, times[index].item(), x_t, x_0)

    def _known(self, keep: Keep) -> Callable[[Tensor], Tensor]:
        """Puts what is kept into estimates of x_0, in pixels: a position of a latent stands for
        4 x 4 of them, and each looks at its neighbours too. The border is always known."""
        image = to_image(keep.pixels.to(self.device))
        mask = border(keep.mask.to(self.device).float(), 1.0) > 0
        return lambda x_0: self._encode(torch.where(mask, image, self.backend.decode(x_0)))

    def start_from(
        self,
        pixels: Tensor,
        strength: float,
        *,
        seeds: Sequence[int] | None = None,
        **options: Any,
    ) -> Start:
        """A start of `denoise` that re-imagines pictures uint8 (B, 28, 28): their latents, with
        the noise of the seeds at t = strength (SDEdit, Meng et al. 2022).

        strength: from 0, the picture itself as the VAE sees it, without any step, to 1, which is
        free of it: the start of a plain run. options: `steps` and `spacing` of a whole run, of
        which the part below strength is run. Raises InputError.
        """
        times = self._times(options, self.defaults)
        latents = self.encode(pixels)
        seeds = check_seeds(seeds, len(latents))
        return noised_start(latents, strength, seeds, times, self.schedule)

    @torch.inference_mode()
    def invert(
        self,
        pixels: Tensor,
        asked: Sequence[Asked],
        *,
        style: Style | None = None,
        **options: Any,
    ) -> Start:
        """The start from which `denoise` makes these very pictures uint8 (B, 28, 28), nearly, when
        the same is asked of the sampler "ddim" with a guidance_scale of 1 (DDIM inversion, Song et
        al. 2021). Asked for something else, or more strongly, it draws that in their hand.

        asked, style: what the pictures show, as for `denoise`. options: `steps`, 25 if not given,
        and `spacing`. Raises InputError.
        """
        times = self._times(options, INVERSION)
        prompts = self._read(asked, None, style, INVERSION)
        check_pictures("pictures", pixels, torch.uint8, len(asked))
        context = self.conditioning.encode(prompts)
        denoise = guided_denoiser(self.backend.predictor, context, self.schedule, INVERSION)
        return inverted_start(self.encode(pixels), denoise, times, self.schedule)

    def _times(self, options: dict[str, Any], defaults: SamplingSettings) -> Tensor:
        if extra := sorted(options.keys() - {"steps", "spacing"}):
            raise InputError(f"A start has steps and spacing, and no {' and no '.join(extra)}.")
        settings = SamplingSettings.from_dict(defaults.to_dict() | options)
        return self.schedule.times(settings.steps, settings.spacing)

    def morph(
        self,
        points: Sequence[tuple[Asked, int]],
        frames: int = 12,
        *,
        loop: bool = False,
        negative: Asked = None,
        style: Style | None = None,
        **options: Any,
    ) -> Iterator[DenoisingStep]:
        """`denoise` for all images on a way through points, each (asked, seed): between two of
        them the noise goes along an arc (`slerp`), the condition tokens along a straight line.

        frames: images from one point to the next, the first included. The last image is the last
        point; with loop the way goes back to the first point instead, up to the image before it.
        The image at a point is that of `denoise` for it. Others as for `denoise`.
        """
        settings = self.settings(**options)
        before, after, share = path(len(points), frames, loop)
        asked, seeds = check_points(points)
        prompts, each = self._read(asked, negative, style, settings), self._noise(seeds)

        def noise(i: int) -> Tensor:
            noises = each(i)
            return slerp(noises[before], noises[after], share)

        context = lambda: self.conditioning.encode(prompts).between(before, after, share)
        start = Start(noise(0), self.schedule.times(settings.steps, settings.spacing))
        return self._denoise(context, noise, start, settings)

    def generate(
        self, asked: Sequence[Asked], *, seeds: Sequence[int] | None = None, **options: Any
    ) -> Tensor:
        """The finished images, uint8 (B, 28, 28). Arguments and errors as for `denoise`."""
        *_, last = self.denoise(asked, seeds=seeds, **options)
        return self.decode(last.x_t)

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """uint8 (B, 28, 28) -> the mean latents (B, 4, 8, 8), normalised. Raises InputError."""
        check_pictures("pictures", pixels, torch.uint8)
        return self._encode(to_image(pixels.to(self.device)))

    def _encode(self, image: Tensor) -> Tensor:
        return self.vae.encode(image).mean

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """latents (B, 4, 8, 8) -> uint8 (B, 28, 28).

        Raises NonFiniteError for NaN or infinity, which would become a picture like any other.
        """
        check_finite(latents)
        return to_pixels(self.backend.decode(latents))

    @property
    def _latent_shape(self) -> tuple[int, int, int]:
        return self.config.unet.latent_channels, LATENT_SIDE, LATENT_SIDE
