#!/usr/bin/env bash
# In an animated WebP the time of a frame is unknown until its pixels are loaded: seek() leaves
# info["duration"] of the frame that was loaded before, or leaves it out. GIF and APNG set it at seek().
# So a loop over ImageSequence.Iterator that reads times alone gets None, or the wrong frame's time.
# Seen: GIF [100, 200, 300]; WebP without load() [None, None, None]; after load() of each before,
# at the seek [None, 100, 200]; after its own load() [100, 200, 300].
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==12.3.0
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import io

from PIL import Image, ImageSequence

frames = [Image.new("L", (8, 8), grey) for grey in (0, 80, 160)]


def animation(kind):
    file = io.BytesIO()
    frames[0].save(
        file, kind, save_all=True, append_images=frames[1:], duration=[100, 200, 300], lossless=True
    )
    return Image.open(file)


def iterated(kind):
    return [frame.info.get("duration") for frame in ImageSequence.Iterator(animation(kind))]


def around_load():
    at_seek, loaded, image = [], [], animation("WEBP")
    for i in range(3):
        image.seek(i)
        at_seek.append(image.info.get("duration"))
        image.load()
        loaded.append(image.info.get("duration"))
    return at_seek, loaded


print("GIF", iterated("GIF"), "APNG", iterated("PNG"), "WebP", iterated("WEBP"), *around_load())
assert iterated("GIF") == iterated("PNG") == [100, 200, 300]
assert iterated("WEBP") == [None, None, None]
assert around_load() == ([None, 100, 200], [100, 200, 300])
PY
