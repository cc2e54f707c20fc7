"""LatentDiffusion: VAE, U-Net, conditioning and noise schedule put together.

Rombach et al. 2022. People call these methods; `model`, `diffusion` and `runtime` do the work.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .checks import InputError, UserError
from .config import LATENT_SIDE, ModelConfig
from .diffusion.completion import keeping, passes, resampled, times_reached
from .diffusion.guidance import guided_denoiser, student_denoiser
from .diffusion.noise_schedule import NoiseSchedule
from .diffusion.randomness import gaussian_noise
from .diffusion.samplers import STUDENT, Denoise, Noise, get_sampler
from .diffusion.settings import SamplingSettings
from .diffusion.starts import (
    Start,
    check_start,
    inverted_start,
    morph_frames,
    noise_start,
    noised_start,
    slerp,
)
from .files.hub import STUDENT_FILE, UNET_FILE, VAE_FILE, weights_folder
from .files.weights import load_student, load_unet, load_vae
from .inputs import Keep, check_keep, check_negative, check_pictures, check_seeds
from .model.conditioning import Conditioning, Context, Prompt, Style
from .model.inside import PREDICTIONS, check_off, check_read, gates_on, switches
from .model.pixels import border, to_image, to_pixels
from .model.unet import UNet
from .model.vae import VAE
from .model.vocabulary import Vocabulary
from .runtime.backends import make_backend
from .runtime.devices import choose_device
from .runtime.torch_backend import TorchBackend

INVERSION = SamplingSettings(sampler="ddim", steps=25, guidance_scale=1.0)  # see `invert`


class NonFiniteError(UserError, RuntimeError):
    """The latents of a run became NaN or infinite."""


def check_finite(latents: Tensor) -> None:
    """Raise NonFiniteError for NaN or infinity."""
    if not latents.isfinite().all():
        raise NonFiniteError(
            "The latents hold NaN or infinity, which are no picture. Take a lower guidance "
            "scale or another sampler; if that does not help, the weights are at fault."
        )


class DenoisingStep(NamedTuple):
    """One step of sampling: everything that a person can see is made of these.

    index: 0 (the start) to steps. t: the time reached, from 1 or less down to 0. x_t: the latent at
    t, (B, 4, 8, 8); after the last step it is the sample. x_0: the estimate of the clean latent
    that the step used, (B, 4, 8, 8). At the start there is none yet: x_0 is None, or x_t itself
    where the start is already the sample. read: what `denoise` was asked to read in the network as
    it made x_0, by name; empty at the start.
    """

    index: int
    steps: int
    t: float
    x_t: Tensor
    x_0: Tensor | None
    read: Mapping[str, Tensor] = MappingProxyType({})


class LatentDiffusion(nn.Module):
    """A whole model.

    student: the network of the sampler "student", or None. defaults: the sampling settings that
    suit these weights. records: for "vae", "unet" and "student", what the checkpoint says about its
    training; empty for a model that was not loaded. folder: where it was loaded from, or None.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.vae = VAE(config.vae)
        self.unet = UNet(config.unet)
        self.student: UNet | None = None
        self.conditioning = Conditioning(config.conditioning, config.unet.d_context)
        self.schedule = NoiseSchedule(config.noise_schedule)
        self.defaults = SamplingSettings()
        self.records: dict[str, Any] = {}
        self.folder: Path | None = None
        self.backend = TorchBackend(self)  # what runs the networks while sampling

    @classmethod
    def load(
        cls, folder: str | Path = "weights", device: str = "cpu", backend: str = "auto"
    ) -> "LatentDiffusion":
        """Load folder/vae.safetensors, folder/unet.safetensors and, if it is there,
        folder/student.safetensors, ready to sample.

        device: "cpu", "cuda", "cuda:N", or "auto": a GPU if there is one. backend: what runs the
        networks while sampling, a name from `BACKENDS`. "torch" runs the modules themselves;
        "onnxruntime" copies the weights into its graphs, and again after an operation of PyTorch
        has changed them (it may miss what is written into their `.data`); "auto" is "onnxruntime"
        on a CPU where that is installed, else "torch". Raises CheckpointError if a file is missing,
        damaged, not ours, or for another VAE; InputError for a device or a backend that is unknown
        or not available here.
        """
        place = choose_device(str(device))
        folder = Path(folder)
        vae = load_vae(folder / VAE_FILE)
        model = load_unet(folder / UNET_FILE, vae, cls.around)
        if (folder / STUDENT_FILE).is_file():
            load_student(folder / STUDENT_FILE, model)
        model.folder = folder
        model.eval().requires_grad_(False).to(place)
        model.backend = make_backend(backend, model, place)
        return model

    @classmethod
    def from_pretrained(
        cls, weights: str | Path, device: str = "cpu", backend: str = "auto", **options: Any
    ) -> "LatentDiffusion":
        """`load` from a folder, or from the Hugging Face Hub, as "user/name".

        options, such as `revision` and `token`, and errors: see `weights_folder`.
        """
        return cls.load(weights_folder(weights, **options), device, backend)

    def save_pretrained(self, folder: str | Path, **options: Any) -> None:
        """Write the files that `load` reads into a folder, with what else lies beside them where
        they were loaded, and a model card. Checkpoints that are there are replaced; other files
        stay. options: of `huggingface_hub.ModelHubMixin.save_pretrained`.
        """
        self._for_hub(Path(folder).resolve().name).save_pretrained(folder, **options)

    def push_to_hub(self, name: str, **options: Any) -> str:
        """Make the model "user/name" on the Hugging Face Hub, or a new version of it, of the files
        of `save_pretrained`; returns its address.

        options: of `huggingface_hub.ModelHubMixin.push_to_hub`, such as `private`, `token` and
        `commit_message`. Raises the errors of `huggingface_hub`.
        """
        return self._for_hub(name).push_to_hub(name, **options)

    def _for_hub(self, name: str) -> Any:
        from .files.hub_model import HubModel  # slow to import

        return HubModel(self, name)

    @classmethod
    def around(cls, vae: VAE, config: dict) -> "LatentDiffusion":
        """Make a model with this VAE and other parts from the dictionary of a ModelConfig."""
        model = cls(ModelConfig.from_dict({**config, "vae": vae.config.to_dict()}))
        model.vae = vae
        return model

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.config.conditioning.class_names

    @property
    def switches(self) -> tuple[str, ...]:
        """The names that `SamplingSettings.off` may have."""
        return switches(self.config.unet)

    @property
    def vocabulary(self) -> Vocabulary:
        """The words that prompts may have."""
        return self.conditioning.vocabulary

    @property
    def device(self) -> torch.device:
        return self.unet.conv_in.weight.device

    def settings(
        self, settings: SamplingSettings | None = None, **options: Any
    ) -> SamplingSettings:
        """Return `settings`, this model's defaults if None, with `options` in place of its fields.

        Raises InputError for a field that does not exist or a value that is not allowed.
        """
        base = self.defaults if settings is None else settings
        settings = SamplingSettings.from_dict(base.to_dict() | options) if options else base
        check_off(settings.off, self.config.unet)
        if settings.sampler == STUDENT:
            self._check_student(settings)
        return settings

    def _check_student(self, settings: SamplingSettings) -> None:
        if self.student is None:
            raise InputError(
                "These weights have no student. Make one with: python train.py --stage distill"
            )
        if settings.guidance_interval != self.defaults.guidance_interval:
            low, high = self.defaults.guidance_interval
            raise InputError(
                f"The student has learned the guidance_interval {low:g} to {high:g}, and no other."
            )

    def denoise(
        self,
        prompts: Sequence[Prompt],
        *,
        seeds: Sequence[int] | None = None,
        negative: Prompt | Sequence[Prompt] = None,
        style: Style | None = None,
        start: Start | None = None,
        keep: Keep | None = None,
        read: Sequence[str] = (),
        settings: SamplingSettings | None = None,
        **options: Any,
    ) -> Iterator[DenoisingStep]:
        """Generate step by step: yields the start, then a DenoisingStep for each step.

        prompts: for each image a class index, a text such as "a bold seven", or None for
        unconditional. A class is the prompt of its name, None the empty prompt. seeds: one whole
        number from 0 to 2**32 - 1 for each image, random if not given; an image depends on its
        seed, its prompt and the options, and on nothing else. negative: the negative prompt, which
        guidance leads away from; one for each image, or one for all. style: "stroke", "lean" and
        "width" of all images, from -1 (thin, leaning left, narrow) to 1 (bold, leaning right,
        wide); 0 says nothing. start: replaces the noise of the seeds, see `start_from` and
        `invert`; its times replace `steps` and `spacing`. keep: the pixels to keep; the rest is
        drawn, beginning with the start, so that it fits to them. read: names of `model/inside.py`,
        such as "attention.cross.mid", or "attention.cross" for all stages; each step then has them
        in `read`, for two conditions: the prompt, then the negative or empty one. They are read in
        passes of their own, and change no image. settings: how to sample; `defaults` if not given.
        options: fields of `SamplingSettings` that differ from settings.
        Raises InputError at the call, before any work, for anything that is not allowed.
        """
        if start is not None and (extra := sorted({"steps", "spacing"} & options.keys())):
            raise InputError(
                f"{' and '.join(extra)} cannot be given with a start, which has times."
            )
        settings = self.settings(settings, **options)
        asked = self._read(prompts, negative, style, settings)
        read = check_read(read, self.config.unet)
        if settings.sampler == STUDENT and (start is not None or keep is not None or read):
            raise InputError(
                "The student draws from noise alone, and nothing is read in it: take another "
                "sampler with a start, with keep and with read."
            )
        seeds = check_seeds(seeds, len(prompts))
        if start is None:
            start = noise_start(seeds, self._latent_shape, self._times(settings))
        else:
            check_start(start, (len(prompts), *self._latent_shape))
        keep = None if keep is None else check_keep(keep, len(prompts))
        context = lambda: self.conditioning.encode(asked)
        return self._denoise(context, self._noise(seeds), start, settings, keep, read)

    def _read(
        self,
        prompts: Sequence[Prompt],
        negative: Prompt | Sequence[Prompt],
        style: Style | None,
        settings: SamplingSettings,
    ) -> Any:
        """Prompts as `conditioning.encode` takes them; raises InputError."""
        negative = check_negative(negative, len(prompts))
        read = self.conditioning.read(prompts, negative, style)
        if settings.guidance_scale == 1 and self.conditioning.says_something(negative):
            raise InputError("A negative prompt needs guidance: a guidance_scale above 1.")
        if settings.sampler == STUDENT and self.conditioning.says_something(negative):
            raise InputError("The student knows no negative prompt: take another sampler.")
        return read

    def _times(self, settings: SamplingSettings) -> Tensor:
        return self.schedule.times(settings.steps, settings.spacing)

    def _times_of_start(self, settings: SamplingSettings | None, options: dict[str, Any]) -> Tensor:
        if extra := sorted(options.keys() - {"steps", "spacing"}):
            raise InputError(f"A start has steps and spacing, and no {' and no '.join(extra)}.")
        return self._times(self.settings(settings, **options))

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
        read: Sequence[str] = (),
    ) -> Iterator[DenoisingStep]:
        x, times = start.x.to(self.device), start.times.double().cpu()
        if not start.steps:
            yield DenoisingStep(0, 0, 0.0, x, x)
            return
        segments = passes(times, 1 if keep is None else keep.resample)
        times = times_reached(segments)
        total = len(times) - 1
        yield DenoisingStep(0, total, times[0].item(), x, None)
        context, on = context(), gates_on(settings.off, self.config.unet, len(x))
        if settings.sampler == STUDENT:
            predictor = partial(self.backend.predictor, student=True)
            scale = settings.guidance_scale
            denoise = student_denoiser(predictor, context, self.schedule, scale)
        else:
            predictor = partial(self.backend.predictor, on=on)
            denoise = guided_denoiser(predictor, context, self.schedule, settings)
        denoise, reading = self._reading(denoise, context, on, read)
        if keep is not None:
            denoise = keeping(denoise, self._known(keep))
        steps = resampled(
            get_sampler(settings.sampler),
            denoise,
            x,
            segments,
            schedule=self.schedule,
            noise=noise,
            **({"eta": settings.eta} if settings.eta else {}),
        )
        for index, (x_t, x_0) in enumerate(steps, start=1):
            yield DenoisingStep(index, total, times[index].item(), x_t, x_0, reading())

    def _reading(
        self, denoise: Denoise, context: Context, on: Tensor | None, names: Sequence[str]
    ) -> tuple[Denoise, Callable[[], dict[str, Tensor]]]:
        """The same denoiser, and a function that reads where it was first called in this step."""
        if not names:
            return denoise, dict
        own = {"prediction" if name in PREDICTIONS else name for name in names}
        read = self.backend.reader(torch.stack([context.tokens, context.null]), on, own)
        calls = []

        def noted(x_t: Tensor, t: Tensor) -> Tensor:
            calls.append((x_t, t))
            return denoise(x_t, t)

        def reading() -> dict[str, Tensor]:
            found = read(*calls[0])
            calls.clear()
            found |= zip(PREDICTIONS, found.get("prediction", ()))
            return {name: found[name] for name in names}

        return noted, reading

    def _known(self, keep: Keep) -> Callable[[Tensor], Tensor]:
        """Return a function that puts the kept pixels into an estimate of x_0.

        In pixels, because a latent position covers 4 x 4 of them and also sees its neighbours. The
        border outside the picture is always known.
        """
        image = to_image(keep.pixels.to(self.device))
        mask = border(keep.mask.to(self.device).float(), 1.0) > 0
        return lambda x_0: self._encode(torch.where(mask, image, self.backend.decode(x_0)))

    def start_from(
        self,
        pixels: Tensor,
        strength: float,
        *,
        seeds: Sequence[int] | None = None,
        settings: SamplingSettings | None = None,
        **options: Any,
    ) -> Start:
        """Return a start of `denoise` that re-imagines pictures uint8 (B, 28, 28): their latents,
        with the noise of the seeds at t = strength (SDEdit, Meng et al. 2022).

        strength: from 0, the picture itself as the VAE sees it, without any step, to 1, which is
        free of it: the start of a plain run. options: `steps` and `spacing` of a whole run, whose
        part below strength is run; settings gives both. Raises InputError.
        """
        times = self._times_of_start(settings, options)
        latents = self.encode(pixels)
        seeds = check_seeds(seeds, len(latents))
        return noised_start(latents, strength, seeds, times, self.schedule)

    @torch.inference_mode()
    def invert(
        self,
        pixels: Tensor,
        prompts: Sequence[Prompt],
        *,
        style: Style | None = None,
        settings: SamplingSettings = INVERSION,
        **options: Any,
    ) -> Start:
        """Return the start from which `denoise` makes these pictures uint8 (B, 28, 28) again,
        nearly, with the same prompts, the sampler "ddim" and a guidance_scale of 1 (DDIM inversion,
        Song et al. 2021). With another prompt or more guidance, the new digit keeps their
        handwriting.

        prompts, style: what the pictures show, as for `denoise`. options: `steps`, 25 if not given,
        and `spacing`; settings gives both. Raises InputError.
        """
        times = self._times_of_start(settings, options)
        read = self._read(prompts, None, style, INVERSION)
        check_pictures("pictures", pixels, torch.uint8, len(prompts))
        context = self.conditioning.encode(read)
        denoise = guided_denoiser(self.backend.predictor, context, self.schedule, INVERSION)
        return inverted_start(self.encode(pixels), denoise, times, self.schedule)

    def morph(
        self,
        points: Sequence[tuple[Prompt, int]],
        frames: int = 12,
        *,
        loop: bool = False,
        negative: Prompt = None,
        style: Style | None = None,
        settings: SamplingSettings | None = None,
        **options: Any,
    ) -> Iterator[DenoisingStep]:
        """`denoise` for all frames of a morph through points, each (prompt, seed): between two of
        them the noise goes along an arc (`slerp`), the condition tokens along a straight line.

        frames: per segment from one point to the next, with its first. The last frame is the last
        point; with loop a segment leads back to the first point, which is not repeated. The image
        at a point is that of `denoise` for it. The other arguments are those of `denoise`.
        """
        settings = self.settings(settings, **options)
        before, after, share = morph_frames(len(points), frames, loop)
        prompts = [prompt for prompt, _ in points]
        seeds = check_seeds([seed for _, seed in points], len(points))
        read, each = self._read(prompts, negative, style, settings), self._noise(seeds)

        def noise(i: int) -> Tensor:
            noises = each(i)
            return slerp(noises[before], noises[after], share)

        context = lambda: self.conditioning.encode(read).between(before, after, share)
        start = Start(noise(0), self._times(settings))
        return self._denoise(context, noise, start, settings)

    def generate(
        self, prompts: Sequence[Prompt], *, seeds: Sequence[int] | None = None, **options: Any
    ) -> Tensor:
        """Return the finished images, uint8 (B, 28, 28). Arguments and errors as for `denoise`."""
        *_, last = self.denoise(prompts, seeds=seeds, **options)
        return self.decode(last.x_t)

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Tensor:
        """Turn uint8 (B, 28, 28) into mean latents (B, 4, 8, 8), normalised. Raises InputError."""
        check_pictures("pictures", pixels, torch.uint8)
        return self._encode(to_image(pixels.to(self.device)))

    def _encode(self, image: Tensor) -> Tensor:
        return self.vae.encode(image).mean

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents (B, 4, 8, 8) into uint8 (B, 28, 28).

        Raises NonFiniteError for NaN or infinity, which would otherwise become ordinary pixels.
        """
        check_finite(latents)
        return to_pixels(self.backend.decode(latents))

    @property
    def _latent_shape(self) -> tuple[int, int, int]:
        return self.config.unet.latent_channels, LATENT_SIDE, LATENT_SIDE
