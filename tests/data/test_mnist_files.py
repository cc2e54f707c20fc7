"""Files of MNIST that are damaged or lie elsewhere are named, with what to do."""

import gzip
import shutil

import pytest
import torch

from ldm_core.data import datasets
from ldm_core.data.datasets import DatasetError, load_dataset

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


def idx(*sizes, data=b"", kind=8):
    return bytes([0, 0, kind, len(sizes)]) + b"".join(n.to_bytes(4, "big") for n in sizes) + data


PIXELS = bytes(i % 251 for i in range(4 * 784))
GOOD = {
    IMAGES: idx(4, 28, 28, data=PIXELS),
    LABELS: idx(4, data=bytes([3, 1, 4, 1])),
    TEST_IMAGES: idx(4, 28, 28, data=PIXELS),
    TEST_LABELS: idx(4, data=bytes([5, 9, 2, 6])),
}


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, data in GOOD.items():
        (folder / name).write_bytes(data)
    return folder


@pytest.fixture(autouse=True)
def downloads(monkeypatch):
    """No network: every download fails, and is counted."""
    asked = []

    def fail(**options):
        asked.append(options)
        raise RuntimeError("Error downloading\nno network")

    for name in datasets.DATASETS:
        kind = getattr(datasets.DATASETS[name], "func", datasets.DATASETS[name])
        stand_in = type(kind.__name__, (), {"classes": getattr(kind, "classes", ())})
        stand_in.__new__ = lambda cls, **options: fail(**options)
        monkeypatch.setitem(datasets.DATASETS, name, stand_in)
    return asked


def refused(data_dir, words, name="mnist", train=True):
    with pytest.raises(DatasetError, match=words) as caught:
        load_dataset(name, data_dir, train=train)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_whole_files_are_read_without_a_download(raw, tmp_path, downloads):
    data = load_dataset("mnist", tmp_path, train=False)
    assert data.pixels.shape == (4, 28, 28) and data.pixels.dtype == torch.uint8
    assert bytes(data.pixels.flatten().tolist()) == PIXELS
    assert data.labels.tolist() == [5, 9, 2, 6] and data.labels.dtype == torch.int64
    assert not downloads


