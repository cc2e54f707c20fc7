"""Drawings and photographs become MNIST-style images."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ldm_core.checks import InputError
from ldm_core.files.drawings import digit_in, read_drawing, read_mask

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
        found = digit_in(make(digit)).digit
        assert found.shape == (SIDE, SIDE)
        assert found.dtype == np.uint8
        assert found.max() == 255
        rows, columns = (np.flatnonzero((found > 80).any(axis=axis)) for axis in (1, 0))
        assert 19 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 21  # 20, but not on whole pixels
        assert np.abs(centre_of_mass(found) - 14).max() < 0.6
        errors.append(away(found, digit))
    assert max(errors) < 16  # another digit is 35 grey levels away, on average
    assert np.mean(errors) < 8


@pytest.mark.parametrize("times", [1, 2, 8])
def test_a_picture_that_this_program_wrote_is_taken_as_it_is(digits, times):
    for digit in digits:
        large = digit.repeat(times, 0).repeat(times, 1)
        assert np.array_equal(digit_in(large).digit, digit)
        assert np.array_equal(digit_in(255 - large).digit, digit)


def test_a_stroke_stays_whole_wherever_it_is():
    for shape, rows, columns in (((100, 40), (60, 95), (5, 9)), ((3, 200), (1, 2), (30, 36))):
        grey = np.zeros(shape, np.uint8)
        grey[slice(*rows), slice(*columns)] = 255
        assert digit_in(grey).digit.max() > 200
    with pytest.raises(InputError, match="The picture is blank"):
        digit_in(np.full((1, 1), 255, np.uint8))


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
        digit_in(grey)


def test_files_of_any_format_are_read(digits, tmp_path):
    picture = drawn(digits[0])
    wanted = digit_in(picture).digit
    for name in ("a.png", "a.bmp", "a.webp", "a.jpg"):
        options = {"lossless": True} if name == "a.webp" else {}
        Image.fromarray(picture).save(tmp_path / name, **options)
        assert away(read_drawing(tmp_path / name).digit, wanted) <= (1 if name == "a.jpg" else 0)
    ink = Image.merge("RGBA", [Image.new("L", (280, 280))] * 3 + [Image.fromarray(picture)])
    ink.save(tmp_path / "ink.png")  # black on nothing, as a canvas saves it
    assert np.abs(read_drawing(tmp_path / "ink.png").digit.astype(int) - wanted).max() <= 1


def test_a_file_that_is_no_picture_is_named(tmp_path):
    (tmp_path / "a.png").write_text("<html>")
    Image.new("L", (100, 100)).save(tmp_path / "blank.png")
    for name, message in (
        ("a.png", "a.png cannot be read as a picture: no picture of a format"),
        ("blank.png", "blank.png: The picture is blank"),
    ):
        with pytest.raises(InputError, match=message):
            read_drawing(tmp_path / name)
    for read in (read_drawing, read_mask):
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "missing.png")


@pytest.mark.parametrize("times", [1, 3, 10])
def test_the_light_part_of_a_mask_is_kept(tmp_path, times):
    mask = np.random.default_rng(0).random((SIDE, SIDE)) > 0.5
    Image.fromarray(mask).resize((SIDE * times, SIDE * times), 0).save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png"), mask)


@pytest.mark.parametrize("times", [8, 9, 36])
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


def on_paper(digit, size=230, top=80, left=50):
    """The digit with a pen on a sheet of 360 x 280 pixels."""
    ink = np.zeros((360, 280))
    ink[top : top + size, left : left + size] = drawn(digit, size, 0, 0, size) / 255
    return 200 - 130 * ink


def on_table(sheet, grey):
    around = np.pad(sheet, 40, constant_values=grey)
    return around[40:-5, :]  # the table shows at three sides


def with_patch(sheet, grey, top, bottom, left, right):
    sheet[top:bottom, left:right] = grey
    return sheet


def with_disc(sheet, y, x, radius, grey):
    rows, columns = np.mgrid[: sheet.shape[0], : sheet.shape[1]]
    sheet[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = grey
    return sheet


def shaded(sheet, share, corner):
    rows, columns = np.mgrid[: sheet.shape[0], : sheet.shape[1]]
    return np.where(rows + columns < corner, share * sheet, sheet)


def seen_by_a_camera(sheet):
    noise = np.random.default_rng(0).normal(0, 3, sheet.shape)
    return (sheet + noise).clip(0, 255).astype(np.uint8)


BORDER, MARK, MARKS = (
    f"left out: {what}" for what in ("what lies at the border", "1 small mark", "2 small marks")
)
BESIDE = {
    "a table at two sides": (lambda s: np.pad(s, ((0, 32), (12, 0)), constant_values=50), BORDER),
    "a black table at three sides": (lambda s: on_table(s, 5), BORDER),
    # where dark things are looked for first, the table is no thing, and nothing is left out
    "a white table": (lambda s: on_table(0.7 * s, 255), ("", BORDER)),
    "a speck": (lambda s: with_patch(s, 50, 6, 14, 6, 14), MARK),
    "a dark speck near the digit": (lambda s: with_patch(s, 0, 330, 337, 200, 207), MARK),
    "a ruled line": (lambda s: with_patch(s, 60, 40, 42, 0, 280), BORDER),
    "a hard shadow over a corner": (lambda s: shaded(s, 0.55, 90), BORDER),
    "a finger": (lambda s: with_disc(s, 370, 260, 40, 110), BORDER),
    "punched holes": (lambda s: with_disc(with_disc(s, 100, 16, 7, 60), 260, 16, 7, 60), MARKS),
    "glare": (lambda s: with_disc(s, 30, 240, 20, 255), ""),
}


@pytest.mark.parametrize(("add", "note"), BESIDE.values(), ids=BESIDE)
def test_what_lies_beside_a_digit_is_left_out_and_named(digits, add, note):
    found = 0
    for digit in digits[:8]:
        clean = digit_in(seen_by_a_camera(on_paper(digit))).digit
        try:
            drawing = digit_in(seen_by_a_camera(add(on_paper(digit))))
        except InputError as error:  # it lies too near to this digit
            assert "stands out" in str(error)
            continue
        found += 1
        assert np.abs(drawing.digit.astype(int) - clean).mean() < 15  # it was 25 to 75
        assert drawing.note in (note if isinstance(note, tuple) else (note,))
    assert found > 4


def two(one, other, gap, axis):
    """Two digits in the picture, without their margins, `gap` pixels of 28 apart."""
    parts = [d[np.ix_(np.flatnonzero(d.any(1)), np.flatnonzero(d.any(0)))] for d in (one, other)]
    sizes = [np.pad(p, [(0, 28 - n) for n in p.shape]) for p in parts]
    cut = [np.take(p, range(q.shape[axis]), axis) for p, q in zip(sizes, parts)]
    space = np.zeros((gap, 28) if axis == 0 else (28, gap), np.uint8)
    both = np.pad(np.concatenate([cut[0], space, cut[1]], axis), 4)
    large = Image.fromarray(both).resize([6 * n for n in both.shape[::-1]], 3)
    return (255 - 0.8 * np.asarray(large)).astype(np.uint8)


@pytest.mark.parametrize("gap, axis", [(2, 1), (12, 1), (10, 0)])
def test_two_digits_are_two_things(digits, gap, axis):
    for one, other in zip(digits, digits[1:10]):
        with pytest.raises(InputError, match="More than one thing stands out"):
            digit_in(two(one, other, gap, axis))


@pytest.mark.parametrize("angle", [0, 25])
@pytest.mark.parametrize("table", [30, 120])
def test_a_sheet_on_a_table_is_not_taken_for_a_digit(digits, angle, table):
    for digit in digits[:5]:
        sheet = Image.fromarray(on_paper(digit, 160).astype(np.uint8))
        photograph = Image.new("L", (560, 560), table)
        mask = Image.new("L", sheet.size, 255).rotate(angle, expand=True)
        photograph.paste(sheet.rotate(angle, expand=True), (60, 60), mask)
        with pytest.raises(InputError, match="or a filled area: crop it to one digit"):
            digit_in(np.asarray(photograph))


STROKES = {  # of digits in two strokes, in a square of 100
    "4": ([(35, 10), (20, 60), (75, 60)], [(60, 30), (60, 95)]),
    "4, open": ([(30, 10), (20, 55), (50, 55)], [(60, 10), (60, 95)]),
    "5": ([(30, 22), (28, 50), (60, 50), (70, 70), (50, 95), (25, 90)], [(32, 8), (75, 8)]),
    "7": ([(20, 10), (75, 10), (60, 40)], [(55, 52), (45, 95)]),
}


@pytest.mark.parametrize("strokes", STROKES.values(), ids=STROKES)
def test_two_strokes_apart_are_one_digit(strokes):
    image = Image.new("L", (300, 300), 230)
    for stroke in strokes:
        points = [(50 + 2 * x, 50 + 2 * y) for x, y in stroke]
        ImageDraw.Draw(image).line(points, fill=40, width=14, joint="curve")
    found = digit_in(np.asarray(image)).digit
    rows, columns = (np.flatnonzero((found > 80).any(axis=axis)) for axis in (1, 0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 in (19, 20, 21)
    bounds = np.array([xy for stroke in strokes for xy in stroke])
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(
        (np.ptp(bounds[:, 0]) + 7) / (np.ptp(bounds[:, 1]) + 7), abs=0.12
    )


def test_a_digit_may_touch_the_border_with_the_end_of_a_stroke(digits):
    stroke_end = np.pad(digits[0][4:24, 4:24].repeat(10, 0).repeat(10, 1), ((30, 0), (30, 30)))
    assert stroke_end[-1].any()
    whole = digit_in(np.pad(stroke_end, ((0, 30), (0, 0)))).digit
    assert away(digit_in(stroke_end).digit, whole) < 3  # the one is averaged down, the other is not
    tight = stroke_end[np.ix_(stroke_end.any(1), stroke_end.any(0))]
    with pytest.raises(InputError, match="stands out"):
        digit_in(tight)  # it cannot be told from a table or a shadow
