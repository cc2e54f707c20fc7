"""Files of pictures: every frame, duration and setting is read back, by other programs' readers."""

import errno
import io
import json
import re
import subprocess
import sys
import weakref
from itertools import chain

import numpy as np
import pytest
import torch
from imageio_ffmpeg import get_ffmpeg_exe
from PIL import Image, ImageSequence

from ldm_core import LatentDiffusion
from ldm_core.animation import (
    WRITERS,
    read_settings,
    step_frames,
    write_animation,
    write_gif,
)
from ldm_core.files import whole_file
from ldm_core.images import (
    enlarge,
    grid_columns,
    lay_out,
    write_npz,
    write_png,
)

from .conftest import ROOT

EXACT = [".gif", ".webp", ".apng"]
SETTINGS = {"label": "7", "seed": 4294967295, "guidance_interval": [0.1, 0.9], "name": "é" * 300}


@pytest.fixture(scope="module")
def movie() -> np.ndarray:
    """uint8 (8, 28, 30): all greys, changes in a corner, no change at all, everything changed."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, 256, (28, 30), dtype=np.uint8)
    corner, part, scattered = first.copy(), first.copy(), first.copy()
    corner[27, 29] ^= 1
    part[3:9, 5:18] = 0
    scattered[rng.random(first.shape) < 0.3] = 255
    last = np.zeros_like(first)
    last[10:20, 12:15] = 200
    return np.stack([first, corner, corner, part, scattered, ~scattered, last, last])


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


# Animations


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


# Whole files


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


def test_a_whole_file_has_its_name_only_when_done(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with whole_file(path) as beside:
        beside.write_text("all of it")
        assert beside.suffix == ".txt"
        assert not path.exists()
    assert path.read_text() == "all of it"
    assert [p.name for p in path.parent.iterdir()] == ["a.txt"]


# Settings of foreign and damaged files


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


# Stills


def test_a_png_is_read_back(tmp_path, movie):
    write_png(tmp_path / "a.png", movie[3], settings=SETTINGS, scale=3)
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == "L"
        assert np.array_equal(np.array(image), enlarge(movie[3], 3))
    assert read_settings(tmp_path / "a.png") == SETTINGS


def test_an_npz_is_read_back(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    labels, seeds = np.array([0, 1, -1, 0, 1]), np.arange(5) + 2**32 - 3
    batches = (images[:3], images[3:])
    write_npz(tmp_path / "a.npz", batches, labels=labels, seeds=seeds, settings=SETTINGS)
    with np.load(tmp_path / "a.npz") as arrays:
        assert np.array_equal(arrays["images"], images)
        assert np.array_equal(arrays["labels"], labels)
        assert np.array_equal(arrays["seeds"], seeds)
    assert read_settings(tmp_path / "a.npz") == SETTINGS


# Layout


def test_enlarging_makes_squares():
    assert enlarge(np.array([[1, 2]]), 2).tolist() == [[1, 1, 2, 2], [1, 1, 2, 2]]


def test_pictures_are_laid_out_in_rows():
    pictures = np.stack([np.full((28, 28), i + 1, np.uint8) for i in range(3)])
    canvas = lay_out(pictures, columns=2)
    assert canvas.shape == (58, 58)
    assert (canvas[:28, :28] == 1).all()
    assert (canvas[:28, 30:] == 2).all()
    assert (canvas[30:, :28] == 3).all()
    assert canvas.astype(int).sum() == 28 * 28 * (1 + 2 + 3)  # all else is black


@pytest.mark.parametrize(
    ("count", "n_labels", "views", "columns"),
    [
        (1, 1, 1, 1),
        (4, 1, 1, 2),
        (7, 1, 1, 3),
        (36, 1, 1, 6),
        (10, 10, 1, 5),
        (10, 10, 2, 2),
        (100, 10, 1, 10),
    ]
    + [(3, 10, 1, 2), (10**9, 10, 1, 290)],
)
def test_grids_are_about_square_with_labels_in_columns(count, n_labels, views, columns):
    assert grid_columns(count, n_labels, views) == columns


# From steps to frames


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
        # Decoded in another batch, a value may round to the grey next to it.
        for view, latents in enumerate((x_t, x_0)):
            error = frame.pictures[:, view].astype(int) - small_model.decode(latents).numpy()
            assert np.abs(error).max() <= 1
    for view, show in enumerate(("noisy", "estimate")):
        alone = [f.pictures for f in step_frames(small_model, seeds, steps, show)]
        both = [f.pictures[:, [view]] for f in frames]
        assert np.abs(np.stack(alone).astype(int) - np.stack(both)).max() <= 1


def test_the_noise_is_shown_before_the_first_step_is_made(small_model):
    def steps():
        raise AssertionError("a step was asked for")
        yield

    frame = next(step_frames(small_model, [3], steps(), "noisy"))
    assert np.array_equal(frame.pictures[0], small_model.decode(small_model.starting_noise([3])))


def test_an_unknown_view_lists_the_known_ones(small_model):
    with pytest.raises(ValueError, match="noisy, estimate, both, not 'all'"):
        next(step_frames(small_model, [3], [], "all"))
