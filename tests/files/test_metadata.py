"""Settings inside files: those of the version before, and files that have none."""

import io
import sys

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


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mutagen", None)  # as if it were not installed
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
