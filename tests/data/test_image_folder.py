import numpy as np
import pytest
import torch
from PIL import Image

from ldm_core.data.datasets import load_dataset
from ldm_core.data.image_folder import read_grey, to_square


def picture(light_on_dark=True, size=(28, 28)):
    """A filled square in the upper left half: not symmetric, so that turning it shows."""
    grey = np.zeros(size, np.uint8)
    grey[size[0] // 4 : size[0] // 2, size[1] // 4 : size[1] * 3 // 4] = 255
    return grey if light_on_dark else 255 - grey


@pytest.fixture
def folder(tmp_path):
    """Two classes of twelve pictures of MNIST's size, each with its number in a corner."""
    for name in ("apple", "pear"):
        (tmp_path / name).mkdir()
        for i in range(12):
            grey = picture()
            grey[-1, -1] = i
            Image.fromarray(grey).save(tmp_path / name / f"{i:02d}.png")
    return tmp_path


def load(folder, train=True):
    return load_dataset(str(folder), "unused", train=train)


def test_pictures_of_mnist_s_size_come_back_exactly_and_in_one_part_alone(folder):
    train, test = load(folder), load(folder, train=False)
    assert train.class_names == ("apple", "pear")
    assert train.labels.tolist() == [0] * 10 + [1] * 10
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert train.labels.dtype == torch.int64
    assert sorted([*train.pixels[:10, -1, -1].tolist(), *test.pixels[:2, -1, -1].tolist()]) == list(
        range(12)
    )
    expected = picture()
    expected[-1, -1] = train.pixels[0, -1, -1]
    assert np.array_equal(train.pixels[0].numpy(), expected)


def test_files_that_cannot_be_read_are_named_and_skipped(folder):
    (folder / "pear" / "03.png").write_bytes(b"not a picture")
    truncated = (folder / "pear" / "04.png").read_bytes()[:60]
    (folder / "pear" / "04.png").write_bytes(truncated)
    (folder / "pear" / ".DS_Store").write_bytes(b"hidden files are none of ours")
    data = load(folder)
    assert len(data.pixels) == 18
    assert [text.split(" (")[0] for text in data.skipped] == ["pear/03.png", "pear/04.png"]


def test_drawings_on_paper_become_light_on_dark(folder):
    light = load(folder).pixels
    for path in folder.rglob("*.png"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    assert torch.equal(load(folder).pixels, light)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "CMYK", "I;16"])
def test_every_kind_of_picture_becomes_the_same_greys(mode, tmp_path):
    path = tmp_path / ("x.tif" if mode == "CMYK" else "x.png")
    if mode == "I;16":
        Image.fromarray(picture().astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(picture()).convert(mode).save(path)
    assert np.array_equal(read_grey(path), picture())


@pytest.mark.parametrize("light", [True, False])
def test_what_is_transparent_becomes_the_contrary_of_what_is_drawn(light, tmp_path):
    ink = np.full((28, 28), 255 if light else 0, np.uint8)
    layers = [Image.fromarray(x) for x in (ink, picture())]
    Image.merge("LA", layers).save(tmp_path / "x.png")
    assert np.array_equal(read_grey(tmp_path / "x.png"), picture(light))


def test_photographs_are_turned_as_they_say(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees to the right
    Image.fromarray(picture()).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(read_grey(tmp_path / "x.png"), np.rot90(picture(), -1))


def test_large_pictures_are_averaged_and_keep_their_proportions():
    wide = np.tile(np.array([[0, 200], [100, 100]], np.uint8), (28, 56))  # 56 x 112
    square = to_square(wide, invert=False)
    assert (square[7:21] == 100).all()
    assert not square[:7].any() and not square[21:].any()


def test_small_pictures_are_enlarged_by_whole_numbers():
    square = to_square(np.full((9, 5), 200, np.uint8), invert=False)
    assert np.unique(square).tolist() == [0, 200]
    assert (square[:27, 6:21] == 200).all()
    assert (square == 200).sum() == 27 * 15


def test_a_folder_that_cannot_be_learned_from_is_refused(folder, tmp_path):
    with pytest.raises(ValueError, match="there is no folder 'absent'"):
        load("absent")
    with pytest.raises(ValueError, match="at least two folders of pictures.*there is none"):
        load(folder / "apple")
    for path in sorted((folder / "pear").iterdir())[1:]:
        path.unlink()
    with pytest.raises(ValueError, match="pear needs at least two files.*not 1"):
        load(folder)
    next((folder / "pear").iterdir()).unlink()
    with pytest.raises(ValueError, match="pear needs at least two files.*not 0"):
        load(folder)
    (folder / "pear").rmdir()
    with pytest.raises(ValueError, match="there is only apple"):
        load(folder)


def test_a_class_with_no_readable_picture_is_refused(folder):
    for path in (folder / "pear").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="pear has no readable picture for training"):
        load(folder)
