"""The settings of sampling: one definition for Python, command lines, HTTP, page and files."""

from dataclasses import dataclass
from typing import Any

from ..checks import InputError, brief, check_choice, check_float, check_whole
from ..config import Config, checked
from .noise_schedule import SPACINGS
from .samplers import SAMPLERS, STUDENT, STUDENT_STEPS, WITH_ETA

MAX_STEPS = 1000
MAX_GUIDANCE_SCALE = 30.0
STUDENT_SCALES = (1.0, 7.0)  # the guidance scales that the student has learned


def _check_interval(name: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, tuple) or len(value) != 2:
        raise InputError(f"{name} must be a pair of times (low, high).")
    low, high = (check_float(name, end, 0, 1) for end in value)
    if low > high:
        raise InputError(f"{name} must have low <= high.")
    return low, high


def _check_off(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, (tuple, list)) or not all(isinstance(one, str) for one in value):
        raise InputError(f"{name} must be a list of names, not {brief(value)}.")
    return tuple(sorted(set(value)))


@dataclass(frozen=True)
class SamplingSettings(Config):
    """How a sample is made, apart from its prompt and its seed; checked when it is made.

    The defaults suit the weights of this repository (docs/samplers.md). Each model has its own, in
    `LatentDiffusion.defaults`.

    guidance_scale: w in `uncond + w * (cond - uncond)`; 0 ignores the label, 1 is the plain
        conditional model, above 1 strengthens the label. 0 to 30.
    steps: denoising steps, 1 to 1000.
    sampler: a name from `ldm_core.SAMPLERS`.
    spacing: where the steps lie: "time", "log_snr" or "karras" (see `NoiseSchedule.times`).
    eta: share of fresh noise per step, 0 to 1; the samplers "ddim" and "dpmpp_2m" use it.
    guidance_interval: guidance is applied only where low <= t <= high; elsewhere the plain
        conditional model acts, at half the cost (Kynkäänniemi et al. 2024).
    guidance_rescale: 0 to 1; pulls the deviation of the guided prediction back to that of the
        conditional one (Lin et al. 2023, eq. 15-16).
    off: what is switched off, names from `LatentDiffusion.switches` (see `model/inside.py`), which
        the model checks.
    Raises InputError saying which value is wrong and what is allowed.
    """

    guidance_scale: float = checked(check_float, 0, MAX_GUIDANCE_SCALE, default=3.5)
    steps: int = checked(check_whole, 1, MAX_STEPS, default=12)
    sampler: str = checked(check_choice, SAMPLERS, default="dpmpp_2m")
    spacing: str = checked(check_choice, SPACINGS, default="time")
    eta: float = checked(check_float, 0, 1, default=0.0)
    guidance_interval: tuple[float, float] = checked(_check_interval, default=(0.4, 0.7))
    guidance_rescale: float = checked(check_float, 0, 1, default=0.0)
    off: tuple[str, ...] = checked(_check_off, default=())

    def __post_init__(self):
        super().__post_init__()
        if self.eta and self.sampler not in WITH_ETA:
            raise InputError(
                f"eta works with the sampler {' or '.join(WITH_ETA)} only, not with {self.sampler}."
            )
        if self.sampler == STUDENT:
            self._check_student()

    def _check_student(self) -> None:
        low, high = STUDENT_SCALES
        fits = self.steps <= STUDENT_STEPS and low <= self.guidance_scale <= high
        if not fits or self.spacing != "time" or self.guidance_rescale or self.off:
            raise InputError(
                f"The sampler {STUDENT} makes 1 to {STUDENT_STEPS} steps with a guidance scale "
                f"from {low:g} to {high:g}, and has no other spacing, no rescale and nothing to "
                "switch off."
            )
