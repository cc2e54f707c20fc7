"""randomness.js: the same noise as from Python."""

import numpy as np
import pytest

from ldm_core.diffusion.randomness import gaussian_noise, philox4x32

WORDS = [0, 1, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x243F6A88, 0xD2511F53]
SEEDS = [0, 1, 11, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**64 - 1, *range(1000, 1050)]
NOISE = """({ gaussian_noise }, { seeds, stream, shape }) =>
  gaussian_noise(seeds.map(BigInt), stream, shape)"""


def test_the_words_are_those_of_python(node):
    draw = np.random.default_rng(0)
    given = draw.choice(np.array(WORDS, np.uint64), (500, 6))
    philox = """({ philox4x32 }, given) =>
      given.map((words) => philox4x32(words.slice(0, 4), words.slice(4)))"""
    found = node("randomness.js", philox, given.tolist())
    wanted = philox4x32(given.T[:4], given.T[4:])
    assert np.array_equal(np.array(found, np.uint64), np.stack(wanted, axis=-1))


@pytest.mark.parametrize("stream", [0, 1, 25, 2**32 - 1])
@pytest.mark.parametrize("shape", [(4, 8, 8), (7,)], ids=str)
def test_the_noise_is_that_of_python(node, stream, shape):
    given = {"seeds": list(map(str, SEEDS)), "stream": stream, "shape": shape}
    found = np.array(node("randomness.js", NOISE, given), np.float32)
    wanted = gaussian_noise(SEEDS, stream, shape).numpy().ravel()
    np.testing.assert_array_max_ulp(found, wanted, maxulp=1)
    assert (found == wanted).mean() > 0.999


def test_a_seed_may_be_a_plain_number(node):
    both = (
        "({ gaussian_noise }, seed) => [seed, BigInt(seed)].map((s) => gaussian_noise([s], 0, [9]))"
    )
    plain, big = node("randomness.js", both, 2**53 - 1)
    assert plain == big
