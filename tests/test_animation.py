"""From steps to frames, and from frames to a file that is whole or absent."""

import errno
import weakref
from itertools import chain

import numpy as np
import pytest
import torch

from ldm_core.animation import step_frames, write_animation, write_gif
from ldm_core.formats import WRITERS


def test_frames_are_the_decoded_steps(small_model):
    labels, seeds = [1, 2, None], [5, 6, 7]
    steps = list(small_model.denoise(labels, seeds=seeds, steps=3))
    frames = list(step_frames(small_model, seeds, steps, "both"))
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert [frame.t for frame in frames] == [1.0, *(step.t for step in steps)]
    noise = small_model.starting_noise(seeds)
    wanted = chain([(noise, torch.zeros_like(noise))], ((s.x_t, s.x_0) for s in steps))
    for frame, (x_t, x_0) in zip(frames, wanted):
        assert frame.pictures.shape == (3, 2, 28, 28)
        for view, latents in enumerate((x_t, x_0)):
            assert np.array_equal(frame.pictures[:, view], small_model.decode(latents))
    for view, show in enumerate(("noisy", "estimate")):
        alone = [f.pictures for f in step_frames(small_model, seeds, steps, show)]
        assert np.array_equal(alone, [f.pictures[:, [view]] for f in frames])


def test_the_noise_is_shown_before_the_first_step_is_made(small_model):
    def steps():
        raise AssertionError("a step was asked for")
        yield

    frame = next(step_frames(small_model, [3], steps(), "noisy"))
    assert np.array_equal(frame.pictures[0], small_model.decode(small_model.starting_noise([3])))


def test_an_unknown_view_lists_the_known_ones(small_model):
    with pytest.raises(ValueError, match="noisy, estimate, both, not 'all'"):
        next(step_frames(small_model, [3], [], "all"))


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
