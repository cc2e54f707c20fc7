#!/usr/bin/env bash
# ffmpeg's bitstream filter setts, asked to set durations only, also replaces the decoding times: of a
# video with B-frames, frames then get the wrong time or are lost, even with the identity
# duration=DURATION. With pts=PTS:dts=DTS beside it nothing else changes.
# Seen: 20 frames at 0.0, 0.1, 0.2 ... s; after setts=duration=DURATION 18 frames from 0.1 s; after
# setts=pts=PTS:dts=DTS:duration=DURATION all 20 at their times.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet imageio-ffmpeg==0.8.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import re
import subprocess

import imageio_ffmpeg
import numpy as np


def times(*options):
    writer = imageio_ffmpeg.write_frames(
        "a.mp4",
        (64, 64),
        fps=10,
        pix_fmt_in="gray",
        codec="libx264",
        quality=None,
        macro_block_size=1,
        output_params=["-crf", "18", *options],
    )
    writer.send(None)
    for i in range(20):
        writer.send(np.full((64, 64), 9 * i, np.uint8))
    writer.close()
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-i", "a.mp4", "-vf", "showinfo"]
    command += ["-fps_mode", "passthrough", "-f", "null", "-"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return [float(time) for time in re.findall(r"pts_time:(\S+)", said)]


plain, duration = times(), times("-bsf:v", "setts=duration=DURATION")
all_three = times("-bsf:v", "setts=pts=PTS:dts=DTS:duration=DURATION")
print(imageio_ffmpeg.get_ffmpeg_version())
print(f"{len(plain)} frames from {plain[0]}; {len(duration)} from {duration[0]}; {len(all_three)}")
assert plain == all_three and len(plain) == 20
assert len(duration) < 20 and duration[0] != 0
PY
