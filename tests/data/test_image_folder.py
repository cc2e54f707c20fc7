"""A folder of pictures becomes the classes that people mean, or a clear sentence."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from ldm_core.checks import InputError
from ldm_core.data.datasets import describe, load_dataset
from ldm_core.data.image_folder import to_square


def picture(number=0, light_on_dark=True):
    """A filled square, with a number in a corner."""
    grey = np.zeros((28, 28), np.uint8)
    grey[7:14, 7:21] = 255
    grey[-1, -1] = number
    return grey if light_on_dark else 255 - grey


def write(root, *paths, count=4):
    """A folder of pictures for each of the paths."""
    for path in paths:
        (root / path).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            Image.fromarray(picture(i)).save(root / path / f"{i:02d}.png")


def both(root):
    return [load_dataset(str(root), "", train=train) for train in (True, False)]


def counts(root):
    """How many pictures of each class there are for training and for testing."""
    train, test = both(root)
    assert train.class_names == test.class_names
    return {
        name: tuple(int((part.labels == i).sum()) for part in (train, test))
        for i, name in enumerate(train.class_names)
    }


def refused(root, words):
    for train in (True, False):
        with pytest.raises(InputError, match=words) as caught:
            load_dataset(str(root), "", train=train)
        assert "\n" not in str(caught.value)


def test_pictures_of_mnist_s_size_come_back_exactly_and_in_one_part_alone(tmp_path):
    write(tmp_path, "apple", "pear", count=12)
    train, test = both(tmp_path)
    assert train.class_names == test.class_names == ("apple", "pear")
    assert train.labels.tolist() == [0] * 10 + [1] * 10
    assert test.labels.tolist() == [0, 0, 1, 1]
    assert train.labels.dtype == torch.int64
    assert train.pixels[:10, -1, -1].tolist() == [*range(1, 10), 11]
    assert test.pixels[:2, -1, -1].tolist() == [0, 10]
    assert np.array_equal(train.pixels[0].numpy(), picture(1))


def test_parts_that_hold_the_classes_are_the_split(tmp_path):
    write(tmp_path, "train/a", "train/b", count=5)
    write(tmp_path, "test/a", "test/b", count=2)
    assert counts(tmp_path) == {"a": (5, 2), "b": (5, 2)}
    write(tmp_path, "train/c")
    refused(tmp_path, "same classes in train and test; one of them lacks 'c'")


def test_pictures_in_folders_within_a_class_belong_to_it(tmp_path):
    write(tmp_path, "a", "a/more/still", "b")
    assert {name: sum(both) for name, both in counts(tmp_path).items()} == {"a": 8, "b": 4}


@pytest.mark.parametrize(
    "paths",
    [
        ["train/a", "train/b"],
        ["Train/a", "Test/a"],
        ["training_set/a", "test_set/a"],
        ["train/a", "test/a", "val/a"],
        ["train/a", "val/a"],
        ["train", "test", "bus"],
        ["a/train", "a/test", "b/train", "b/test"],
    ],
)
def test_other_layouts_are_refused(paths, tmp_path):
    """Parts would become classes, or the two parts one."""
    write(tmp_path, *paths)
    refused(tmp_path, "parts of a data set or classes: make train/CLASS and test/CLASS")


def test_one_class_may_be_called_like_a_part(tmp_path):
    write(tmp_path, "bus", "train", "trainers", "valley")
    assert list(counts(tmp_path)) == ["bus", "train", "trainers", "valley"]


@pytest.mark.parametrize(
    "paths, found", [([], "none"), (["."], "none"), (["shapes/a", "shapes/b"], "only shapes")]
)
def test_fewer_than_two_classes_are_refused(paths, found, tmp_path):
    write(tmp_path, *paths)
    refused(tmp_path, f"at least two folders of pictures, .*there is {found}")


def test_what_is_no_picture_is_passed_over_counted_and_named(tmp_path):
    write(tmp_path, "a", "b")
    before = [data.pixels for data in both(tmp_path)]
    write(tmp_path, "__MACOSX/a", "a/.ipynb_checkpoints", ".git", "a/@eaDir", count=1)
    for path in ("README.txt", "a/.DS_Store", "a/._00.png", "a/zz.png"):
        (tmp_path / path).write_bytes(b"no picture")
    (tmp_path / "b" / "z2.png").write_bytes((tmp_path / "b" / "01.png").read_bytes()[:60])
    (tmp_path / "b" / "z3.png").symlink_to("nowhere.png")
    os.mkfifo(tmp_path / "b" / "z4.png")
    (tmp_path / "a" / os.fsdecode(b"zz\xff.png")).write_bytes(b"no picture")
    after = both(tmp_path)
    assert all(torch.equal(x, y.pixels) for x, y in zip(before, after))
    said = describe(*after)
    assert "\n10 files are passed over: " in said
    for what in (
        *("README.txt (in no class)", "a/.DS_Store (hidden)", "a/._00.png (hidden)"),
        *("a/.ipynb_checkpoints/00.png (hidden)", "a/@eaDir/00.png (hidden)"),
        *("b/z3.png (no file)", "b/z4.png (no file)"),
        *("a/zz.png (no picture of a format that is read here)", "b/z2.png (damaged"),
        "a/zz\udcff.png (no picture",
    ):
        assert what in said


def test_counts_and_names_are_said_before_training(tmp_path):
    write(tmp_path, "a", count=21), write(tmp_path, "b", count=2)
    assert (
        describe(*both(tmp_path))
        == "2 classes (pictures for training / for testing): a (18 / 3), b (1 / 1)."
    )


def test_a_class_without_a_readable_picture_is_refused_with_the_reasons(tmp_path):
    write(tmp_path, "a", "b")
    for path in (tmp_path / "b").iterdir():
        path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    refused(
        tmp_path, r"class b .* has no readable picture for .*b/0\d.png \(no picture of a format"
    )
    (tmp_path / "c").mkdir()
    write(tmp_path, "b")
    refused(tmp_path, "class c .* has no readable picture for")


def test_linked_folders_are_read(tmp_path):
    write(tmp_path, "elsewhere", count=5), write(tmp_path / "root", "a", "b")
    (tmp_path / "root" / "c").symlink_to(tmp_path / "elsewhere")
    found = {name: sum(both) for name, both in counts(tmp_path / "root").items()}
    assert found == {"a": 4, "b": 4, "c": 5}


def test_drawings_on_paper_become_light_on_dark(tmp_path):
    write(tmp_path, "a", "b")
    light = [data.pixels for data in both(tmp_path)]
    for path in tmp_path.rglob("*.png"):
        Image.fromarray(255 - np.asarray(Image.open(path))).save(path)
    assert all(torch.equal(data.pixels, before) for data, before in zip(both(tmp_path), light))


def test_large_pictures_are_averaged_and_keep_their_proportions():
    wide = np.tile(np.array([[0, 200], [100, 100]], np.uint8), (28, 56))  # 56 x 112
    square = to_square(wide, invert=False)
    assert (square[7:21] == 100).all()
    assert not square[:7].any() and not square[21:].any()


def test_small_pictures_fill_the_square_with_sharp_pixels():
    square = to_square(np.array([[0, 200]] * 4, np.uint8), invert=False)
    assert (square[:, 14:21] == 200).all()
    assert (square == 200).sum() == 28 * 7 and (square == 0).sum() == 28 * 21
