"""drawings.js: a drawing or photograph becomes the picture that Python makes of it."""

import base64

import numpy as np
import pytest
from PIL import Image, ImageDraw

from ldm_core import InputError
from ldm_core.files.drawings import digit_in

from ...files.test_drawings import BESIDE, BORDER, MARK, MARKS, on_paper, seen_by_a_camera

STROKES = [(40, 40), (110, 40), (60, 130)], [(50, 30), (110, 60), (60, 120), (110, 130)]
READ = """({ digit_in }, cases) => cases.map(({ grey, width, height }) => {
  const greys = Uint8Array.from(atob(grey), (letter) => letter.charCodeAt(0));
  try {
    return digit_in(greys, width, height);
  } catch ({ name, message }) {
    return `${name}: ${message}`;
  }
})"""


def drawing(size, points, pen, ink=255, paper=0):
    image = Image.new("L", size, paper)
    ImageDraw.Draw(image).line(points, fill=ink, width=pen, joint="curve")
    return np.asarray(image)


def photograph(seed, size=(300, 420)):
    """Dark ink on paper that is lit from one side, with noise."""
    grey = drawing(size[::-1], [(120, 80), (240, 90), (150, 250)], 18, ink=40, paper=210).astype(
        float
    )
    rng, (height, width) = np.random.default_rng(seed), size
    shade = np.linspace(-40, 30, width) + np.linspace(-10, 20, height)[:, None]
    return (grey + shade + rng.normal(0, 6, size)).clip(0, 255).astype(np.uint8)


def cases():
    yield drawing((336, 336), [(80, 60), (250, 70), (140, 290)], 26)
    yield drawing((336, 336), [(10, 10), (60, 60)], 26)
    yield drawing((336, 336), [(0, 168), (336, 168)], 26)  # as wide as the board
    yield drawing((100, 60), [(20, 10), (30, 50)], 5, ink=0, paper=255)
    yield drawing((800, 611), [(200, 100), (500, 100), (300, 500)], 60, ink=200, paper=30)
    yield drawing((40, 20), [(5, 5), (30, 12)], 2)
    small = drawing((28, 28), [(5, 5), (22, 6), (12, 24)], 3)
    yield small
    yield 255 - small.repeat(3, 0).repeat(3, 1)
    yield from map(photograph, range(6))
    for seed in range(3):  # a table, lines and specks beside the paper
        grey = photograph(seed)
        grey[:, : 20 + 9 * seed], grey[60 * seed + 5, :] = 60, 90
        grey[250:253, 380:383] = grey[30:34, 300:304] = 20
        yield grey
    one, two = (drawing((160, 160), points, 12) for points in STROKES)
    yield np.concatenate([one, two], axis=1)  # two digits
    yield np.concatenate([one, two], axis=0)
    yield drawing((160, 160), [(30, 30), (35, 90), (90, 85)], 10) | drawing(
        (160, 160), [(105, 30), (100, 130)], 10
    )  # an open 4
    yield drawing((160, 160), [(50, 20), (110, 20)], 9) | drawing(
        (160, 160), [(50, 35), (50, 80), (100, 90), (90, 130), (40, 130)], 9
    )  # a 5 with its bar apart
    yield np.pad(np.full((70, 90), 255, np.uint8), 40)  # a filled area
    yield np.zeros((50, 50), np.uint8)
    yield np.full((28, 28), 200, np.uint8)
    yield np.random.default_rng(0).integers(100, 110, (60, 60)).astype(np.uint8)


def scenes():
    """A digit beside a table, a shadow, a line, specks, ... as a camera sees it."""
    digit = drawing((28, 28), [(6, 6), (21, 6), (11, 23)], 3)
    for add, _ in BESIDE.values():
        yield seen_by_a_camera(add(on_paper(digit)))


def python(picture):
    try:
        return digit_in(picture)
    except InputError as error:
        return f"InputError: {error}"


def test_digits_are_those_of_python_to_one_grey_level_and_so_are_the_notes(node):
    pictures, notes = [*cases(), *scenes()], set()
    given = [
        {"grey": base64.b64encode(p.tobytes()).decode(), "width": p.shape[1], "height": p.shape[0]}
        for p in pictures
    ]
    found = node("drawings.js", READ, given)
    for i, (picture, one) in enumerate(zip(pictures, found, strict=True)):
        wanted = python(picture)
        if isinstance(wanted, str):
            assert one == wanted, i
        else:
            digit = wanted.digit.flatten().astype(int)
            assert np.abs(np.array(one["digit"]) - digit).max() <= 1, i
            assert one["note"] == wanted.note, i
            notes.add(one["note"])
    assert notes >= {"", BORDER, MARK, MARKS, f"{BORDER} and 3 small marks"}
    assert 4 < sum(isinstance(one, str) for one in found) < 12


def test_greys_are_those_of_pillow_and_transparent_areas_contrast(node):
    rgba = np.random.default_rng(0).integers(0, 256, (40, 40, 4)).astype(np.uint8)
    convert = "({ to_grey }, rgba) => to_grey(Uint8ClampedArray.from(rgba))"
    rgba[..., 3] = 255
    wanted = np.asarray(Image.fromarray(rgba).convert("L"))
    assert node("drawings.js", convert, rgba.flatten().tolist()) == wanted.flatten().tolist()
    light, dark = ([value] * 3 for value in (230, 20))
    pixels = [*light, 255, *dark, 0, *light, 128, *dark, 255, *dark, 0]
    assert node("drawings.js", convert, pixels[:12]) == [230, 0, pytest.approx(115, abs=1)]
    assert node("drawings.js", convert, pixels[12:]) == [20, 255]
