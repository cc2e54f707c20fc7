"""Stills: laid out, written and read back, and the settings of foreign and damaged files."""

import io

import numpy as np
import pytest
from PIL import Image

from ldm_core.files.pictures import (
    enlarge,
    grid_columns,
    lay_out,
    read_settings,
    write_npz,
    write_png,
)

from ..conftest import SETTINGS


def foreign_files() -> dict[str, bytes]:
    image, files = Image.new("L", (4, 4)), {}
    for kind in ("GIF", "PNG", "WEBP"):
        file = io.BytesIO()
        image.save(file, kind)
        files[kind] = file.getvalue()
    for name, comment in (("words", b"made by hand"), ("a list", b"[1, 2]")):
        file = io.BytesIO()
        image.save(file, "GIF", comment=comment)
        files[f"GIF with {name}"] = file.getvalue()
    file = io.BytesIO()
    np.savez(file, images=np.zeros(3))
    files["npz"] = file.getvalue()
    files["damaged npz"] = file.getvalue()[:-30]
    files["MP4"] = b"\0\0\0\x10ftypisom\0\0\0\0" + b"\0\0\0\x08moov" + b"\0\0\0\0free"
    return files | {"text": b"hello", "empty": b""}


@pytest.mark.parametrize(("name", "content"), foreign_files().items(), ids=foreign_files())
def test_a_foreign_file_is_named(tmp_path, name, content):
    path = tmp_path / "foreign"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="foreign holds no settings"):
        read_settings(path)


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_settings(tmp_path / "a.gif")


def test_a_png_is_read_back(tmp_path, movie):
    write_png(tmp_path / "a.png", movie[3], settings=SETTINGS, scale=3)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        assert np.array_equal(np.array(image), enlarge(movie[3], 3))
    assert read_settings(tmp_path / "a.png") == SETTINGS


def test_an_npz_is_read_back(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    labels, seeds = np.array([0, 1, -1, 0, 1]), np.arange(5) + 2**32 - 3
    batches = (images[:3], images[3:])
    write_npz(tmp_path / "a.npz", batches, labels=labels, seeds=seeds, settings=SETTINGS)
    with np.load(tmp_path / "a.npz") as arrays:
        assert np.array_equal(arrays["images"], images)
        assert np.array_equal(arrays["labels"], labels)
        assert np.array_equal(arrays["seeds"], seeds)
    assert read_settings(tmp_path / "a.npz") == SETTINGS


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
