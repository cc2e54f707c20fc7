"""Animations in every format play what was given, and files are whole or absent."""

import errno
import json
import subprocess
import weakref
from itertools import groupby

import numpy as np
import pytest
import torch
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image

from ldm_core.files.animation import ENCODERS, write_animation
from ldm_core.files.metadata import read_settings
from ldm_core.files.pictures import enlarge

from ..conftest import ROOT, SETTINGS, read_frames

EXACT = [".gif", ".webp", ".apng"]
OLD = {path.suffix: path for path in (ROOT / "tests" / "files" / "old").iterdir()}


def as_played(frames, durations) -> list[tuple[bytes, float]]:
    """Pictures with their times; a picture that follows an equal one is shown for longer."""
    timed = zip((np.asarray(frame).tobytes() for frame in frames), durations)
    runs = groupby(timed, key=lambda shown: shown[0])
    return [(picture, sum(ms for _, ms in run)) for picture, run in runs]


def ffmpeg_frames(path, height, width) -> np.ndarray:
    """The frames of a file as ffmpeg decodes them."""
    command = [get_ffmpeg_exe(), "-loglevel", "error", "-i", str(path), "-fps_mode", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width)


def enlarged(movie, scale) -> np.ndarray:
    return np.stack([enlarge(frame, scale) for frame in movie])


@pytest.mark.parametrize("scale", [1, 3, 8])  # odd ones matter to WebP, which halves its corners
@pytest.mark.parametrize("ending", EXACT)
def test_what_was_written_is_played(tmp_path, movie, ending, scale):
    path = tmp_path / f"a{ending}"
    write_animation(path, movie, settings={}, scale=scale, frame_ms=120, hold_ms=2000)
    wanted = as_played(enlarged(movie, scale), [120] * 7 + [2000])
    assert len(wanted) == 6  # the movie holds two pictures for two frames each
    assert as_played(*read_frames(path)) == wanted
    with Image.open(path) as image:
        assert image.info["loop"] == 0  # endless


@pytest.mark.parametrize("ending", EXACT)
def test_one_picture_is_an_animation_too(tmp_path, movie, ending):
    for name, frames in (("one", movie[:1]), ("equal", movie[[0, 0, 0]])):
        path = tmp_path / f"{name}{ending}"
        write_animation(path, frames, settings=SETTINGS, scale=2)
        frames, _ = read_frames(path)
        assert (frames == enlarge(movie[0], 2)).all()
        assert read_settings(path) == SETTINGS


@pytest.mark.parametrize("ending", EXACT)
def test_what_the_version_before_wrote_is_written_so_that_it_plays_the_same(tmp_path, ending):
    path = tmp_path / f"new{ending}"
    frames, durations = read_frames(OLD[ending])
    write_animation(path, frames, settings=read_settings(OLD[ending]), scale=1)
    assert as_played(*read_frames(path)) == as_played(frames, durations)
    if ending == ".gif":
        assert path.read_bytes() == OLD[ending].read_bytes()


@pytest.mark.parametrize("ending", ENCODERS)
def test_settings_are_read_back_whatever_the_name_of_the_file(tmp_path, movie, ending):
    path = tmp_path / f"a{ending}"
    write_animation(path, movie, settings=SETTINGS, scale=2)
    assert read_settings(path) == SETTINGS
    assert read_settings(path.rename(tmp_path / "renamed")) == SETTINGS


def test_a_gif_keeps_its_settings_as_json_in_its_comment(tmp_path, movie):
    write_animation(tmp_path / "a.gif", torch.from_numpy(movie), settings=SETTINGS)
    with Image.open(tmp_path / "a.gif") as image:
        assert (image.format, image.size) == ("GIF", (240, 224))
        assert json.loads(image.info["comment"]) == SETTINGS


def test_another_decoder_of_gif_sees_the_same_frames(tmp_path, movie):
    write_animation(tmp_path / "a.gif", movie, settings={}, scale=2)
    frames = ffmpeg_frames(tmp_path / "a.gif", 56, 60)
    assert np.array_equal(frames[: len(movie)], enlarged(movie, 2))


def test_few_frames_of_a_gif_are_held_at_a_time(tmp_path):
    class Frame(np.ndarray):
        """Unlike a plain array, this can be watched."""

    made, alive = [], []

    def frames():
        for i in range(20):
            frame = np.full((28, 28), i, np.uint8).view(Frame)
            made.append(weakref.ref(frame))
            alive.append(sum(ref() is not None for ref in made))
            yield frame

    write_animation(tmp_path / "a.gif", frames(), settings={})
    assert len(alive) == 20
    assert max(alive) <= 3


@pytest.mark.parametrize(
    ("frame_ms", "hold_ms"), [(80, 1500), (45, 1505), (33, 1499), (25, 20), (1000, 2500)]
)
@pytest.mark.parametrize("ending", EXACT)
def test_every_frame_is_shown_at_its_time(tmp_path, movie, ending, frame_ms, hold_ms):
    path = tmp_path / f"a{ending}"
    write_animation(path, movie, settings={}, scale=1, frame_ms=frame_ms, hold_ms=hold_ms)
    wanted, shown = as_played(movie, [frame_ms] * 7 + [hold_ms]), as_played(*read_frames(path))
    assert [picture for picture, _ in shown] == [picture for picture, _ in wanted]
    ends, wanted_ends = (np.cumsum([ms for _, ms in played]) for played in (shown, wanted))
    assert np.abs(ends - wanted_ends).max() <= (5 if ending == ".gif" else 1e-6)


@pytest.mark.parametrize("ending", EXACT)
def test_equal_frames_may_be_shown_for_long(tmp_path, movie, ending):
    path, frames = tmp_path / f"a{ending}", movie[[0, 0, 0, 1, 3, 3]]
    write_animation(path, frames, settings=SETTINGS, scale=1, frame_ms=60_000, hold_ms=59_999)
    wanted = as_played(frames, [60_000] * 5 + [59_999 if ending != ".gif" else 60_000])
    assert as_played(*read_frames(path)) == wanted
    assert read_settings(path) == SETTINGS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "a.avi"}, r"\.gif, \.webp, \.apng, \.mp4, not '\.avi'"),
        ({"scale": 0}, "scale must be a whole number from 1 to 64, not 0"),
        ({"scale": 64, "frames": np.zeros((1, 200, 28), np.uint8)}, "larger than 8192"),
        ({"frame_ms": 10}, "frame_ms must be a whole number from 20 to 60000"),
        ({"frames": np.zeros((0, 28, 28), np.uint8)}, "at least one frame"),
        ({"frames": np.zeros((2, 28, 28))}, r"uint8 \(H, W\), not float64 \(28, 28\)"),
        ({"frames": [np.zeros((2, 2), np.uint8), np.zeros((3, 2), np.uint8)]}, "the same size"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, movie, change, message):
    given = {"path": "a.gif", "frames": movie, "settings": {}} | change
    path, frames = tmp_path / given.pop("path"), given.pop("frames")
    with pytest.raises(ValueError, match=message):
        write_animation(path, frames, **given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "disk full"), RuntimeError("a fault")]
)
@pytest.mark.parametrize("ending", ENCODERS)
def test_a_failure_midway_leaves_what_was_there(tmp_path, movie, ending, error):
    def frames():
        yield from movie[:4]
        raise error

    path = tmp_path / f"a{ending}"
    path.write_bytes(b"before")
    with pytest.raises(type(error)) as raised:
        write_animation(path, frames(), settings={})
    assert raised.value is error
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]
