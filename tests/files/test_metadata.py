"""Settings inside files: those of the version before, and files that have none."""

import io

import numpy as np
import pytest
from PIL import Image

from ldm_core.files.metadata import read_settings

from .test_animation import OLD


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
