"""Forward diffusion: the levels of signal and noise at time t.

    x_t = sqrt(alpha_bar(t)) x_0 + sqrt(1 - alpha_bar(t)) noise          (Ho et al. 2020, eq. 4)

Time t is continuous, from 0 (clean) to 1 (nearly pure noise). Everything here is computed in
float64 and rounded once, to the dtype of the latents.
"""

import math

import torch
from torch import Tensor

from ..checks import InputError, check_choice, check_whole
from ..config import NoiseScheduleConfig

SPACINGS = ("time", "log_snr", "karras")


class NoiseSchedule:
    """The cosine schedule (Nichol & Dhariwal 2021, eq. 17, without their offset).

    alpha_bar(t) = cos(t * angle)^2, where cos(angle) = terminal_signal is the signal left at t = 1.
    So diffusion is a rotation (Salimans & Ho 2022, appendix D):
    x_t = cos(t angle) x_0 + sin(t angle) noise and v = dx_t / d(t angle).
    """

    # Where the grids in log-SNR and of Karras et al. end, before a last step to 0.
    T_MIN = 0.01

    def __init__(self, config: NoiseScheduleConfig = NoiseScheduleConfig()):
        if not 0 < config.terminal_signal < 1:
            raise InputError(f"terminal_signal must lie in (0, 1), not {config.terminal_signal}.")
        self.config = config
        self.angle = math.acos(config.terminal_signal)

    def alpha_bar(self, t: Tensor | float) -> Tensor:
        """Squared signal level at t, float64, of t's shape: 1 at t = 0."""
        return self.levels(t)[0] ** 2

    def levels(self, t: Tensor | float) -> tuple[Tensor, Tensor]:
        """(sqrt(alpha_bar), sqrt(1 - alpha_bar)): signal and noise levels at t, float64."""
        angle = torch.as_tensor(t, dtype=torch.float64) * self.angle
        return angle.cos(), angle.sin()

    def half_log_snr(self, t: Tensor | float) -> Tensor:
        """lambda(t) = log(signal / noise), the half log-SNR of Lu et al. 2022; +inf at t = 0."""
        signal, noise = self.levels(t)
        return signal.log() - noise.log()

    def time_of_half_log_snr(self, half_log_snr: Tensor | float) -> Tensor:
        """The inverse of `half_log_snr`: t = atan(exp(-lambda)) / angle."""
        return torch.as_tensor(half_log_snr, dtype=torch.float64).neg().exp().atan() / self.angle

    def add_noise(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """x_t = sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) noise, for t (B,)."""
        signal_level, noise_level = self._levels_like(x_0, t)
        return signal_level * x_0 + noise_level * noise

    def v_from_x_0(self, x_0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """v = sqrt(alpha_bar) noise - sqrt(1 - alpha_bar) x_0 (Salimans & Ho 2022, sec. 4)."""
        signal_level, noise_level = self._levels_like(x_0, t)
        return signal_level * noise - noise_level * x_0

    def x_0_from_v(self, x_t: Tensor, v: Tensor, t: Tensor) -> Tensor:
        """x_0 = sqrt(alpha_bar) x_t - sqrt(1 - alpha_bar) v."""
        signal_level, noise_level = self._levels_like(x_t, t)
        return signal_level * x_t - noise_level * v

    def times(self, steps: int, spacing: str = "time") -> Tensor:
        """The grid for `steps` steps: float64 (steps + 1,), falling from 1 to exactly 0.

        "time":    uniform in t.
        "log_snr": uniform in log-SNR from t = 1 to T_MIN, then 0 (Lu et al. 2022, sec. 3.3).
        "karras":  noise / signal raised to 1/7 is uniform from t = 1 to T_MIN, then 0
                   (Karras et al. 2022, eq. 5, rho = 7).
        Raises InputError for steps that are not a whole number above 0, or an unknown spacing.
        """
        check_whole("steps", steps, 1, 10**6)
        check_choice("spacing", spacing, SPACINGS)
        if spacing == "time":
            return torch.linspace(1, 0, steps + 1, dtype=torch.float64)
        ends = self.half_log_snr(torch.tensor([1.0, self.T_MIN], dtype=torch.float64))
        fraction = torch.linspace(0, 1, steps, dtype=torch.float64)
        if spacing == "log_snr":
            half_log_snr = torch.lerp(ends[0], ends[1], fraction)
        else:
            ratio = torch.exp(-ends / 7)
            half_log_snr = -7 * torch.lerp(ratio[0], ratio[1], fraction).log()
        times = self.time_of_half_log_snr(half_log_snr)
        times[0] = 1  # exactly, without the rounding of the conversions
        return torch.cat([times, times.new_zeros(1)])

    def _levels_like(self, x: Tensor, t: Tensor) -> list[Tensor]:
        """Levels at t (B,), on x's device, in its dtype, shaped to multiply x (B, ...)."""
        return [level.to(x).view(-1, *[1] * (x.dim() - 1)) for level in self.levels(t)]
