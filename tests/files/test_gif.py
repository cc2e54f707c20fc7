"""The GIF encoder, by another program's reader."""

import subprocess
import weakref

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

from ldm_core.files.animation import write_gif

from .test_animation import enlarged


def test_another_decoder_sees_the_same_frames(tmp_path, movie):
    write_gif(tmp_path / "a.gif", movie, settings={}, scale=2)
    command = [get_ffmpeg_exe(), "-loglevel", "error", "-i", str(tmp_path / "a.gif")]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    frames = np.frombuffer(raw, np.uint8).reshape(-1, 56, 60)
    assert np.array_equal(frames[: len(movie)], enlarged(movie, 2))


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
