"""The pipeline of the miniature Stable Diffusion: prompts or labels -> pictures."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from diffusers import DiffusionPipeline, ImagePipelineOutput, SchedulerMixin, UNet2DConditionModel
from diffusers.utils.torch_utils import randn_tensor
from PIL import Image
from torch import Tensor

from ...checks import InputError, check_choice, check_number, check_whole

MAX_STEPS = 1000
MAX_GUIDANCE_SCALE = 30
OUTPUT_TYPES = ("pil", "np", "pt", "latent")
STUDENT_STEPS, STUDENT_SCALES = 4, (1, 7)  # what a student has learned


class MiniaturePipeline(DiffusionPipeline):
    """settings: a dictionary of what suits these weights, for what a call does not give:
    num_inference_steps, guidance_scale, guidance_interval, guidance_rescale. It has a "token_scale"
    where the U-Net is a student, whose one prediction is guided already."""

    model_cpu_offload_seq = "text_encoder->unet->vae"
    _callback_tensor_inputs = ["latents"]

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
        self._guidance_scale, self._num_timesteps, self._interrupt = None, 0, False

    @property
    def guidance_scale(self) -> float | None:
        """That of the run; a callback may set `_guidance_scale`."""
        return self._guidance_scale

    @property
    def num_timesteps(self) -> int:
        return self._num_timesteps

    @property
    def interrupt(self) -> bool:
        """Whether the run is to end after this step; a callback may set `_interrupt`."""
        return self._interrupt

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
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> ImagePipelineOutput | tuple:
        """Draw pictures, 28 x 28 in grey.

        prompt: words, such as "a bold seven"; a list for several pictures. label: a class index
        instead of a prompt, or None for any class. num_inference_steps: 1 to 1000. guidance_scale:
        w in `uncond + w * (cond - uncond)`, 0 to 30; 1 is the plain conditional model. A student
        makes 1 to 4 steps, with a scale from 1 to 7, and has nothing else of guidance.
        guidance_interval: times (low, high), from 0 (picture) to 1 (noise), between which guidance
        acts. guidance_rescale: 0 to 1, how far to undo its contrast. negative_prompt: what guidance
        leads away from, one for all pictures or one for each prompt. style: for "stroke", "lean"
        and "width" a number from -1 (thin, leaning left, narrow) to 1 (bold, leaning right, wide).
        latents: noise to start from, (B, 4, 8, 8), instead of the generator's. output_type: "pil";
        "np" (B, 28, 28, 1) or "pt" (B, 1, 28, 28), in [0, 1]; or "latent".
        callback_on_step_end: called after each step with the pipeline, the index of the step, its
        timestep, and {"latents": latents}; it may return other latents in the same form.
        Without an argument, `settings` decides. Raises InputError, a ValueError, before any work.
        """
        check_choice("output_type", output_type, OUTPUT_TYPES)
        for name in callback_on_step_end_tensor_inputs:
            check_choice("Each tensor input", name, self._callback_tensor_inputs)
        asked, negative = _asked(prompt, label, negative_prompt, num_images_per_prompt)
        conditioning = self.text_encoder.model
        prompts = conditioning.read(asked, negative, style)
        low, high = STUDENT_SCALES if self._is_student else (0, MAX_GUIDANCE_SCALE)
        scale = check_number(*self._given("guidance_scale", guidance_scale), low, high)
        rescale = check_number(*self._given("guidance_rescale", guidance_rescale), 0, 1)
        interval = _interval(*self._given("guidance_interval", guidance_interval))
        led_away = conditioning.says_something(negative)
        if self._is_student and (led_away or guidance_interval is not None or rescale):
            raise InputError(
                "A student has no negative prompt, no guidance_interval and no guidance_rescale."
            )
        if scale == 1 and led_away:
            raise InputError("A negative prompt needs guidance: a guidance_scale above 1.")
        self._set_timesteps(*self._given("num_inference_steps", num_inference_steps))
        latents = self._start(len(asked), latents, generator) * self.scheduler.init_noise_sigma

        self._guidance_scale, self._interrupt = scale, False
        self._num_timesteps = len(self.scheduler.timesteps)
        prompt_embeds = self.text_encoder(prompts).to(self.unet.dtype)
        takes_generator = "generator" in inspect.signature(self.scheduler.step).parameters
        options = {"generator": generator} if takes_generator else {}
        first = None  # estimate of x_0
        for i, timestep in enumerate(self.progress_bar(self.scheduler.timesteps)):
            x = self.scheduler.scale_model_input(latents, timestep)
            v = self._predict(x, timestep, prompt_embeds, interval, rescale)
            latents = self.scheduler.step(v, timestep, latents, **options).prev_sample
            if self._is_student:
                level = self.scheduler.alphas_cumprod[timestep.long().cpu()].item()
                x_0 = level**0.5 * x - (1 - level) ** 0.5 * v
                first = x_0 if first is None else first
                if i + 1 == self._num_timesteps:  # away from the first estimate, as our sampler
                    lead = self.config.settings["lead"] * self._time(timestep)
                    latents = x_0 + lead * (x_0 - first)
            if callback_on_step_end is not None:
                changed = callback_on_step_end(self, i, timestep, {"latents": latents}) or {}
                latents = changed.get("latents", latents)
            if self._interrupt:
                break
        images = self._output(latents, output_type)
        self.maybe_free_model_hooks()
        return ImagePipelineOutput(images=images) if return_dict else (images,)

    @property
    def _is_student(self) -> bool:
        return "token_scale" in (self.config.settings or {})

    def _given(self, name: str, value: Any) -> tuple[str, Any]:
        return name, (self.config.settings or {}).get(name) if value is None else value

    def _set_timesteps(self, name: str, steps: int) -> None:
        most = STUDENT_STEPS if self._is_student else MAX_STEPS
        steps, config = check_whole(name, steps, 1, most), self.scheduler.config
        follows = config.get("trained_betas") is not None and hasattr(
            self.scheduler, "alphas_cumprod"
        )
        if not follows or config.get("prediction_type") != "v_prediction":
            raise InputError(
                f"{type(self.scheduler).__name__} does not follow the noise schedule of these "
                "weights. Take one that has trained_betas, by from_config(pipe.scheduler.config)."
            )
        if config.get("clip_sample"):
            raise InputError(
                "The scheduler would clip latents, which are no pictures: pass clip_sample=False "
                "to its from_config."
            )
        self.scheduler.set_timesteps(steps, device=self._execution_device)
        if self.scheduler.timesteps.min() < 0:  # diffusers' rounding leads it beyond the last one
            n_times = config.num_train_timesteps
            possible = max(n for n in range(1, steps) if n_times % n == 0)
            raise InputError(
                f"The scheduler makes {len(self.scheduler.timesteps)} steps of {steps}. Take a "
                f"{name} that divides {n_times}, such as {possible}."
            )

    def _start(self, count: int, latents: Any, generator: Any) -> Tensor:
        side = self.unet.config.sample_size
        shape = (count, self.unet.config.in_channels, side, side)
        device, dtype = self._execution_device, self.unet.dtype
        if latents is None:
            if isinstance(generator, list) and len(generator) != count:
                raise InputError(f"generator must be one, or {count}, not {len(generator)}.")
            return randn_tensor(shape, generator=generator, device=device, dtype=dtype)
        latents = torch.as_tensor(latents)  # of NumPy, too
        if latents.shape != shape:
            raise InputError(f"latents must have the shape {shape}, not {tuple(latents.shape)}.")
        return latents.to(device, dtype)

    def _predict(
        self,
        x: Tensor,
        timestep: Tensor,
        prompt_embeds: Tensor,
        interval: tuple[float, float],
        rescale: float,
    ) -> Tensor:
        """The prediction of v, guided where guidance acts and would change something."""
        null, tokens = prompt_embeds.chunk(2)
        w = self._guidance_scale
        if self._is_student:
            share = w / self.config.settings["token_scale"]
            return self._run(x, timestep, null + share * (tokens - null))
        t = self._time(timestep)
        if w in (0, 1) or not interval[0] <= t <= interval[1] or torch.equal(null, tokens):
            return self._run(x, timestep, null if w == 0 else tokens)
        uncond, cond = self._run(torch.cat([x, x]), timestep, prompt_embeds).chunk(2)
        v = uncond + w * (cond - uncond)
        if rescale:  # Lin et al. 2023, eq. 15-16
            std, std_cond = (p.std(dim=(1, 2, 3), keepdim=True) for p in (v, cond))
            v = rescale * v * (std_cond / std) + (1 - rescale) * v
        return v

    def _time(self, timestep: Tensor) -> Tensor:
        """t in [0, 1]; in float32, as times are compared elsewhere: both ends of an interval belong
        to it."""
        return ((timestep.double() + 1) / self.scheduler.config.num_train_timesteps).float()

    def _run(self, x: Tensor, timestep: Tensor, tokens: Tensor) -> Tensor:
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


def _interval(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise InputError(f"{name} must be a pair of times (low, high).")
    low, high = (check_number(name, end, 0, 1) for end in value)
    return low, check_number(f"The end of {name}", high, low, 1)


def _asked(prompt, label, negative_prompt, copies: int) -> tuple[list, list]:
    """For each picture its prompt or label, and its negative prompt."""
    if prompt is not None and label is not None:
        raise InputError("Give a prompt or a label, not both.")
    asked, negative = _listed(label if prompt is None else prompt), _listed(negative_prompt)
    if len(negative) == 1:
        negative = negative * len(asked)
    if len(negative) != len(asked):
        raise InputError(f"negative_prompt must be one, or {len(asked)}, not {len(negative)}.")
    return [[one for one in each for _ in range(copies)] for each in (asked, negative)]


def _listed(value: Any) -> list:
    alone = isinstance(value, str) or getattr(value, "ndim", 1) == 0
    return [value] if alone or not hasattr(value, "__len__") else list(value)
