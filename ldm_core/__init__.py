"""A miniature Stable Diffusion, real in every part."""

from .backends import BACKENDS
from .checkpoint import CheckpointError
from .latent_diffusion import MAX_SEED, DenoisingStep, LatentDiffusion
from .samplers import SAMPLERS
from .settings import MAX_GUIDANCE_SCALE, MAX_STEPS, SamplingSettings

__all__ = [
    "BACKENDS",
    "MAX_GUIDANCE_SCALE",
    "MAX_SEED",
    "MAX_STEPS",
    "SAMPLERS",
    "CheckpointError",
    "DenoisingStep",
    "LatentDiffusion",
    "SamplingSettings",
]
