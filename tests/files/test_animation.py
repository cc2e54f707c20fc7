"""From steps to frames, and from frames to a file that is whole or absent."""

import errno
import weakref

import numpy as np
import pytest

from ldm_core.files.animation import write_animation, write_gif
from ldm_core.files.formats import WRITERS


def test_few_frames_are_held_at_a_time(tmp_path):
    class Frame(np.ndarray):
        """Unlike a plain array, this can be watched."""

    made, alive = [], []

    def frames():
        for i in range(20):
            frame = np.full((28, 28), i, np.uint8).view(Frame)
            made.append(weakref.ref(frame))
            alive.append(sum(ref() is not None for ref in made))
            yield frame

    write_gif(tmp_path / "a.gif", frames(), settings={})
    assert len(alive) == 20
    assert max(alive) <= 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"path": "a.avi"}, r"\.gif, \.webp, \.apng, \.mp4, not '\.avi'"),
        ({"path": "a"}, "not ''"),
        ({"scale": 0}, "scale must be a whole number from 1 to 64, not 0"),
        ({"scale": 2.0}, "scale must be a whole number"),
        ({"scale": 64, "frames": np.zeros((1, 200, 28), np.uint8)}, "larger than 8192"),
        ({"frame_ms": 10}, "frame_ms must be a whole number from 20 to 60000"),
        ({"hold_ms": 60_001}, "hold_ms"),
        ({"frames": np.zeros((0, 28, 28), np.uint8)}, "at least one frame"),
        ({"frames": np.zeros((2, 28, 28))}, r"uint8 \(H, W\), not float64 \(28, 28\)"),
        ({"frames": np.zeros((2, 28), np.uint8)}, r"not uint8 \(28,\)"),
        ({"frames": [np.zeros((2, 2), np.uint8), np.zeros((3, 2), np.uint8)]}, "the same size"),
    ],
)
def test_what_cannot_be_written_is_refused_and_leaves_nothing(tmp_path, movie, change, message):
    given = {"path": "a.gif", "frames": movie, "settings": {}} | change
    path, frames = tmp_path / given.pop("path"), given.pop("frames")
    with pytest.raises(ValueError, match=message):
        write_animation(path, frames, **given)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "disk full")])
@pytest.mark.parametrize("ending", WRITERS)
def test_a_failure_midway_leaves_what_was_there(tmp_path, movie, ending, error):
    def frames():
        yield from movie[:4]
        raise error

    path = tmp_path / f"a{ending}"
    path.write_bytes(b"before")
    with pytest.raises(type(error)):
        write_animation(path, frames(), settings={})
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]
