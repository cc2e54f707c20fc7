"""Drawings and photographs become MNIST-style images."""

import numpy as np
import pytest
from PIL import Image

from ldm_core.checks import InputError
from ldm_core.files.drawings import as_digit, as_mask, read_digit, read_mask

SIDE = 28


@pytest.fixture(scope="module")
def digits(mnist) -> np.ndarray:
    return mnist.pixels[:20].numpy()


def centre_of_mass(digit):
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.array([(digit * axis).sum() / digit.sum() for axis in (y, x)])


def away(one, other):
    """The mean distance in grey levels, where one may lie a pixel aside: a centre that is nearly
    between two pixels is rounded either way."""
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    return min(np.abs(np.roll(one, by, (0, 1)).astype(int) - other).mean() for by in shifts)


def drawn(digit, side=280, top=10, left=60, size=200):
    """The digit with a hard pen on a larger canvas, somewhere."""
    large = Image.fromarray(digit).resize((size, size), Image.Resampling.BICUBIC)
    canvas = np.zeros((side, side), np.uint8)
    canvas[top : top + size, left : left + size] = (np.asarray(large) > 127) * 255
    return canvas


def photographed(digit, seed=0):
    """Dark ink on paper that is lit from one side, taken with a noisy camera."""
    ink = np.zeros((300, 400))
    ink[30:230, 150:350] = drawn(digit, 200, 0, 0) / 255
    y, x = np.mgrid[-1:1:300j, -1:1:400j]
    paper = 170 + 30 * x - 20 * y
    noise = np.random.default_rng(seed).normal(0, 6, ink.shape)
    return (paper * (1 - 0.7 * ink) + noise).clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("make", [drawn, photographed, lambda d: 255 - drawn(d)])
def test_a_digit_is_centred_and_scaled_the_way_mnist_was(digits, make):
    errors = []
    for digit in digits:
        found = as_digit(make(digit))
        assert found.shape == (SIDE, SIDE)
        assert found.dtype == np.uint8
        assert found.max() == 255
        rows, columns = (np.flatnonzero((found > 80).any(axis=axis)) for axis in (1, 0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21  # 20, but not on whole pixels
        assert np.abs(centre_of_mass(found) - 14).max() < 0.6
        errors.append(away(found, digit))
    assert max(errors) < 16  # another digit is 35 grey levels away, on average
    assert np.mean(errors) < 8


def test_where_it_is_drawn_and_how_large_does_not_matter(digits):
    for digit in digits[:3]:
        one = as_digit(drawn(digit, 280, 0, 0, 280))
        other = as_digit(drawn(digit, 500, 300, 7, 140))
        assert away(one, other) < 4


@pytest.mark.parametrize("times", [1, 2, 8])
def test_a_picture_that_this_program_wrote_is_taken_as_it_is(digits, times):
    for digit in digits:
        large = digit.repeat(times, 0).repeat(times, 1)
        assert np.array_equal(as_digit(large), digit)
        assert np.array_equal(as_digit(255 - large), digit)


@pytest.mark.parametrize(
    ("shape", "at"),
    [((28, 28), (0, 3)), ((100, 40), (80, 30)), ((3, 200), (1, 5)), ((1, 1), (0, 0))],
)
def test_a_dot_stays_whole_wherever_it_is(shape, at):
    grey = np.zeros(shape, np.uint8)
    grey[at] = 255
    if shape == (1, 1):
        with pytest.raises(InputError, match="The picture is blank"):
            as_digit(grey)
        return
    assert as_digit(grey).max() > 200


@pytest.mark.parametrize(
    "grey",
    [
        np.zeros((28, 28), np.uint8),
        np.full((280, 280), 255, np.uint8),
        np.full((50, 60), 100, np.uint8),
        np.random.default_rng(0).normal(160, 8, (300, 300)).clip(0, 255).astype(np.uint8),
        np.linspace(50, 200, 90_000).reshape(300, 300).astype(np.uint8),
    ],
    ids=["black", "white", "grey", "paper", "shadow"],
)
def test_a_picture_with_nothing_on_it_is_refused(grey):
    with pytest.raises(InputError, match="The picture is blank, or too faint"):
        as_digit(grey)


@pytest.mark.parametrize(
    ("grey", "message"),
    [
        (np.zeros((28, 28)), "A picture must be an array uint8"),
        (np.zeros((28, 28, 3), np.uint8), "A picture must be an array uint8"),
        (None, "A picture must be an array uint8"),
        (np.zeros((0, 5), np.uint8), "The picture has no pixels"),
    ],
)
def test_what_is_no_picture_is_refused(grey, message):
    for read in (as_digit, as_mask):
        with pytest.raises(InputError, match=message):
            read(grey)


def test_files_of_any_format_are_read(digits, tmp_path):
    picture = drawn(digits[0])
    wanted = as_digit(picture)
    for name in ("a.png", "a.bmp", "a.webp", "a.jpg"):
        options = {"lossless": True} if name == "a.webp" else {}
        Image.fromarray(picture).save(tmp_path / name, **options)
        assert away(read_digit(tmp_path / name), wanted) <= (1 if name == "a.jpg" else 0)
    ink = Image.merge("RGBA", [Image.new("L", (280, 280))] * 3 + [Image.fromarray(picture)])
    ink.save(tmp_path / "ink.png")  # black on nothing, as a canvas saves it
    assert np.abs(read_digit(tmp_path / "ink.png").astype(int) - wanted).max() <= 1


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_text("<html>")
    Image.new("L", (100, 100)).save(tmp_path / "blank.png")
    for name, message in (
        ("a.png", "a.png cannot be read as a picture: no picture of a format"),
        ("blank.png", "blank.png: The picture is blank"),
    ):
        with pytest.raises(InputError, match=message):
            read_digit(tmp_path / name)
    for read in (read_digit, read_mask):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "missing.png")


@pytest.mark.parametrize("times", [1, 3, 10])
def test_the_light_part_of_a_mask_is_kept(tmp_path, times):
    mask = np.random.default_rng(0).random((SIDE, SIDE)) > 0.5
    Image.fromarray(mask).resize((SIDE * times, SIDE * times), 0).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), mask)


