"""The random numbers: Philox against its published vectors, and normal noise against its law."""

import math

import numpy as np
import pytest
import torch

from ldm_core.diffusion.randomness import gaussian_noise, philox4x32


@pytest.mark.parametrize(
    "counter, key, expected",
    [
        (
            "00000000 00000000 00000000 00000000",
            "00000000 00000000",
            "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
        ),
        (
            "ffffffff ffffffff ffffffff ffffffff",
            "ffffffff ffffffff",
            "408f276d 41c83b0e a20bc7c6 6d5451fd",
        ),
        (
            "243f6a88 85a308d3 13198a2e 03707344",
            "a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_known_answers_of_random123(counter, key, expected):
    """Random123's kat_vectors, philox4x32 with 10 rounds."""
    words = philox4x32(_words(counter), _words(key))
    assert [f"{int(word):08x}" for word in words] == expected.split()


def _words(text):
    return [np.uint64(int(word, 16)) for word in text.split()]


NORMALS = gaussian_noise(range(1000), 3, (4, 8, 8)).double()


def test_distribution_is_normal():
    """Kolmogorov and Smirnov's distance from the normal law: above 1.95 / sqrt(n) in 1 of 1,000."""
    flat = NORMALS.flatten().sort().values
    steps = torch.arange(len(flat) + 1, dtype=torch.float64) / len(flat)
    law = torch.special.ndtr(flat)
    distance = torch.maximum(steps[1:] - law, law - steps[:-1]).max()
    assert distance < 1.95 / math.sqrt(len(flat))


def test_elements_of_an_image_are_uncorrelated():
    """The four numbers that one block of random words gives among them."""
    correlations = NORMALS.flatten(1).T.corrcoef() - torch.eye(256)
    assert correlations.abs().max() < 5 / math.sqrt(len(NORMALS))


def test_streams_and_neighbouring_seeds_are_uncorrelated():
    """Over n elements the mean product of independent normals strays by 1 / sqrt(n)."""
    other_stream = gaussian_noise(range(1000), 4, (4, 8, 8)).double()
    limit = 4 / math.sqrt(NORMALS.numel())
    assert (NORMALS * other_stream).mean().abs() < limit
    assert (NORMALS[1:] * NORMALS[:-1]).mean().abs() < limit


def test_noise_is_the_same_alone_as_in_a_batch_and_in_any_order():
    batch = gaussian_noise([5, 0, 7], 2, (4, 8, 8))
    for i, seed in enumerate([5, 0, 7]):
        assert torch.equal(batch[i : i + 1], gaussian_noise([seed], 2, (4, 8, 8)))
    assert torch.equal(batch.flip(0), gaussian_noise([7, 0, 5], 2, (4, 8, 8)))


def test_noise_is_box_and_mullers_of_philox():
    """A seed that someone wrote down keeps its image: element by element, with plain numbers."""
    stream, key = 3, (np.uint64(5), np.uint64(6))
    expected = []
    for block in range(2):
        counter = [np.uint64(word) for word in (block, stream, 0, 0)]
        u = [(int(word) + 0.5) / 2**32 for word in philox4x32(counter, key)]
        for u_radius, u_angle in (u[:2], u[2:]):
            radius, angle = math.sqrt(-2 * math.log(u_radius)), 2 * math.pi * u_angle
            expected += [radius * math.cos(angle), radius * math.sin(angle)]
    noise = gaussian_noise([5 + 6 * 2**32], stream, (7,))[0]
    assert noise.tolist() == pytest.approx(expected[:7], abs=1e-6)


@pytest.mark.parametrize("shape", [(5,), (4, 8, 8), (3, 1, 2)])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_shape_is_one_image_per_seed_and_a_smaller_one_begins_a_larger(shape, count):
    noise = gaussian_noise(range(count), 0, shape)
    assert noise.shape == (count, *shape) and noise.dtype == torch.float32
    larger = gaussian_noise(range(count), 0, (math.prod(shape) + 3,))
    assert torch.equal(noise.flatten(1), larger[:, : math.prod(shape)])


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_a_seed_that_does_not_fit_in_64_bits_is_refused(seed):
    with pytest.raises(OverflowError):
        gaussian_noise([seed], 0, (4,))
