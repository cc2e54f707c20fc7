"""Samplers: from noise to sample, one generator function each, written like its paper.

Every sampler is called as

    sampler(denoise, x, times, *, schedule, noise)

denoise:  callable (x_t, t (B,)) -> estimate of x_0, with t on the CPU. The sampler knows neither
          network nor guidance.
x:        x_t at times[0], (B, ...).
times:    float64 (steps + 1,), falling, to 0 for a sample (see `NoiseSchedule.times`).
schedule: the NoiseSchedule.
noise:    callable (i) -> fresh standard normal noise like x for step i = 1 ... steps. Randomness is
          always passed in, so that an image can depend on its own seed only.

and yields exactly `steps` pairs (x_t after the step, the x_0 estimate that the step used); the x_t
of the last pair is the sample. In the code, as in the papers, a step goes from t to s < t.
`signal` is sqrt(alpha_bar), `sigma` is sqrt(1 - alpha_bar) (DDIM writes sqrt(alpha) for the first).
"""

from collections.abc import Callable, Iterator
from math import expm1, sqrt

import torch
from torch import Tensor

from ..checks import check_choice
from .noise_schedule import NoiseSchedule

Denoise = Callable[[Tensor, Tensor], Tensor]
Noise = Callable[[int], Tensor]
Steps = Iterator[tuple[Tensor, Tensor]]
Sampler = Callable[..., Steps]


def ddpm(denoise: Denoise, x: Tensor, times: Tensor, *, schedule: NoiseSchedule, noise: Noise):
    """Ancestral sampling (Ho et al. 2020, algorithm 2), generalised to steps of any length.

    Draws from q(x_s | x_t, x_0), their eq. 6-7, with the estimate instead of x_0.
    """
    for i, (t, signal_t, sigma_t), (_, signal_s, sigma_s) in _steps(times, schedule):
        x_0 = denoise(x, _full(x, t))
        signal_ratio = signal_t / signal_s  # sqrt(alpha) of the paper: the signal this step keeps
        beta = (sigma_t**2 - sigma_s**2) / signal_s**2  # 1 - signal_ratio^2, exact near t = 0 too
        mean_x_0, mean_x_t = signal_s * beta / sigma_t**2, signal_ratio * sigma_s**2 / sigma_t**2
        x = mean_x_0 * x_0 + mean_x_t * x
        if deviation := sqrt(beta) * sigma_s / sigma_t:
            x = x + deviation * noise(i)
        yield x, x_0


def ddim(
    denoise: Denoise,
    x: Tensor,
    times: Tensor,
    *,
    schedule: NoiseSchedule,
    noise: Noise,
    eta: float = 0.0,
) -> Steps:
    """DDIM (Song et al. 2021, eq. 12 and 16). eta = 0 is deterministic, eta = 1 is `ddpm`."""
    for i, (t, signal_t, sigma_t), (_, signal_s, sigma_s) in _steps(times, schedule):
        x_0 = denoise(x, _full(x, t))
        predicted_noise = (x - signal_t * x_0) / sigma_t
        fresh = _fresh_noise(eta, signal_t, sigma_t, signal_s, sigma_s)
        x = signal_s * x_0 + sqrt(sigma_s**2 - fresh**2) * predicted_noise
        if fresh:
            x = x + fresh * noise(i)
        yield x, x_0


def euler(denoise: Denoise, x: Tensor, times: Tensor, *, schedule: NoiseSchedule, noise: Noise):
    """Euler's method on the probability-flow ODE of Karras et al. 2022 (their algorithm 1 without
    the correction), in their variables: y = x / signal, r = sigma / signal, dy/dr = (y - x_0) / r.

    In exact arithmetic this is `ddim` with eta = 0 (Song et al. 2021, sec. 4.3).
    """
    for _, (t, signal_t, sigma_t), (_, signal_s, sigma_s) in _steps(times, schedule):
        x_0 = denoise(x, _full(x, t))
        y, r_t, r_s = x / signal_t, sigma_t / signal_t, sigma_s / signal_s
        slope = (y - x_0) / r_t
        x = signal_s * (x_0 + r_s * slope)  # y + (r_s - r_t) slope, without the rounding of large y
        yield x, x_0


