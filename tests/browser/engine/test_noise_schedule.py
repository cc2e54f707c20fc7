"""noise_schedule.js: the same levels, times and conversions as in Python."""

import numpy as np
import pytest
import torch

from ldm_core.config import NoiseScheduleConfig
from ldm_core.diffusion.noise_schedule import SPACINGS, NoiseSchedule
from ldm_core.diffusion.randomness import gaussian_noise

TIMES = [0.0, 1e-4, 0.01, 0.3, 0.5, 0.875, 1.0]
MAKE = "const schedule = new NoiseSchedule({ terminal_signal });"


@pytest.mark.parametrize("terminal_signal", [0.01, 0.068])
def test_levels_and_times_are_those_of_python(node, terminal_signal):
    schedule = NoiseSchedule(NoiseScheduleConfig(terminal_signal))
    grids = [(steps, spacing) for spacing in SPACINGS for steps in (1, 2, 3, 12, 25, 1000)]
    found = node(
        "noise_schedule.js",
        f"""({{ NoiseSchedule }}, {{ terminal_signal, times, grids }}) => {{
          {MAKE}
          const levels = times.map((t) => [schedule.alpha_bar(t), ...schedule.levels(t)]);
          const half_log_snr = times.slice(1).map((t) => schedule.half_log_snr(t));
          const back = half_log_snr.map((value) => schedule.time_of_half_log_snr(value));
          const grid = grids.map((grid) => schedule.times(...grid));
          return {{ levels, half_log_snr, back, grid }};
        }}""",
        {"terminal_signal": terminal_signal, "times": TIMES, "grids": grids},
    )
    t = torch.tensor(TIMES, dtype=torch.float64)
    same = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    same(found["levels"], torch.stack([schedule.alpha_bar(t), *schedule.levels(t)], dim=1))
    same(found["half_log_snr"], schedule.half_log_snr(t[1:]))
    same(found["back"], t[1:])
    for grid, one in zip(grids, found["grid"], strict=True):
        same(one, schedule.times(*grid))
        assert one[0] == 1 and one[-1] == 0, grid


@pytest.mark.parametrize("name", ["add_noise", "v_from_x_0", "x_0_from_v"])
def test_conversions_are_those_of_python_for_each_image(node, name):
    one, other = gaussian_noise(range(7), 0, (4, 8, 8)), gaussian_noise(range(7), 1, (4, 8, 8))
    given = {"arrays": [x.flatten().tolist() for x in (one, other, torch.tensor(TIMES))]}
    found = node(
        "noise_schedule.js",
        f"""({{ NoiseSchedule }}, {{ name, arrays, terminal_signal }}) => {{
          {MAKE}
          return schedule[name](...arrays.map((array) => Float32Array.from(array)));
        }}""",
        given | {"name": name, "terminal_signal": 0.01},
    )
    wanted = getattr(NoiseSchedule(), name)(one, other, torch.tensor(TIMES)).flatten()
    np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-7)
