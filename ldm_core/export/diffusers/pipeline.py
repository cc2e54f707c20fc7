"""The pipeline of the miniature Stable Diffusion: what is asked -> pictures."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput, SchedulerMixin, UNet2DConditionModel
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from ...checks import InputError, brief, check_choice, check_number, check_whole

MAX_STEPS = 1000
MAX_GUIDANCE_SCALE = 30
OUTPUT_TYPES = ("pil", "np", "pt", "latent")


class Guidance(NamedTuple):
    """scale: w in `uncond + w * (cond - uncond)`. low, high: the times between which it acts.
    rescale: how far to undo its contrast, 0 to 1."""

    scale: float
    low: float
    high: float
    rescale: float


class MiniaturePipeline(DiffusionPipeline):
    """settings: a dictionary of what suits these weights, and is taken where a call does not give
    it: num_inference_steps, guidance_scale, guidance_interval, guidance_rescale."""

    model_cpu_offload_seq = "text_encoder->unet->vae"

    def __init__(
        self,
        vae,
        text_encoder,
        unet: UNet2DConditionModel,
        scheduler: SchedulerMixin,
        settings=None,  # older versions of diffusers fail at the annotation `dict | None`
    ):
        super().__init__()
        self.register_modules(vae=vae, text_encoder=text_encoder, unet=unet, scheduler=scheduler)
        self.register_to_config(settings=settings)

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        label: int | Sequence[int | None] | None = None,
        *,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        guidance_interval: tuple[float, float] | None = None,
        guidance_rescale: float | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        style: Mapping[str, float] | None = None,
        num_images_per_prompt: int = 1,
        generator: torch.Generator | list[torch.Generator] | None = None,
        latents: Tensor | None = None,
        output_type: str = "pil",
        return_dict: bool = True,
        callback_on_step_end: Callable[..., Mapping[str, Any] | None] | None = None,
    ) -> ImagePipelineOutput | tuple:
        """Draw pictures, 28 x 28 in grey.

        prompt: words, such as "a bold seven"; a list for several pictures. label: a class index in
        the place of a prompt, or None for any class. num_inference_steps: 1 to 1000.
        guidance_scale: w in `uncond + w * (cond - uncond)`, 0 to 30; 1 is the plain conditional
        model. guidance_interval: times (low, high), from 0 (picture) to 1 (noise), between which
        guidance acts. guidance_rescale: 0 to 1, how far to undo its contrast. negative_prompt: what
        guidance leads away from, one for all pictures or one for each prompt. style: for "stroke",
        "lean" and "width" an amount from -1 (thin, leaning left, narrow) to 1 (bold, leaning right,
        wide). latents: noise to start from, (B, 4, 8, 8), instead of what the generator draws.
        output_type: "pil"; "np" (B, 28, 28, 1) or "pt" (B, 1, 28, 28), in [0, 1]; or "latent".
        callback_on_step_end: called after each step with the pipeline, the index of the step, its
        timestep and {"latents": ...}, of which it may return another.
        What is left out is as in `settings`. Raises InputError, a ValueError, for what is not
        allowed, before any work.
        """
        check_choice("output_type", output_type, OUTPUT_TYPES)
        asked, negative = _asked(prompt, label, negative_prompt, num_images_per_prompt)
        prompts = self.text_encoder.read(asked, negative, style)
        guidance = self._guidance(guidance_scale, guidance_interval, guidance_rescale)
        if guidance.scale == 1 and self.text_encoder.says_something(negative):
            raise InputError("A negative prompt needs guidance: a guidance_scale above 1.")
        self._set_timesteps(num_inference_steps)
        latents = self._start(len(asked), latents, generator)

        context = self.text_encoder(prompts)
        latents = latents * self.scheduler.init_noise_sigma
        options = {"generator": generator} if _takes_generator(self.scheduler) else {}
        for i, timestep in enumerate(self.progress_bar(self.scheduler.timesteps)):
            x = self.scheduler.scale_model_input(latents, timestep)
            v = self._predict(x, timestep, context, guidance)
            latents = self.scheduler.step(v, timestep, latents, **options).prev_sample
            if callback_on_step_end is not None:
                changed = callback_on_step_end(self, i, timestep, {"latents": latents}) or {}
                latents = changed.get("latents", latents)
        images = self._output(latents, output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    def _guidance(self, scale, interval, rescale) -> Guidance:
        scale = self._given("guidance_scale", scale)
        interval = self._given("guidance_interval", interval)
        if not isinstance(interval, tuple | list) or len(interval) != 2:
            raise InputError("guidance_interval must be a pair of times (low, high).")
        low, high = (check_number("guidance_interval", end, 0, 1) for end in interval)
        if low > high:
            raise InputError("guidance_interval must have low <= high.")
        return Guidance(
            check_number("guidance_scale", scale, 0, MAX_GUIDANCE_SCALE),
            low,
            high,
            check_number("guidance_rescale", self._given("guidance_rescale", rescale), 0, 1),
        )

    def _set_timesteps(self, steps: int | None) -> None:
        name = "num_inference_steps"
        steps = check_whole(name, self._given(name, steps), 1, MAX_STEPS)
        self.scheduler.set_timesteps(steps, device=self._execution_device)
        if self.scheduler.timesteps.min() < 0:  # diffusers' rounding leads it beyond the last one
            n_times = self.scheduler.config.num_train_timesteps
            possible = max(n for n in range(1, steps) if n_times % n == 0)
            raise InputError(
                f"The scheduler makes {len(self.scheduler.timesteps)} steps of {steps}. Take a "
                f"{name} that divides {n_times}, such as {possible}."
            )

    def _given(self, name: str, value: Any) -> Any:
        return (self.config.settings or {}).get(name) if value is None else value

    def _start(self, count: int, latents: Tensor | None, generator) -> Tensor:
        side = self.unet.config.sample_size
        shape = (count, self.unet.config.in_channels, side, side)
        device, dtype = self._execution_device, self.unet.dtype
        if latents is None:
            if isinstance(generator, list) and len(generator) != count:
                raise InputError(f"generator must be one, or {count}, not {len(generator)}.")
            return randn_tensor(shape, generator=generator, device=device, dtype=dtype)
        if tuple(latents.shape) != shape:
            raise InputError(f"latents must have the shape {shape}, not {tuple(latents.shape)}.")
        return latents.to(device, dtype)

    def _predict(self, x: Tensor, timestep: Tensor, context, guidance: Guidance) -> Tensor:
        """The prediction of v, guided where guidance acts and would change something."""
        # In float32, as times are compared elsewhere: both ends belong to the interval.
        t = ((timestep.double() + 1) / self.scheduler.config.num_train_timesteps).float()
        w = guidance.scale
        if w in (0, 1) or not context.is_guided.any() or not guidance.low <= t <= guidance.high:
            return self._run(x, timestep, context.null if w == 0 else context.tokens)
        both = torch.cat([context.tokens, context.null])
        cond, uncond = self._run(torch.cat([x, x]), timestep, both).chunk(2)
        v = uncond + w * (cond - uncond)
        if guidance.rescale:  # Lin et al. 2023, eq. 15-16
            std, std_cond = (p.std(dim=(1, 2, 3), keepdim=True) for p in (v, cond))
            v = guidance.rescale * v * (std_cond / std) + (1 - guidance.rescale) * v
        return v

    def _run(self, x: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
        tokens = tokens.to(x.dtype)
        conditions = {"encoder_hidden_states": tokens, "class_labels": tokens.mean(dim=1)}
        return self.unet(x, timestep, **conditions).sample

    def _output(self, latents: Tensor, output_type: str) -> Any:
        if not latents.isfinite().all():
            raise InputError(
                "The latents hold NaN or infinity, which are no picture. Take a lower "
                "guidance_scale or another scheduler."
            )
        if output_type == "latent":
            return latents
        pixels = self.vae.to_pixels(self.vae.decode(latents.to(self.vae.dtype)).sample).cpu()
        if output_type == "pil":
            return [Image.fromarray(picture) for picture in pixels.numpy()]
        images = pixels.unsqueeze(1).float() / 255
        return images if output_type == "pt" else images.permute(0, 2, 3, 1).numpy()


def _asked(prompt, label, negative_prompt, copies: int) -> tuple[list, list]:
    """For each picture what is asked, and what guidance leads away from."""
    if prompt is not None and label is not None:
        raise InputError("Give a prompt or a label, not both.")
    asked = _listed(label if prompt is None else prompt)
    for one in asked:
        if prompt is None and isinstance(one, str):
            raise InputError(f"A label is the index of a class, not {brief(one)}.")
        if prompt is not None and not isinstance(one, str):
            raise InputError(f"A prompt is a text, not {brief(one)}.")
    negative = _listed(negative_prompt)
    if len(negative) == 1:
        negative = negative * len(asked)
    if len(negative) != len(asked):
        raise InputError(f"negative_prompt must be one, or {len(asked)}, not {len(negative)}.")
    copies = check_whole("num_images_per_prompt", copies, 1, 10**6)
    return [[one for one in each for _ in range(copies)] for each in (asked, negative)]


def _listed(value: Any) -> list:
    alone = isinstance(value, str) or getattr(value, "ndim", 1) == 0
    return [value] if alone or not hasattr(value, "__len__") else list(value)


def _takes_generator(scheduler: SchedulerMixin) -> bool:
    return "generator" in inspect.signature(scheduler.step).parameters
