"""randomness.js: the same noise as from Python."""

import numpy as np
import pytest

from ldm_core.diffusion.randomness import gaussian_noise

SEEDS = [0, 1, 11, 2**31, 2**32 - 1, *range(1000, 1200)]
NOISE = """({ gaussian_noise }, { seeds, stream, shape }) =>
  gaussian_noise(seeds, stream, shape)"""


@pytest.mark.parametrize("stream", [0, 1, 25, 2**32 - 1])
@pytest.mark.parametrize("shape", [(4, 8, 8), (7,)], ids=str)
def test_the_noise_is_that_of_python(node, stream, shape):
    given = {"seeds": SEEDS, "stream": stream, "shape": shape}
    found = np.array(node("randomness.js", NOISE, given), np.float32)
    wanted = gaussian_noise(SEEDS, stream, shape).numpy().ravel()
    np.testing.assert_array_max_ulp(found, wanted, maxulp=1)
    assert (found == wanted).mean() > 0.999