def heun(denoise: Denoise, x: Tensor, times: Tensor, *, schedule: NoiseSchedule, noise: Noise):
    """Heun's method (Karras et al. 2022, algorithm 1): second order, two denoiser calls a step
    except in the last, which is Euler's. Variables as in `euler`."""
    for _, (t, signal_t, sigma_t), (s, signal_s, sigma_s) in _steps(times, schedule):
        x_0 = denoise(x, _full(x, t))
        y, r_t, r_s = x / signal_t, sigma_t / signal_t, sigma_s / signal_s
        slope_t = (y - x_0) / r_t
        y_s = x_0 + r_s * slope_t  # Euler's step, as in `euler`
        if r_s > 0:
            slope_s = (y_s - denoise(signal_s * y_s, _full(x, s))) / r_s
            y_s = y_s + (r_s - r_t) * (slope_s - slope_t) / 2
        x = signal_s * y_s
        yield x, x_0


def dpmpp_2m(
    denoise: Denoise,
    x: Tensor,
    times: Tensor,
    *,
    schedule: NoiseSchedule,
    noise: Noise,
    eta: float = 0.0,
) -> Steps:
    """DPM-Solver++(2M) (Lu et al. 2022b, algorithm 2): second order, one denoiser call a step.

    A step of `ddim`, eta included, with D = (1 + 1/(2r)) x_0 - 1/(2r) x_0_before instead of x_0:
    the estimate extrapolated to the middle of the step, r = h_before / h, where h is a step in half
    log-SNR. The last step goes to log-SNR = infinity and is of first order, D = x_0.
    With eta = 0 that is x_s = sigma_s / sigma_t x_t - signal_s (exp(-h) - 1) D, as in algorithm 2.
    """
    x_0_before = h_before = None
    for i, (t, signal_t, sigma_t), (s, signal_s, sigma_s) in _steps(times, schedule):
        x_0 = denoise(x, _full(x, t))
        h = float(schedule.half_log_snr(s) - schedule.half_log_snr(t))
        direction = x_0
        if x_0_before is not None and sigma_s > 0:
            direction = x_0 + (x_0 - x_0_before) * (h / (2 * h_before))
        fresh = _fresh_noise(eta, signal_t, sigma_t, signal_s, sigma_s)
        kept = sqrt(sigma_s**2 - fresh**2)
        x = kept / sigma_t * x + (signal_s - kept * signal_t / sigma_t) * direction
        if fresh:
            x = x + fresh * noise(i)
        x_0_before, h_before = x_0, h
        yield x, x_0


def dpmpp_2m_sde(
    denoise: Denoise, x: Tensor, times: Tensor, *, schedule: NoiseSchedule, noise: Noise
) -> Steps:
    """SDE-DPM-Solver++(2M) (Lu et al. 2022b): `dpmpp_2m` with eta = 1, as `ddpm` is `ddim`.

    x_s = sigma_s / sigma_t exp(-h) x_t + signal_s (1 - exp(-2h)) D + sigma_s sqrt(1 - exp(-2h)) z,
    z fresh noise, which replaces the errors of earlier estimates step by step.
    """
    return dpmpp_2m(denoise, x, times, schedule=schedule, noise=noise, eta=1.0)


def unipc(denoise: Denoise, x: Tensor, times: Tensor, *, schedule: NoiseSchedule, noise: Noise):
    """UniPC-2 (Zhao et al. 2023): multistep, data prediction, their B2(h); third order, one
    denoiser call a step.

    A predictor (UniP) and a corrector (UniC) add to the same first-order step its higher orders:

        x_s = ddim(x_t) + gain (D_1 / 2)                      UniP-2: the step that is yielded
        x_s = ddim(x_t) + gain (rho_1 D_1 + rho_s D_s)        UniC-2: where the next step starts

    with gain = -signal_s (exp(-h) - 1), D_1 = (x_0_before - x_0) / r, r = -h_before / h, and
    D_s = x_0_s - x_0, which is known once the next step has made its estimate x_0_s.
    The first step has no D_1, hence UniP-1 and UniC-1 (rho_s = 1/2). The last step goes to
    log-SNR = infinity and is of first order.
    """
    x_0_before = h_before = corrected = weight = None
    for _, (t, signal_t, sigma_t), (s, signal_s, sigma_s) in _steps(times, schedule):
        x_0 = denoise(x, _full(x, t))
        if x_0_before is not None:
            x = corrected + weight * (x_0 - x_0_before)
        h = float(schedule.half_log_snr(s) - schedule.half_log_snr(t))
        gain = signal_s - signal_t * sigma_s / sigma_t  # as in `dpmpp_2m`
        first_order = sigma_s / sigma_t * x + gain * x_0
        if x_0_before is None or sigma_s == 0:
            x, corrected, weight = first_order, first_order, gain / 2
        else:
            r = -h_before / h
            d_1 = (x_0_before - x_0) / r
            rho_1, rho_s = _unic_weights(h, r)
            x = first_order + gain / 2 * d_1
            corrected, weight = first_order + gain * rho_1 * d_1, gain * rho_s
        x_0_before, h_before = x_0, h
        yield x, x_0


