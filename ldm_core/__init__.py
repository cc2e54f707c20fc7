"""A miniature Stable Diffusion, real in every part.

These are the names that most programs need; the rest is in the modules of this package.
"""

from .checks import InputError, UserError
from .diffusion.samplers import SAMPLERS
from .diffusion.settings import SamplingSettings
from .diffusion.starts import Start
from .files.animation import write_animation
from .files.checkpoint import CheckpointError
from .files.metadata import read_settings
from .files.pictures import write_png
from .inputs import Keep
from .latent_diffusion import DenoisingStep, LatentDiffusion
from .runtime.backends import BACKENDS

__all__ = [
    "BACKENDS",
    "SAMPLERS",
    "CheckpointError",
    "DenoisingStep",
    "InputError",
    "Keep",
    "LatentDiffusion",
    "SamplingSettings",
    "Start",
    "UserError",
    "read_settings",
    "write_animation",
    "write_png",
]