@pytest.mark.parametrize(
    "name, data, what",
    [
        (IMAGES, GOOD[IMAGES][:-1], "says that 3,136 bytes follow, and there are 3,135"),
        (IMAGES, GOOD[IMAGES] + b"x", "says that 3,136 bytes follow, and there are more"),
        (IMAGES, GOOD[IMAGES][:9], "it ends early"),
        (IMAGES, b"\0\0", "it begins with 00 00"),
        (IMAGES, b"", "it is empty"),
        (IMAGES, b"<!DOCTYPE html>\n<title>Not found</title>", "it is an HTML page"),
        (IMAGES, b"version https://git-lfs.github.com/spec/v1", "it is a Git LFS pointer"),
        (IMAGES, GOOD[LABELS], "it begins with 00 00 08 01"),
        (IMAGES, idx(4, 32, 32, data=bytes(4096)), "its pictures are 32x32"),
        (IMAGES, idx(0, 28, 28), "says that it holds 0"),
        (IMAGES, idx(2**32 - 1, 28, 28), "says that it holds 4,294,967,295"),
        (IMAGES, idx(4, 28, 28, data=PIXELS, kind=9), "it begins with 00 00 09 03"),
        (IMAGES, gzip.compress(GOOD[IMAGES], mtime=0)[:-20], "it cannot be unpacked"),
        (IMAGES, gzip.compress(GOOD[IMAGES], mtime=0)[:40] + b"x" * 40, "it cannot be unpacked"),
        (LABELS, GOOD[LABELS][:-1], "says that 4 bytes follow, and there are 3"),
        (LABELS, GOOD[IMAGES], "it begins with 00 00 08 03"),
        (LABELS, gzip.compress(b"text", mtime=0), "it begins with 74 65 78 74"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_expected(name, data, what, raw, tmp_path, downloads):
    (raw / name).write_bytes(data)
    message = refused(tmp_path, what)
    magic, size = ("00 00 08 03", "47,040,016") if name == IMAGES else ("00 00 08 01", "60,008")
    assert message.startswith(f"{raw / name} is damaged: ")
    assert magic in message and f"{size} bytes" in message
    assert "downloaded there" not in message and not downloads


def test_labels_that_do_not_fit_are_refused(raw, tmp_path):
    (raw / LABELS).write_bytes(idx(4, data=bytes([3, 1, 10, 1])))
    refused(tmp_path, f"{LABELS} holds the label 10 .number 2 of 4., but labels are from 0 to 9")
    (raw / LABELS).write_bytes(idx(5, data=bytes(5)))
    refused(tmp_path, f"{IMAGES} holds 4 pictures and .*{LABELS} 5 labels")


def test_a_damaged_file_is_named_though_its_companion_is_absent(raw, tmp_path, downloads):
    (raw / LABELS).unlink()
    (raw / IMAGES).write_bytes(b"")
    refused(tmp_path, f"{IMAGES} is damaged: it is empty")


def test_packed_files_are_read_packed(raw, tmp_path, downloads):
    for i, (name, data) in enumerate(GOOD.items()):
        (raw / name).unlink()
        (raw / (name + ".gz" * (i % 2))).write_bytes(gzip.compress(data))
    data = load_dataset("mnist", tmp_path, train=True)
    assert bytes(data.pixels.flatten().tolist()) == PIXELS
    assert data.labels.tolist() == [3, 1, 4, 1] and not downloads


def test_what_a_stopped_download_left_is_downloaded_again_before_it_is_called_damaged(
    raw, tmp_path, downloads
):
    (raw / IMAGES).unlink()
    (raw / f"{IMAGES}.gz").write_bytes(gzip.compress(GOOD[IMAGES])[:99])
    refused(tmp_path, f"{IMAGES}.gz is damaged: it cannot be unpacked")
    assert len(downloads) == 1


def test_files_in_the_wrong_place_are_named_with_the_right_one(raw, tmp_path, downloads):
    data_dir = tmp_path / "here"
    data_dir.mkdir()
    for name in GOOD:
        shutil.move(raw / name, data_dir / name.replace("-idx", ".idx"))
    message = refused(data_dir, "mnist is looked for in .*raw: move ")
    place = data_dir / "MNIST" / "raw"
    for name in GOOD:
        assert f"{data_dir / name.replace('-idx', '.idx')} to {place / name}" in message
    assert downloads  # MNIST's names are those of other sets too, which may be what is asked for
    (data_dir / "MNIST").mkdir()
    for name in GOOD:
        shutil.move(data_dir / name.replace("-idx", ".idx"), data_dir / "MNIST" / f"{name}.gz")
    downloads.clear()
    message = refused(data_dir, "mnist is looked for in ")
    assert f"{data_dir / 'MNIST' / IMAGES}.gz to {place / IMAGES}.gz" in message
    assert not downloads


def test_the_folder_to_pass_is_named(raw, tmp_path, downloads):
    refused(raw, f"mnist is in {raw}: pass --data-dir {tmp_path}.")


def test_a_folder_in_the_place_of_a_file_is_named(raw, tmp_path):
    (raw / IMAGES).unlink()
    (raw / IMAGES).mkdir()
    refused(tmp_path, f"{IMAGES} is a folder: move the file in it here")


def test_a_file_as_data_dir_is_refused(tmp_path):
    (tmp_path / "data").write_bytes(b"")
    refused(tmp_path / "data", "data is a file: pass a folder")


def test_what_is_absent_is_listed_where_nothing_can_be_downloaded(raw, tmp_path):
    for name in (IMAGES, TEST_IMAGES):
        (raw / name).unlink()
    message = refused(tmp_path, "could not be downloaded there .Error downloading no network.")
    assert message.endswith(f"put what is missing into {raw}: {IMAGES}, {TEST_IMAGES}.")


def test_letters_are_read_packed_and_checked(tmp_path):
    raw = tmp_path / "EMNIST" / "raw" / "gzip"
    raw.mkdir(parents=True)
    images, labels = (f"emnist-letters-train-{n}-ubyte.gz" for n in ("images-idx3", "labels-idx1"))
    (raw / images).write_bytes(gzip.compress(GOOD[IMAGES]))
    (raw / labels).write_bytes(gzip.compress(idx(4, data=bytes([1, 26, 2, 3]))))
    assert load_dataset("emnist-letters", tmp_path, train=True).labels.tolist() == [0, 25, 1, 2]
    (raw / labels).write_bytes(gzip.compress(idx(4, data=bytes([1, 0, 2, 3]))))
    refused(tmp_path, "label 0 .*labels are from 1 to 26", "emnist-letters")


def test_a_folder_called_like_the_data_set_is_told_of(raw, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert not load_dataset("mnist", tmp_path, train=True).notes
    (tmp_path / "here" / "mnist").mkdir()
    assert "pass --dataset ./mnist" in load_dataset("mnist", tmp_path, train=True).notes[0]
