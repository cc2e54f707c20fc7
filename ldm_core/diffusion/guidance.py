"""From a network to a denoiser: classifier-free guidance, and the step from v to x_0.

The network predicts v and knows nothing of guidance; samplers ask for x_0 and know no network.
"""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from ..model.conditioning import Context
from ..model.inside import GUIDANCE
from .noise_schedule import NoiseSchedule
from .samplers import Denoise
from .settings import SamplingSettings

# (x_t (B, ...), t (B,)) -> predictions of v (R, B, ...), one for each of R contexts
Predict = Callable[[Tensor, Tensor], Tensor]
TOKEN_SCALE = 3.0  # the guidance scale at which the student's condition tokens are the teacher's


def guided_denoiser(
    predictor: Callable[[Tensor], Predict],
    context: Context,
    schedule: NoiseSchedule,
    settings: SamplingSettings,
) -> Denoise:
    """`denoise(x_t, t) -> x_0 estimate` for a batch of images, with guidance:

        prediction = uncond + guidance_scale * (cond - uncond)     (Ho & Salimans 2022, eq. 6)

    (their w is guidance_scale - 1). predictor(contexts (R, B, n_tokens, d_context)) -> Predict.
    One prediction is made where the guidance scale is 0 or 1, which it is too with guidance off,
    where the prompts of both are equal, and at times outside the guidance interval; otherwise two
    are made. t (B,) is on the CPU, even if x_t is not, so that no decision waits for a GPU.
    """
    w = 1 if GUIDANCE in settings.off else settings.guidance_scale
    low, high = settings.guidance_interval
    guides = w not in (0, 1) and bool(context.is_guided.any())
    alone = context.null if w == 0 else context.tokens

    @cache
    def predict(guided: bool) -> Predict:
        return predictor(torch.stack([context.tokens, context.null] if guided else [alone]))

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        guided = (low <= t) & (t <= high)
        if not guides or not guided.any():
            (v,) = predict(False)(x_t, t)
            return schedule.x_0_from_v(x_t, v, t)
        v_cond, v_uncond = predict(True)(x_t, t)
        v = v_uncond + w * (v_cond - v_uncond)
        if settings.guidance_rescale:
            v = rescale(v, v_cond, settings.guidance_rescale)
        if not guided.all():
            v = torch.where(guided.to(v.device).view(-1, 1, 1, 1), v, v_cond)
        return schedule.x_0_from_v(x_t, v, t)

    return denoise


def student_denoiser(
    predictor: Callable[[Tensor], Predict],
    context: Context,
    schedule: NoiseSchedule,
    guidance_scale: float | Tensor,
) -> Denoise:
    """`denoise(x_t, t) -> x_0 estimate` of the distilled network, whose one prediction is already
    guided. guidance_scale: one for all images, or one for each (B,)."""
    predict = predictor(scaled_tokens(context, guidance_scale)[None])

    def denoise(x_t: Tensor, t: Tensor) -> Tensor:
        (v,) = predict(x_t, t)
        return schedule.x_0_from_v(x_t, v, t)

    return denoise


def scaled_tokens(context: Context, guidance_scale: float | Tensor) -> Tensor:
    """How the distilled network is told the guidance scale w, as nothing but condition tokens:
    null + w / TOKEN_SCALE * (tokens - null). Where there is no prompt, w changes nothing, as in
    guidance itself."""
    share = torch.as_tensor(guidance_scale, dtype=torch.float32) / TOKEN_SCALE
    return context.null + share.view(-1, 1, 1).to(context.null) * (context.tokens - context.null)


def rescale(v: Tensor, v_cond: Tensor, share: float) -> Tensor:
    """Pull the deviation of guided v towards that of v_cond (Lin et al. 2023, eq. 15-16):
    share * v * std(v_cond) / std(v) + (1 - share) * v, each std over one image."""
    std, std_cond = (x.std(dim=(1, 2, 3), keepdim=True) for x in (v, v_cond))
    return share * v * (std_cond / std) + (1 - share) * v
