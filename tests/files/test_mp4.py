"""MP4: every player takes it, and ffmpeg never outlives what it was started for."""

import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe

from ldm_core.files.animation import write_animation
from ldm_core.files.metadata import read_settings

from ..conftest import ROOT
from .test_animation import enlarged, ffmpeg_frames


def ffmpegs_writing_to(folder: Path) -> list[str]:
    """Command lines of running programs that name the folder."""
    found = subprocess.run(
        ["ps", "-ww", "-eo", "args"], check=True, capture_output=True, text=True
    ).stdout
    return [line for line in found.splitlines() if "ffmpeg" in line and str(folder) in line]


def test_mp4_is_playable_everywhere_and_holds_by_repeating(tmp_path):
    scale = 3
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
    content = path.read_bytes()
    assert b"avc1" in content
    assert content.index(b"moov") < content.index(b"mdat")  # it starts before all of it has come
    probe = subprocess.run(
        [get_ffmpeg_exe(), "-i", str(path)], capture_output=True, text=True
    ).stderr
    assert "yuv420p" in probe
    assert f"{width}x{height}" in probe
    assert re.search(r"\b20 fps\b", probe)


@pytest.mark.parametrize(
    ("count", "frame_ms", "hold_ms"),
    [(7, 33, 1499), (1, 3000, 20), (7, 60_000, 59_999)],
)
def test_every_frame_is_shown_at_its_time(tmp_path, movie, count, frame_ms, hold_ms):
    path, movie = tmp_path / "a.mp4", movie[:count]
    write_animation(path, movie, settings={}, scale=1, frame_ms=frame_ms, hold_ms=hold_ms)
    command = [get_ffmpeg_exe(), "-i", str(path), "-vf", "showinfo", "-fps_mode", "passthrough"]
    command += ["-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    times = [round(1000 * float(time)) for time in re.findall(r"pts_time:(\S+)", said)]
    if count == 1:
        frame_ms = hold_ms
    assert times == list(range(0, (count - 1) * frame_ms + hold_ms, frame_ms))
    hours, minutes, seconds = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said).groups()
    whole = 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    assert whole == pytest.approx(((count - 1) * frame_ms + hold_ms) / 1000, abs=0.0051)
    shown = ffmpeg_frames(path, 28, 30)
    assert len(shown) == len(times)


def test_a_missing_package_is_named(tmp_path, movie, monkeypatch):
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ValueError, match="pip install imageio-ffmpeg"):
        write_animation(tmp_path / "a.mp4", movie, settings={})


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError("no frame")])
def test_an_error_leaves_no_ffmpeg_even_while_someone_holds_it(tmp_path, movie, error):
    def frames():
        yield from movie
        assert len(ffmpegs_writing_to(tmp_path)) == 1
        raise error

    with pytest.raises(type(error)) as raised:
        write_animation(tmp_path / "a.mp4", frames(), settings={})
    assert raised.value is error
    assert ffmpegs_writing_to(tmp_path) == []


@pytest.mark.parametrize("limit", [100, 20_000])
def test_a_full_disk_is_an_error_even_where_ffmpeg_meets_it_at_the_end(tmp_path, limit):
    noise = np.random.default_rng(0).integers(0, 256, (6, 64, 64), dtype=np.uint8)
    write_animation(tmp_path / "a.mp4", noise, settings={})
    assert (tmp_path / "a.mp4").stat().st_size > 25_000
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OSError, match="ffmpeg could not write the video"):
            write_animation(tmp_path / "b.mp4", noise, settings={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_ctrl_c_ends_ffmpeg_too(tmp_path):
    code = (
        f"import sys, time; sys.path.insert(0, {str(ROOT)!r})\n"
        "import numpy, ldm_core\n"
        "def frames():\n"
        "    for i in range(1000):\n"
        "        yield numpy.full((28, 28), i % 256, numpy.uint8)\n"
        "        i == 20 and print('begun', flush=True)\n"
        "        time.sleep(0.01)\n"
        f"ldm_core.write_animation({str(tmp_path / 'a.mp4')!r}, frames(), settings={{}})\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert process.stdout.readline() == b"begun\n"
        os.killpg(process.pid, signal.SIGINT)  # a terminal sends it to all of a group
        assert process.wait(60) != 0
    finally:
        process.kill()
        process.stdout.close()
    deadline = time.monotonic() + 5
    while ffmpegs_writing_to(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ffmpegs_writing_to(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["12:30:05.mp4", "-y.mp4", "%03d.mp4"])
def test_a_name_is_a_name_and_nothing_else(tmp_path, movie, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write_animation(name, movie, settings={"a": 1})
    assert read_settings(name) == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == [name]
