"""Animations in every format: each frame, duration and setting, by other programs' readers."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image, ImageSequence

from ldm_core import LatentDiffusion
from ldm_core.files.animation import write_animation, write_gif
from ldm_core.files.formats import WRITERS
from ldm_core.files.pictures import enlarge, read_settings

from ..conftest import ROOT, SETTINGS

EXACT = [".gif", ".webp", ".apng"]


def pillow_frames(path) -> tuple[np.ndarray, list[float]]:
    with Image.open(path) as image:
        shown = [
            (np.array(f.convert("L")), f.info["duration"]) for f in ImageSequence.Iterator(image)
        ]
    frames, durations = zip(*shown)
    return np.stack(frames), list(durations)


def ffmpeg_frames(path, height, width) -> np.ndarray:
    command = [get_ffmpeg_exe(), "-loglevel", "error", "-i", str(path), "-fps_mode", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width)


def enlarged(movie, scale) -> np.ndarray:
    return np.stack([enlarge(frame, scale) for frame in movie])


@pytest.mark.parametrize("scale", [1, 3, 8])  # odd ones matter to WebP, which halves its corners
@pytest.mark.parametrize("ending", EXACT)
def test_every_frame_is_read_back_exactly(tmp_path, movie, ending, scale):
    path = tmp_path / f"a{ending}"
    write_animation(path, movie, settings={}, scale=scale, frame_ms=120, hold_ms=2000)
    frames, durations = pillow_frames(path)
    assert np.array_equal(frames, enlarged(movie, scale))
    assert durations == [120] * 7 + [2000]
    with Image.open(path) as image:
        assert image.info["loop"] == 0  # endless


@pytest.mark.parametrize("ending", [".gif", ".apng"])
def test_another_decoder_sees_the_same_frames(tmp_path, movie, ending):
    path = tmp_path / f"a{ending}"
    write_animation(path, movie, settings={}, scale=2)
    assert np.array_equal(ffmpeg_frames(path, 56, 60)[: len(movie)], enlarged(movie, 2))


@pytest.mark.parametrize("scale", [3, 8])
def test_mp4_is_playable_everywhere_and_holds_by_repeating(tmp_path, scale):
    ramp = np.tile(np.linspace(0, 255, 29).astype(np.uint8), (27, 1))
    movie = np.stack([ramp, 255 - ramp, ramp // 2])
    path = tmp_path / "a.mp4"
    write_animation(path, movie, settings={}, scale=scale, frame_ms=50, hold_ms=500)
    height, width = (side * scale + side * scale % 2 for side in ramp.shape)
    frames = ffmpeg_frames(path, height, width)[:, : 27 * scale, : 29 * scale]
    assert len(frames) == 2 + 10
    wanted = enlarged(movie[[0, 1] + [2] * 10], scale)
    error = np.abs(frames.astype(int) - wanted)
    assert error.mean() < 2
    assert b"avc1" in path.read_bytes()
    probe = subprocess.run(
        [get_ffmpeg_exe(), "-i", str(path)], capture_output=True, text=True
    ).stderr
    assert "yuv420p" in probe
    assert re.search(r"\b20 fps\b", probe)


@pytest.mark.parametrize("ending", WRITERS)
def test_settings_are_read_back(tmp_path, movie, ending):
    path = tmp_path / f"a{ending}"
    write_animation(path, movie, settings=SETTINGS, scale=2)
    assert read_settings(path) == SETTINGS
    renamed = path.rename(tmp_path / "renamed")
    assert read_settings(renamed) == SETTINGS


def test_a_gif_keeps_its_settings_as_json_in_its_comment(tmp_path, movie):
    write_gif(tmp_path / "a", torch.from_numpy(movie), settings=SETTINGS)
    with Image.open(tmp_path / "a") as image:
        assert image.format == "GIF"
        assert image.size == (240, 224)
        assert json.loads(image.info["comment"]) == SETTINGS


def test_files_are_smaller_than_those_of_pillow(tmp_path, movie):
    images = [Image.fromarray(frame) for frame in enlarged(movie, 8)]
    for ending, options in ((".gif", {}), (".apng", {}), (".webp", {"lossless": True})):
        write_animation(tmp_path / f"a{ending}", movie, settings={})
        images[0].save(
            tmp_path / f"b{ending}", save_all=True, append_images=images[1:], loop=0, **options
        )
        ours, theirs = ((tmp_path / f"{name}{ending}").stat().st_size for name in "ab")
        assert ours < theirs


def test_mp4_without_its_package_says_what_to_install(tmp_path, movie, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ValueError, match="pip install imageio-ffmpeg"):
        write_animation(tmp_path / "a.mp4", movie, settings={})


def test_the_table_of_sizes_can_be_printed(small_model, tmp_path, monkeypatch, capsys):
    code = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "files.md").read_text(), re.DOTALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LatentDiffusion, "load", lambda folder: small_model)
    exec(code[-1], {})
    _, _, *rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 4
    for row in rows:
        assert re.fullmatch(r"\| [^|]+ (\| [\d,]+ → [\d,]+ ){3}(\| [\d,]+ ){2}\|", row)
