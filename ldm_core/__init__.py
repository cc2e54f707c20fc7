"""A miniature Stable Diffusion, real in every part. What is named here is public."""

from .checks import InputError, UserError, check_choice, check_number, check_whole
from .data.drawings import as_digit, as_mask, read_digit, read_mask
from .diffusion.samplers import SAMPLERS
from .diffusion.settings import MAX_GUIDANCE_SCALE, MAX_STEPS, SamplingSettings
from .diffusion.starts import Start, slerp
from .files.animation import write_animation, write_gif
from .files.checkpoint import CheckpointError
from .files.metadata import read_settings, settings_in
from .files.pictures import enlarge, lay_out, write_png
from .files.weights import weights_of
from .inputs import MAX_SEED, Keep
from .latent_diffusion import DenoisingStep, LatentDiffusion
from .model.class_names import ANY, NO_LABEL, find_label, label_text
from .model.vocabulary import STYLES
from .output.file_settings import SCALE, FileSettings, asked_of, picture_text, stored_settings
from .output.sample_files import write_samples
from .output.steps import round_trip_error, steps_of, steps_of_morph
from .output.views import latent_greys, step_pictures
from .runtime.backends import BACKENDS

__all__ = [
    "ANY",
    "NO_LABEL",
    "find_label",
    "label_text",
    "latent_greys",
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
    "Keep",
    "LatentDiffusion",
    "SamplingSettings",
    "Start",
    "UserError",
    "as_digit",
    "as_mask",
    "asked_of",
    "check_choice",
    "check_number",
    "check_whole",
    "enlarge",
    "lay_out",
    "picture_text",
    "read_digit",
    "read_mask",
    "read_settings",
    "round_trip_error",
    "settings_in",
    "steps_of",
    "steps_of_morph",
    "slerp",
    "step_pictures",
    "stored_settings",
    "weights_of",
    "write_animation",
    "write_gif",
    "write_png",
    "write_samples",
]
