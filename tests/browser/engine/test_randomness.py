"""randomness.js: the same noise as from Python."""

import numpy as np

from ldm_core.diffusion.randomness import gaussian_noise

SEEDS = [0, 1, 11, 2**31, 2**32 - 1, *range(1000, 1100)]
CASES = [(stream, shape) for stream in (0, 1, 25, 2**32 - 1) for shape in ((4, 8, 8), (7,))]
NOISE = """({ gaussian_noise }, { seeds, cases }) =>
  cases.map(([stream, shape]) => gaussian_noise(seeds, stream, shape))"""


def test_the_noise_is_that_of_python(node):
    given = {"seeds": SEEDS, "cases": CASES}
    for (stream, shape), one in zip(CASES, node("randomness.js", NOISE, given), strict=True):
        found, wanted = np.array(one, np.float32), gaussian_noise(SEEDS, stream, shape)
        wanted = wanted.numpy().ravel()
        np.testing.assert_array_max_ulp(found, wanted, maxulp=1)
        assert (found == wanted).mean() > 0.999
