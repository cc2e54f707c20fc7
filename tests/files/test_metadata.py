"""Settings inside files: those of the version before, and files that have none."""

import io
import os
import sys
import time
import zipfile
from struct import pack

import numpy as np
import pytest
from PIL import Image

from ldm_core import InputError
from ldm_core.files.metadata import read_settings

from .test_animation import OLD

MUTATIONS = 300  # of each format


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


def damaged(content: bytes, random: np.random.Generator) -> bytes:
    """With a flipped bit, some bytes of zero, or an end that is missing."""
    data, at = bytearray(content), int(random.integers(len(content)))
    match int(random.integers(3)):
        case 0:
            data[at] ^= 1 << int(random.integers(8))
        case 1:
            end = min(len(data), at + int(random.integers(64)))
            data[at:end] = bytes(end - at)
        case 2:
            del data[at:]
    return bytes(data)


@pytest.mark.parametrize("path", OLD.values(), ids=OLD)
def test_a_damaged_file_gives_its_settings_or_one_sentence(tmp_path, path):
    random, refused = np.random.default_rng(0), 0
    copy = tmp_path / path.name
    for _ in range(MUTATIONS):
        copy.write_bytes(damaged(path.read_bytes(), random))
        try:
            assert isinstance(read_settings(copy), dict)
        except InputError as error:
            refused += 1
            assert "holds no settings" in str(error)
    assert 0 < refused < MUTATIONS


def box(name: bytes, content: bytes, size: int | None = None) -> bytes:
    return pack(">I4s", len(content) + 8 if size is None else size, name) + content


@pytest.mark.parametrize(
    "content",
    [
        box(b"ftyp", b"isom") + bytes(10**6),  # boxes of size 0, without end
        box(b"ftyp", b"isom") + box(b"free", b"") * 50_000 + box(b"moov", b""),
        box(b"ftyp", b"isom") + box(b"moov", b"", size=4),
        box(b"ftyp", b"isom") + box(b"moov", b"", size=2**31),
        box(b"ftyp", b"isom") + pack(">I4sQ", 1, b"moov", 3),
        box(b"ftyp", b"isom") + pack(">I4s", 8, b"moov") * 10**6,
        box(b"ftyp", b"isom") + b"".join(pack(">I4s", 8 * i, b"moov") for i in range(9999, 0, -1)),
    ],
    ids=["zeros", "many", "too small", "too large", "long, too small", "empty", "nested"],
)
def test_an_mp4_whose_boxes_make_no_sense_ends_soon(tmp_path, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    started = time.monotonic()
    with pytest.raises(InputError, match="holds no settings"):
        read_settings(path)
    assert time.monotonic() - started < 20  # and not for ever


def test_an_npz_that_claims_much_is_refused_unread(tmp_path):
    for dtype, shape in (("<U900000000", "()"), ("<U4", "(900000000000,)"), ("|O", "()")):
        header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
        member = b"\x93NUMPY\x01\x00" + pack("<H", len(header)) + header + b"1234"
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("settings.npy", member)
        with pytest.raises(InputError, match="holds no settings"):
            read_settings(tmp_path / "a.npz")


def test_what_is_not_a_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.gif")
    for path in (tmp_path / "pipe.gif", tmp_path):
        with pytest.raises(InputError, match="is not a file"):
            read_settings(path)
    with pytest.raises(FileNotFoundError):
        read_settings(tmp_path / "a.gif")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mutagen.mp4", None)  # as if it were not installed
    with pytest.raises(InputError, match="pip install mutagen"):
        read_settings(OLD[".mp4"])


@pytest.mark.parametrize("path", OLD.values(), ids=OLD)
def test_files_of_the_version_before_are_read_back(path):
    """They were made with --label 7 --seed 7 --steps 2, and --scale 1 where it has an effect."""
    assert read_settings(path) == {
        "guidance_scale": 3.5,
        "steps": 2,
        "sampler": "dpmpp_2m",
        "spacing": "time",
        "eta": 0.0,
        "guidance_interval": [0.4, 0.7],
        "guidance_rescale": 0.0,
        "label": "7",
        "count": 1,
        "seed": 7,
        "show": "noisy",
        "scale": None if path.suffix == ".npz" else 1,
        "frame_ms": 80,
        "hold_ms": 1500,
        "weights": "cb72c728162962ad",
    }