@pytest.mark.parametrize("times", [4, 8, 9, 11, 13, 18, 36])
def test_a_jpeg_mask_has_the_size_that_its_file_has(tmp_path, times):
    """Pillow can decode a JPEG of 252 x 252 as 126 x 126, which is no multiple of 28."""
    mask = np.arange(SIDE)[:, None] * np.ones(SIDE) > 12
    large = Image.fromarray(mask).convert("L").resize((SIDE * times, SIDE * times), 0)
    large.save(tmp_path / "mask.jpg", quality=95)
    assert np.array_equal(read_mask(tmp_path / "mask.jpg"), mask)


@pytest.mark.parametrize("shape", [(28, 56), (30, 30), (27, 27), (14, 14)])
def test_a_mask_of_another_size_is_refused(tmp_path, shape):
    Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "mask.png")
    message = f"mask.png: A mask must be 28 x 28 pixels, .* not {shape[1]} x {shape[0]}."
    with pytest.raises(InputError, match=message):
        read_mask(tmp_path / "mask.png")


@pytest.mark.parametrize("ink", [0, 255])
def test_the_transparent_part_of_a_mask_is_drawn_anew(tmp_path, ink):
    """As in other programs: alpha decides, whatever the colour is."""
    opaque = np.arange(SIDE)[:, None] * np.ones(SIDE) < 14
    alpha = Image.fromarray((opaque * 255).astype(np.uint8))
    grey = Image.new("L", (SIDE, SIDE), ink)
    for name, image in (
        ("rgba.png", Image.merge("RGBA", [grey] * 3 + [alpha])),
        ("la.webp", Image.merge("LA", [grey, alpha])),
    ):
        image.resize((SIDE * 3, SIDE * 3), 0).save(tmp_path / name, lossless=True)
        assert np.array_equal(read_mask(tmp_path / name), opaque)
    # without a transparent part, the colour decides
    black = Image.fromarray(opaque).convert("RGBA")
    black.save(tmp_path / "opaque.png")
    assert np.array_equal(read_mask(tmp_path / "opaque.png"), opaque)
