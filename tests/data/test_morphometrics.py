"""Thickness, lean and width of shapes whose measures are known, and of digits."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ldm_core.data import morphometrics
from ldm_core.data.morphometrics import measure

SIDE, FINE = 28, 8  # pixels of a picture, and samples per pixel of a shape


def drawn(inside) -> torch.Tensor:
    """The shape of the points (x, y) that are inside, y down from the middle; smooth edges."""
    axis = (torch.arange(SIDE * FINE) + 0.5) / FINE - SIDE / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    samples = inside(x, y).float().unflatten(0, (SIDE, FINE)).unflatten(2, (SIDE, FINE))
    return (samples.mean(dim=(1, 3)) * 255).round().byte()


def bar(thickness, degrees, x_0=0.0, y_0=0.0, length=18):
    """A stroke that leans right by an angle."""
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))

    def inside(x, y):
        x, y = x - x_0, y - y_0
        across, along = x * cos + y * sin, x * sin - y * cos
        return (across.abs() < thickness / 2) & (along.abs() < length / 2)

    return drawn(inside)


def block(width, shear=0.0, height=18):
    """A parallelogram: each row as wide as the others, and moved right the higher it is."""
    return drawn(lambda x, y: ((x + shear * y).abs() < width / 2) & (y.abs() < height / 2))


def measures(picture) -> tuple[float, float, float]:
    return tuple(values.item() for values in measure(picture[None]))


@pytest.mark.parametrize("thickness", [2, 2.6, 3, 4])
@pytest.mark.parametrize("degrees", [-40, -15, 0, 10, 30, 45])
def test_a_bar_has_its_thickness_and_its_lean(thickness, degrees):
    stroke, lean, _ = measures(bar(thickness, degrees))
    assert stroke == pytest.approx(thickness, abs=0.35)
    # of a rectangle: the moments along and across it, turned
    long, short = 18**2, thickness**2
    sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    expected = (long - short) * sin * cos / (long * cos**2 + short * sin**2)
    assert lean == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("thickness", [2, 3, 4])
@pytest.mark.parametrize("radius", [5, 8])
def test_bent_strokes_have_the_thickness_of_the_formula(thickness, radius):
    def near_circle(x, y):
        return ((x.square() + y.square()).sqrt() - radius).abs() < thickness / 2

    area, perimeter = 2 * math.pi * radius * thickness, 4 * math.pi * radius
    by_formula = (perimeter - math.sqrt(perimeter**2 - 16 * area)) / 4
    stroke, lean, _ = measures(drawn(near_circle))
    assert stroke == pytest.approx(by_formula, abs=0.12)
    assert lean == pytest.approx(0, abs=1e-4)
    arc = measures(drawn(lambda x, y: near_circle(x, y) & (x < 0)))
    assert arc[0] == pytest.approx(thickness, abs=0.2)


@pytest.mark.parametrize("height", [12, 18])
@pytest.mark.parametrize("width", [2, 4, 6])
def test_the_thickness_is_the_short_side_of_a_rectangle(width, height):
    """Of its area, and of its perimeter with the corners cut, as Roberts' cross sees it."""
    perimeter = 2 * (width - 1) + 2 * (height - 1) + 4 * math.sqrt(0.5)
    short = (perimeter - math.sqrt(perimeter**2 - 16 * width * height)) / 4
    assert measures(block(width, height=height))[0] == pytest.approx(short, abs=1e-4)


@pytest.mark.parametrize("width", [2, 6, 10, 20])
def test_the_width_of_a_block_is_that_of_the_formula(width):
    assert measures(block(width))[2] == pytest.approx(width - 3 / 4 - 0.01 * width, abs=1e-3)


@pytest.mark.parametrize("shear", [-0.5, -0.2, 0.3, 0.5])
@pytest.mark.parametrize("width", [4, 8, 12])
def test_the_lean_is_a_shear_that_the_width_does_not_see(width, shear):
    _, lean, found = measures(block(width, shear))
    assert lean == pytest.approx(shear, abs=0.005)
    assert found == pytest.approx(0.96 * width, abs=0.6)


def test_a_little_ink_on_either_side_is_not_the_width():
    with_specks = block(8)
    with_specks[14, [1, 26]] = 255
    assert measures(with_specks)[2] == pytest.approx(measures(block(8))[2], abs=0.3)
    more = block(8)
    more[10:18, [1, 26]] = 255
    assert measures(more)[2] > 20


def test_the_lean_of_a_digit_is_the_shear_that_decorrelates_it(mnist):
    for pixels, lean in zip(mnist.pixels[:20], measure(mnist.pixels[:20]).lean):
        ink = np.clip((pixels.numpy() / 255 - 0.1) / 0.8, 0, 1)
        y, x = np.mgrid[:28, :28]
        sheared = x + lean.item() * y
        covariance = np.cov(sheared.ravel(), y.ravel(), aweights=ink.ravel())
        assert covariance[0, 1] == pytest.approx(0, abs=1e-4 * covariance[1, 1])


def test_where_a_digit_lies_and_how_large_the_picture_is_do_not_matter(mnist):
    pixels = mnist.pixels[:300]
    for left, right, above, below in ((4, 4, 4, 4), (0, 7, 5, 1), (3, 0, 0, 0)):
        moved = measure(F.pad(pixels, (left, right, above, below)))
        for one, other in zip(moved, measure(pixels)):
            torch.testing.assert_close(one, other, atol=0.01, rtol=0)


def test_pictures_without_a_shape_have_finite_measures():
    one = torch.zeros(28, 28, dtype=torch.uint8)
    one[3, 5] = 255
    row = one.clone()
    row[3] = 255
    pictures = torch.stack([one * 0, one * 0 + 255, one, row, row.mT, one // 255 * 30])
    found = measure(pictures)
    assert all(values.isfinite().all() for values in found)
    assert [values[0].item() for values in found] == [0, 0, 0]
    assert found.stroke[1] > 25
    assert found.width[1] > 25
    assert found.lean.abs().max() < 1e-3
    assert [len(values) for values in measure(pictures[:0])] == [0, 0, 0]


def test_pictures_are_measured_alone_as_among_others(mnist, monkeypatch):
    pixels = mnist.pixels[:25]
    together = measure(pixels)
    monkeypatch.setattr(morphometrics, "CHUNK", 7)
    for chunks, whole in zip(measure(pixels), together):
        assert chunks.dtype == torch.float32
        torch.testing.assert_close(chunks, whole, atol=1e-4, rtol=0)
    for i in (0, 24):
        alone = [values[0] for values in measure(pixels[i : i + 1])]
        torch.testing.assert_close(alone, [values[i] for values in together], atol=1e-4, rtol=0)
