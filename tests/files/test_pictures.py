"""Pictures: laid out, enlarged, and written as PNG."""

import numpy as np
import pytest
from PIL import Image

from ldm_core.files.metadata import read_settings
from ldm_core.files.pictures import enlarge, grid_columns, lay_out, write_png

from ..conftest import SETTINGS


def test_a_png_is_read_back(tmp_path, movie):
    write_png(tmp_path / "a.png", movie[3], settings=SETTINGS, scale=3)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        assert np.array_equal(np.array(image), enlarge(movie[3], 3))
    assert read_settings(tmp_path / "a.png") == SETTINGS


def test_enlarging_makes_squares():
    assert enlarge(np.array([[1, 2]]), 2).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]


def test_pictures_are_laid_out_in_rows():
    pictures = np.stack([np.full((28, 28), i + 1, np.uint8) for i in range(3)])
    canvas = lay_out(pictures, columns=2)
    assert canvas.shape == (58, 58)
    assert (canvas[:28, :28] == 1).all()
    assert (canvas[:28, 30:] == 2).all()
    assert (canvas[30:, :28] == 3).all()
    assert canvas.astype(int).sum() == 28 * 28 * (1 + 2 + 3)  # all else is black


@pytest.mark.parametrize(
    ("count", "n_labels", "views", "columns"),
    [
        (1, 1, 1, 1),
        (4, 1, 1, 2),
        (7, 1, 1, 3),
        (36, 1, 1, 6),
        (10, 10, 1, 5),
        (10, 10, 2, 2),
        (100, 10, 1, 10),
    ]
    + [(3, 10, 1, 2), (10**9, 10, 1, 290)],
)
def test_grids_are_about_square_with_labels_in_columns(count, n_labels, views, columns):
    assert grid_columns(count, n_labels, views) == columns
