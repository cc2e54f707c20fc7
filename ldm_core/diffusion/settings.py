"""The settings of sampling: one definition for Python, command lines, HTTP, page and files."""

from dataclasses import dataclass

from ..checks import InputError, check_choice, check_number, check_whole
from ..config import Config
from .noise_schedule import SPACINGS
from .samplers import SAMPLERS, WITH_ETA

MAX_STEPS = 1000
MAX_GUIDANCE_SCALE = 30.0


@dataclass(frozen=True)
class SamplingSettings(Config):
    """How a sample is made, apart from what is asked and its seed.

    The defaults suit the weights of this repository (docs/samplers.md); a model brings its own, in
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
    Raises InputError saying which value is wrong and what is allowed.
    """

    guidance_scale: float = 3.5
    steps: int = 12
    sampler: str = "dpmpp_2m"
    spacing: str = "time"
    eta: float = 0.0
    guidance_interval: tuple[float, float] = (0.4, 0.7)
    guidance_rescale: float = 0.0

    def __post_init__(self):
        # What NumPy or PyTorch gave becomes Python's own, which files can store; and 3 becomes 3.0,
        # as the command line reads it, or files would differ by that.
        number = lambda name, high: float(check_number(name, getattr(self, name), 0, high))
        settle = lambda name, value: object.__setattr__(self, name, value)  # it is frozen
        settle("guidance_scale", number("guidance_scale", MAX_GUIDANCE_SCALE))
        settle("steps", check_whole("steps", self.steps, 1, MAX_STEPS))
        check_choice("sampler", self.sampler, SAMPLERS)
        check_choice("spacing", self.spacing, SPACINGS)
        settle("eta", number("eta", 1))
        settle("guidance_rescale", number("guidance_rescale", 1))
        if self.eta and self.sampler not in WITH_ETA:
            raise InputError(
                f"eta works with the sampler {' or '.join(WITH_ETA)} only, not with {self.sampler}."
            )
        if not isinstance(self.guidance_interval, tuple) or len(self.guidance_interval) != 2:
            raise InputError("guidance_interval must be a pair of times (low, high).")
        ends = self.guidance_interval
        low, high = (float(check_number("guidance_interval", end, 0, 1)) for end in ends)
        settle("guidance_interval", (low, high))
        if low > high:
            raise InputError("guidance_interval must have low <= high.")
