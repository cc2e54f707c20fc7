"""What lies in a folder of pictures becomes the classes that people mean, or a clear sentence."""

import os
import re
import unicodedata

import numpy as np
import pytest
from PIL import Image

from ldm_core.checks import InputError
from ldm_core.data.datasets import describe, load_dataset


def write(root, path, count=4):
    """A folder of pictures, each with a grey of its own."""
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        grey = np.zeros((28, 28), np.uint8)
        grey[3:9] = 40 + write.made % 200
        write.made += 1
        Image.fromarray(grey).save(folder / f"{i}.png")
    return folder


write.made = 0


def counts(root):
    """How many pictures of each class there are for training and for testing."""
    train, test = both(root)
    assert train.class_names == test.class_names
    return {
        name: tuple(int((part.labels == i).sum()) for part in (train, test))
        for i, name in enumerate(train.class_names)
    }


def both(root):
    return [load_dataset(str(root), "", train=train) for train in (True, False)]


def said(root):
    return describe(*both(root))


def refused(root, words):
    with pytest.raises(InputError, match=words) as caught:
        both(root)
    assert str(caught.value).count("\n") == 0


@pytest.mark.parametrize(
    "train, test",
    [("train", "test"), ("Training", "VAL"), ("training_set", "test_set"), ("train", "validation")],
)
def test_parts_that_hold_the_classes_are_the_split(train, test, tmp_path):
    for name in ("a", "b"):
        write(tmp_path, f"{train}/{name}", 5)
        write(tmp_path, f"{test}/{name}", 2)
    (tmp_path / "README.txt").write_text("about")
    (tmp_path / "empty").mkdir()
    assert counts(tmp_path) == {"a": (5, 2), "b": (5, 2)}
    assert f"The folder {train} is for training and {test} for testing." in said(tmp_path)
    assert "README.txt" in said(tmp_path) and "nothing is in it: empty" in said(tmp_path)


def test_of_three_parts_the_third_is_not_used_and_that_is_said(tmp_path):
    for part, count in (("train", 5), ("val", 3), ("test", 2)):
        write(tmp_path, f"{part}/a", count)
        write(tmp_path, f"{part}/b", count)
    assert counts(tmp_path) == {"a": (5, 2), "b": (5, 2)}
    assert "The folder val is not used." in said(tmp_path)


def test_parts_within_each_class_are_the_split(tmp_path):
    for name in ("a", "b"):
        write(tmp_path, f"{name}/train", 5)
        write(tmp_path, f"{name}/val", 2)
    assert counts(tmp_path) == {"a": (5, 2), "b": (5, 2)}
    (tmp_path / "c").mkdir()
    assert counts(tmp_path) == {"a": (5, 2), "b": (5, 2)}
    write(tmp_path, "c")
    refused(tmp_path, "c is not divided into the folders `train` and `test`")


def test_parts_without_the_same_classes_are_refused(tmp_path):
    for path in ("train/a", "train/b", "train/c", "test/a", "test/b", "test/d"):
        write(tmp_path, path)
    refused(tmp_path, "different classes: .*training in 'd' and .*testing in 'c'")


def test_what_may_be_parts_or_classes_is_refused(tmp_path):
    write(tmp_path, "train")
    write(tmp_path, "test")
    refused(tmp_path, "train.*look like parts.*folder for each class")
    write(tmp_path, "train/a"), write(tmp_path, "test/a"), write(tmp_path, "other")
    refused(tmp_path, "holds test, train and also other: move away")


def test_two_parts_for_one_purpose_are_refused(tmp_path):
    for part in ("train", "training", "test"):
        write(tmp_path, f"{part}/a"), write(tmp_path, f"{part}/b")
    refused(tmp_path, "train, training, which are both for training: keep one")
    refused_without_train = tmp_path / "test"
    (tmp_path / "x").mkdir()
    refused_without_train.rename(tmp_path / "x" / "test")
    write(tmp_path, "x/val/a")
    refused(tmp_path / "x", "test, val, which look like parts")


def test_classes_may_be_called_like_parts_beside_others(tmp_path):
    for name in ("train", "bus", "test"):
        write(tmp_path, name)
    assert list(counts(tmp_path)) == ["bus", "test", "train"]


def test_a_folder_around_the_classes_is_pointed_to(tmp_path):
    write(tmp_path, "shapes/a"), write(tmp_path, "shapes/b")
    refused(tmp_path, re.escape(f"there is only shapes. If the classes are the folders in that, "
                                f"pass {tmp_path / 'shapes'}."))  # fmt: skip


def test_pictures_without_folders_are_pointed_to(tmp_path):
    write(tmp_path, ".", 3)
    refused(tmp_path, "there is none. 3 files lie directly in it: give each class a folder")


def test_what_tools_leave_behind_is_passed_over_and_named(tmp_path):
    write(tmp_path, "a"), write(tmp_path, "b")
    before = [data.pixels for data in both(tmp_path)]
    for path in ("__MACOSX/a", "a/.ipynb_checkpoints", ".git", "a/@eaDir", "b/more/.hidden"):
        write(tmp_path, path)
    (tmp_path / "left").mkdir()
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._0.png"):
        (tmp_path / "a" / name).write_bytes(b"of a file manager")
        (tmp_path / name).write_bytes(b"of a file manager")
    after = both(tmp_path)
    assert all((x == y.pixels).all() for x, y in zip(before, after))
    assert not after[0].skipped
    for name in ("__MACOSX", "a/.ipynb_checkpoints", "a/@eaDir", "left"):
        assert name in said(tmp_path)
    assert "desktop.ini" not in said(tmp_path)


