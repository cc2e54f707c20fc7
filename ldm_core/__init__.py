"""A miniature Stable Diffusion, real in every part. What is named here is public."""

from .checks import InputError, UserError, check_choice, check_number, check_whole
from .diffusion.samplers import SAMPLERS
from .diffusion.settings import MAX_GUIDANCE_SCALE, MAX_STEPS, SamplingSettings
from .diffusion.starts import Start
from .files.animation import write_animation, write_gif
from .files.checkpoint import CheckpointError
from .files.metadata import read_settings
from .files.pictures import enlarge, lay_out, write_png
from .files.weights import weights_of
from .latent_diffusion import MAX_SEED, DenoisingStep, LatentDiffusion
from .model.class_names import ANY, NO_LABEL, find_label, label_text
from .model.vocabulary import STYLES
from .output.file_settings import SCALE, FileSettings, stored_settings
from .output.views import step_pictures
from .runtime.backends import BACKENDS

__all__ = [
    "ANY",
    "NO_LABEL",
    "find_label",
    "label_text",
    "BACKENDS",
    "MAX_GUIDANCE_SCALE",
    "MAX_SEED",
    "MAX_STEPS",
    "SAMPLERS",
    "SCALE",
    "STYLES",
    "CheckpointError",
    "DenoisingStep",
    "FileSettings",
    "InputError",
    "LatentDiffusion",
    "SamplingSettings",
    "Start",
    "UserError",
    "check_choice",
    "check_number",
    "check_whole",
    "enlarge",
    "lay_out",
    "read_settings",
    "step_pictures",
    "stored_settings",
    "weights_of",
    "write_animation",
    "write_gif",
    "write_png",
]
