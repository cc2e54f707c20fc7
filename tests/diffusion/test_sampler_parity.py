"""Our samplers against diffusers': the same network and noise give the same latents at every step.

diffusers numbers its noise levels; ours are continuous. So our grid becomes its table, one entry a
step, which lets every grid of ours be compared. The network predicts v, from which both sides make
their own estimate of x_0. What else differs:

- Its Euler and Heun hold y = x / signal in the place of x; we multiply by signal to compare.
- Its Heun takes a step in two calls of `step`, the last one in one.
- Its Euler and DPM-Solver++ step in float32 whatever they are given, and all its `sigmas` are
  float32 until replaced. Hence the tolerance of 1e-5, which the others meet a million times over.
"""

import os

import pytest
import torch

from ldm_core.diffusion.noise_schedule import SPACINGS, NoiseSchedule
from ldm_core.diffusion.samplers import SAMPLERS

if os.environ.get("CI"):
    import diffusers  # there, a missing package must fail and not skip
else:
    diffusers = pytest.importorskip("diffusers")

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SCHEDULE = NoiseSchedule()
SHAPE = (3, 4, 2, 2)
SEED = 7
CASES = [  # sampler, diffusers' class, options that both take
    ("ddpm", "DDPMScheduler", {}),
    ("ddim", "DDIMScheduler", {"eta": 0.0}),
    ("ddim", "DDIMScheduler", {"eta": 0.5}),
    ("ddim", "DDIMScheduler", {"eta": 1.0}),
    ("euler", "EulerDiscreteScheduler", {}),
    ("heun", "HeunDiscreteScheduler", {}),
    ("dpmpp_2m", "DPMSolverMultistepScheduler", {}),
    ("dpmpp_2m_sde", "DPMSolverMultistepScheduler", {}),
    ("unipc", "UniPCMultistepScheduler", {}),
]


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", [1, 2, 5, 20])
@pytest.mark.parametrize("name, scheduler, options", CASES)
def test_latents_after_every_step_are_those_of_diffusers(name, scheduler, options, steps, spacing):
    times = SCHEDULE.times(steps, spacing)
    start, *noises = draw(steps + 1)
    ours = SAMPLERS[name](
        lambda x, t: SCHEDULE.x_0_from_v(x, network(x, t), t),
        start,
        times,
        schedule=SCHEDULE,
        noise=lambda i: noises[i - 1],
        **options,
    )
    config = {"algorithm_type": "sde-dpmsolver++"} if name == "dpmpp_2m_sde" else {}
    theirs = run_diffusers(scheduler, times, start, noises, options, **config)
    tolerance = 1e-5 if name in ("euler", "dpmpp_2m", "dpmpp_2m_sde") else 1e-9
    for i, ((x, _), expected) in enumerate(zip(ours, theirs, strict=True), start=1):
        error = (x - expected).norm() / expected.norm()
        assert error <= tolerance, f"step {i} of {steps}: relative error {error:.1e}"


@pytest.mark.parametrize(
    "spacing, options",
    [
        ("time", {"timestep_spacing": "trailing"}),
        ("log_snr", {"use_exponential_sigmas": True}),
        ("karras", {"use_karras_sigmas": True}),
    ],
)
@pytest.mark.parametrize("steps", [1, 2, 5, 20])
def test_grids_are_those_of_diffusers(spacing, options, steps):
    """Given a table of 100 entries its lowest noise level is at t = 0.01, which is our T_MIN."""
    scheduler = diffusers.DPMSolverMultistepScheduler(num_train_timesteps=100, **options)
    scheduler.alphas_cumprod = SCHEDULE.alpha_bar(torch.arange(1, 101, dtype=torch.float64) / 100)
    scheduler.set_timesteps(steps)
    signal, sigma = SCHEDULE.levels(SCHEDULE.times(steps, spacing))
    torch.testing.assert_close((sigma / signal).float(), scheduler.sigmas, rtol=1e-6, atol=0)


def run_diffusers(name, times, x, noises, options, **config):
    """Yield diffusers' latents after every step of the grid `times`, from x at times[0]."""
    steps = len(noises)
    signal, sigma = SCHEDULE.levels(times)
    scheduler = getattr(diffusers, name)(
        num_train_timesteps=steps,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        **config,
        **({"clip_sample": False} if name in ("DDPMScheduler", "DDIMScheduler") else {}),
    )
    scheduler.alphas_cumprod = signal[:-1].square().flip(0)
    scheduler.set_timesteps(steps)
    scaled = name in ("EulerDiscreteScheduler", "HeunDiscreteScheduler")
    calls = 2 if name == "HeunDiscreteScheduler" else 1
    if hasattr(scheduler, "sigmas"):
        ratios = sigma / signal
        inner = ratios[1:-1].repeat_interleave(calls)
        scheduler.sigmas = torch.cat([ratios[:1], inner, ratios[-1:]])
    if name == "DDPMScheduler":
        generator = torch.Generator().manual_seed(SEED)
        torch.randn(SHAPE, generator=generator, dtype=x.dtype)  # the start, which x already is
        options = {"generator": generator}

    x = x / signal[0] if scaled else x
    for call, timestep in enumerate(scheduler.timesteps, start=1):
        step = steps - int(timestep)  # 1 ... steps: the one whose x_t the network sees
        if name in ("DDIMScheduler", "DPMSolverMultistepScheduler"):
            options = options | {"variance_noise": noises[step - 1]}
        t = times[step - 1].expand(len(x))
        v = network(scheduler.scale_model_input(x, timestep), t)
        x = scheduler.step(v, timestep, x, **options).prev_sample
        if call % calls == 0 or call == len(scheduler.timesteps):
            done = -(-call // calls)
            yield x * signal[done] if scaled else x


def draw(count):
    """`count` noises, one after the other, as diffusers draws them from its generator."""
    generator = torch.Generator().manual_seed(SEED)
    return [torch.randn(SHAPE, generator=generator, dtype=torch.float64) for _ in range(count)]


def network(x, t):
    """A random nonlinear v-prediction of x_t and t, in which all elements of an image interact."""
    generator = torch.Generator().manual_seed(0)
    size = x[0].numel()
    inner = torch.randn(size + 1, 32, generator=generator, dtype=x.dtype) / size**0.5
    outer = torch.randn(32, size, generator=generator, dtype=x.dtype) / 32**0.5
    features = torch.cat([x.flatten(1), 3 * t[:, None].to(x.dtype)], dim=1)
    return ((features @ inner).tanh() @ outer).view_as(x)