def test_an_empty_folder_is_told_from_a_class_of_one(tmp_path):
    write(tmp_path, "a"), write(tmp_path, "b"), write(tmp_path, "c", 1)
    refused(tmp_path, "c needs at least two files")


def test_linked_folders_and_files_are_read(tmp_path):
    elsewhere = write(tmp_path, "elsewhere", 5)
    root = tmp_path / "root"
    write(root, "a", 4), write(root, "b", 4)
    (root / "c").symlink_to(elsewhere)
    (root / "a" / "more").symlink_to(elsewhere)
    (root / "b" / "one.png").symlink_to(elsewhere / "0.png")
    assert {name: sum(both) for name, both in counts(root).items()} == {"a": 4, "b": 5, "c": 5}
    assert "it links to what is read already: a/more." in said(root)  # it is class c
    (root / "c").unlink()
    assert {name: sum(both) for name, both in counts(root).items()} == {"a": 9, "b": 5}


def test_links_in_a_circle_and_links_to_the_same_are_read_once(tmp_path):
    write(tmp_path, "a"), write(tmp_path, "b")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "self2").symlink_to("self2")
    (tmp_path / "b" / "again.png").symlink_to("0.png")
    assert {name: sum(both) for name, both in counts(tmp_path).items()} == {"a": 4, "b": 4}
    for name in ("a/up", "a/self", "b/again.png"):
        assert name in said(tmp_path).split("read already: ")[1]
    assert "1 training file is skipped: a/self2 (a broken link)" in said(tmp_path)


def test_broken_links_and_what_is_no_file_are_counted_and_named(tmp_path):
    write(tmp_path, "a"), write(tmp_path, "b")
    (tmp_path / "a" / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "class").symlink_to("/nowhere")
    os.mkfifo(tmp_path / "b" / "pipe.png")
    data = both(tmp_path)[0]
    assert sorted(data.skipped) == [
        "a/gone.png (a broken link)", "b/pipe.png (no ordinary file)", "class (a broken link)"
    ]  # fmt: skip
    assert "3 training files are skipped: " in said(tmp_path)


def test_one_folder_as_two_classes_is_refused(tmp_path):
    write(tmp_path, "a"), write(tmp_path, "b")
    (tmp_path / "c").symlink_to("a")
    refused(tmp_path, "a and .*c are one folder, by a link")


def test_folders_named_like_pictures_are_folders(tmp_path):
    write(tmp_path, "a/x.png"), write(tmp_path, "b")
    assert list(counts(tmp_path)) == ["a", "b"]


def test_where_every_picture_is_unreadable_the_reasons_are_shown(tmp_path):
    write(tmp_path, "a"), write(tmp_path, "b")
    for path in (tmp_path / "b").iterdir():
        path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    refused(tmp_path, r"b has no readable picture for training: .*b/1.png \(an HEIC picture\)")


@pytest.mark.parametrize(
    "name, why",
    [
        ("x" * 240, "has 240 bytes, of at most 100"),
        ("\N{SNOWMAN}" * 34, "has 102 bytes, of at most 100"),
        (os.fsdecode(b"caf\xe9"), r"caf\\udce9.* is not UTF-8"),
        ("two\nlines", r"two\\nlines.* holds characters that cannot be printed"),
        ("red\x1b[31m", "cannot be printed"),
        ("abc\u202edef", "cannot be printed"),
        ("  ", "is blank"),
    ],
)
def test_names_that_a_class_cannot_have_are_refused(name, why, tmp_path):
    write(tmp_path, "a"), write(tmp_path, name)
    refused(tmp_path, f"{why}: rename it")


def test_names_that_look_alike_stay_two_classes_and_that_is_said(tmp_path):
    names = ["A", "a", *(unicodedata.normalize(form, "é") for form in ("NFC", "NFD")), "z", "z "]
    for name in names:
        write(tmp_path, name)
    assert len(counts(tmp_path)) == 6
    assert "'A' and 'a' are different classes" in said(tmp_path)
    assert r"'e\u0301' and '\xe9' are different classes" in said(tmp_path)
    assert "'z' and 'z ' are different classes" in said(tmp_path)


def test_files_whose_names_cannot_be_printed_are_named_so_that_they_can(tmp_path):
    write(tmp_path, "a"), write(tmp_path, "b")
    (tmp_path / "a" / os.fsdecode(b"\xff\x1b.png")).write_bytes(b"no picture")
    assert r"a/\udcff\x1b.png (no picture" in said(tmp_path)
    said(tmp_path).encode()


def test_counts_and_names_are_said_before_training(tmp_path):
    write(tmp_path, "a", 21), write(tmp_path, "b", 2)
    assert (
        said(tmp_path) == "2 classes (pictures for training / for testing): a (18 / 3), b (1 / 1)."
    )


@pytest.mark.parametrize(
    "name, words",
    [
        ("", "no folder ''"),
        ("MNIST", "it is written mnist"),
        ("a" * 5000, "no folder"),
        ("x\0y", "no folder"),
    ],
)
def test_what_is_no_folder_and_no_data_set_is_refused(name, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(name, words)


def test_an_archive_must_be_unpacked(tmp_path):
    (tmp_path / "shapes.zip").write_bytes(b"PK\x03\x04")
    refused(tmp_path / "shapes.zip", "shapes.zip is a file: if it is an archive, unpack it")
