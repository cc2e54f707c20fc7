"""Size and time of each format, and of imageio's GIF beside ours: python -m benchmarks.animations.

All write the same frames in turn, many times. The fastest time of each counts: encoding always
takes the same time, and the disk and other programs add to it.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ldm_core import LatentDiffusion, write_animation
from ldm_core.files.pictures import enlarge, lay_out
from ldm_core.files.whole_file import whole_file
from ldm_core.output.views import step_pictures

from .measure import in_turn

FRAME_MS, HOLD_MS, SCALE = 80, 1500, 8


def frames_of(model: LatentDiffusion, labels: range | list[int], steps: int) -> np.ndarray:
    """uint8 (N, H, W): what `python -m ldm_core.sample` makes of such settings."""
    stream = model.denoise(labels, seeds=range(len(labels)), steps=steps)
    pictures = step_pictures(model, stream, "noisy")
    return np.stack([lay_out(p[:, 0], min(len(labels), 5)) for p in pictures])


def writers(frames: np.ndarray, folder: Path) -> dict[str, Callable]:
    """What writes the frames into a folder, by name: each returns the size of its file."""
    import imageio.v3 as iio

    def ours(ending: str) -> int:
        path = folder / f"ours{ending}"
        write_animation(path, frames, settings={}, scale=SCALE)
        return path.stat().st_size

    def imageio_gif(**options) -> int:
        path = folder / "imageio.gif"
        durations = [FRAME_MS] * (len(frames) - 1) + [HOLD_MS]
        with whole_file(path) as partial:  # as ours does, so that the disk takes as long
            large = [enlarge(frame, SCALE) for frame in frames]
            iio.imwrite(partial, large, duration=durations, loop=0, comment=b"{}", **options)
        return path.stat().st_size

    return {
        "GIF": lambda: ours(".gif"),
        "GIF by imageio": imageio_gif,
        "GIF by imageio, optimize=False": lambda: imageio_gif(optimize=False),
        "APNG": lambda: ours(".apng"),
        "WebP": lambda: ours(".webp"),
        "MP4": lambda: ours(".mp4"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.animations", description=__doc__)
    parser.add_argument("--weights", type=Path, default=Path("weights"))
    parser.add_argument("--rounds", type=int, default=20, help="of all formats (20)")
    args = parser.parse_args()
    model = LatentDiffusion.load(args.weights)
    animations = {
        "one digit, 12 steps": frames_of(model, [7], 12),
        "one digit, 50 steps": frames_of(model, [7], 50),
        "ten digits, 12 steps": frames_of(model, range(10), 12),
    }
    print("| animation | written as | bytes | time | in times of our GIF |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, frames in animations.items():
            calls = writers(frames, Path(folder))
            times = in_turn(calls, args.rounds)
            for kind, call in calls.items():
                fastest = min(times[kind])
                ratio = fastest / min(times["GIF"])
                print(f"| {name} | {kind} | {call():,} | {fastest * 1e3:.0f} ms | {ratio:.1f} |")


if __name__ == "__main__":
    main()
