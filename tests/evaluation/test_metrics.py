import math

import pytest
import torch

from ldm_core.evaluation.metrics import (
    frechet_deviation,
    frechet_distance,
    kernel_distance,
    manifold_scores,
    nearest_distance,
    psnr,
)


def points(n: int, seed: int, d: int = 5) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def test_frechet_distance_of_a_shift_and_of_a_scale():
    real = points(500, 0)
    shift = torch.tensor([1.0, 0, -2, 0, 0.5])
    expected = shift.square().sum().item()
    assert frechet_distance(real, real + shift) == pytest.approx(expected, rel=1e-6)
    # Tr(S + c^2 S - 2 c S) = (1 - c)^2 Tr(S), and the means differ by (1 - c) mean
    spread, centre = real.double().T.cov().trace(), real.double().mean(dim=0)
    expected = 0.25 * (spread + centre.square().sum()).item()
    assert frechet_distance(real, 0.5 * real) == pytest.approx(expected, rel=1e-5)


def test_the_deviation_of_a_frechet_distance_is_that_of_other_sets_of_the_same_size():
    real, fake, labels = points(2000, 0), points(400, 1), torch.arange(400) % 2
    fake[:, 0] += 1
    # The distance is about the square of a mean of 1, which 400 points know to 1 / sqrt(400).
    assert frechet_deviation(real, fake, labels) == pytest.approx(2 / 20, rel=0.2)
    # A shift of one class against the other adds nothing: sets differ within their classes.
    fake[labels == 1, 1] += 10
    real[::2, 1] += 10
    assert frechet_deviation(real, fake, labels) == pytest.approx(2 / 20, rel=0.2)


def test_kernel_distance_is_small_for_one_distribution_large_for_two_and_repeatable():
    real, same, other = points(400, 0), points(400, 1), points(400, 2) + 1
    assert abs(kernel_distance(real, same)) < 0.05 * kernel_distance(real, other)
    assert kernel_distance(real, other) == kernel_distance(real, other)


def test_kernel_distance_is_the_unbiased_estimate_with_a_cubic_kernel():
    x, y = points(40, 0).double(), points(40, 1).double() + 1
    kernel = lambda a, b: (a @ b.T / a.shape[1] + 1) ** 3
    within = sum((kernel(z, z).sum() - kernel(z, z).trace()) / (40 * 39) for z in (x, y))
    expected = float(within - 2 * kernel(x, y).mean())
    assert kernel_distance(x.float(), y.float()) == pytest.approx(expected, rel=1e-4)


def test_manifold_scores_follow_their_definitions():
    real, fake = points(60, 0), points(50, 1) * 1.3
    scores = manifold_scores(real, fake)

    def radius(own, i, k):
        return sorted((own[i] - own[j]).norm().item() for j in range(len(own)) if j != i)[k - 1]

    real_3, real_5 = ([radius(real, i, k) for i in range(60)] for k in (3, 5))
    fake_3 = [radius(fake, i, 3) for i in range(50)]
    distance = [[(f - r).norm().item() for r in real] for f in fake]
    precision = sum(any(row[i] <= real_3[i] for i in range(60)) for row in distance) / 50
    recall = sum(any(distance[j][i] <= fake_3[j] for j in range(50)) for i in range(60)) / 60
    density = sum(row[i] <= real_5[i] for row in distance for i in range(60)) / (5 * 50)
    coverage = sum(any(row[i] <= real_5[i] for row in distance) for i in range(60)) / 60
    names = ("precision", "recall", "density", "coverage")
    assert scores == pytest.approx(dict(zip(names, (precision, recall, density, coverage))))


def test_nearest_distance():
    images, references = points(7, 0), points(9, 1)
    expected = [min((a - b).norm().item() for b in references) for a in images]
    assert nearest_distance(images, references).tolist() == pytest.approx(expected, rel=1e-4)


def test_psnr_follows_its_formula():
    pixels = torch.tensor([[0, 10, 200]], dtype=torch.uint8)
    expected = 10 * math.log10(255**2 / ((9 + 0 + 100) / 3))
    assert psnr(pixels, torch.tensor([[3, 10, 190]], dtype=torch.uint8)) == pytest.approx(expected)