def student(denoise: Denoise, x: Tensor, times: Tensor, *, schedule: NoiseSchedule, noise: Noise):
    """`ddim` with another network: the distilled one, whose estimate of x_0 is already the picture
    that many steps would make (see `training/distillation.py`). STUDENT_STEPS at most.

    An estimate lies in the middle of all pictures that may come of a latent, so it is a little
    blurred. The first, made from noise alone, is blurred most. So the sample is led away from it:

        sample = x_0 + LEAD t (x_0 - x_0_first)

    with x_0 the estimate of the last step, at time t; as autoguidance leads away from a weaker
    network (Karras et al. 2024). In one step it changes nothing.
    """
    x_0_first, t_last = None, times[-2].item()
    steps = ddim(denoise, x, times, schedule=schedule, noise=noise)
    for i, (x_s, x_0) in enumerate(steps, start=2):
        x_0_first = x_0 if x_0_first is None else x_0_first
        if i == len(times):
            x_s = x_0 + LEAD * t_last * (x_0 - x_0_first)
        yield x_s, x_0


def _unic_weights(h: float, r: float) -> tuple[float, float]:
    """(rho_1, rho_s) of UniC-2: the solution of rho_1 + rho_s = b_1 and r rho_1 + rho_s = b_2.

    b_k is the mean of u^k over the step (u = 0 ... 1 in log-SNR) under the weight exp(h u) that
    the estimate has in the exact solution, so UniC-2 is exact where x_0 is quadratic in u.
    """
    b_1 = -1 / expm1(-h) - 1 / h
    b_2 = -1 / expm1(-h) - 2 * b_1 / h
    rho_1 = (b_1 - b_2) / (1 - r)
    return rho_1, b_1 - rho_1


def _fresh_noise(
    eta: float, signal_t: float, sigma_t: float, signal_s: float, sigma_s: float
) -> float:
    """The deviation of the noise that a step from t to s adds (Song et al. 2021, eq. 16)."""
    return eta * sigma_s / sigma_t * sqrt(1 - (signal_t / signal_s) ** 2)


SAMPLERS = {
    f.__name__: f for f in (ddpm, ddim, euler, heun, dpmpp_2m, dpmpp_2m_sde, unipc, student)
}
STUDENT, STUDENT_STEPS = "student", 4  # its name, and the most steps that it has learned
LEAD = 0.8  # of `student`: chosen for the weights of this repository (docs/training-log.md)
WITH_ETA = ("ddim", "dpmpp_2m")


def get_sampler(name: str) -> Sampler:
    """The sampler of that name; raises InputError listing the known ones."""
    check_choice("sampler", name, SAMPLERS)
    return SAMPLERS[name]


def _steps(times: Tensor, schedule: NoiseSchedule):
    """Yield (i, (t, signal_t, sigma_t), (s, signal_s, sigma_s)) for the steps i = 1, 2, ...

    They are Python floats: reading a number back from a GPU would stall it at every step.
    """
    points = list(zip(times.tolist(), *(level.tolist() for level in schedule.levels(times))))
    for i, (point_t, point_s) in enumerate(zip(points, points[1:]), start=1):
        yield i, point_t, point_s


def _full(x: Tensor, t: float) -> Tensor:
    """t for each image, on the CPU, so that decisions that depend on t never wait for a GPU."""
    return torch.full((len(x),), t, dtype=x.dtype)
