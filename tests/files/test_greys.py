"""Pictures of every depth and format become the greys that they show, or are refused."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ldm_core.files.greys import PictureError, read_grey

RAMP = np.tile(np.arange(28, dtype=np.uint16) * 9, (28, 1)).astype(np.uint8)
RAMP[:, :4] = 0
RAMP[:, -1] = 255


def png(path, array, bits=16, colour=0, width=None, **chunks):
    """A PNG with any chunks: Pillow does not write 16-bit colours."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    height, columns = array.shape[:2]
    header = struct.pack(">IIBBBBB", width or columns, height, bits, colour, 0, 0, 0)
    rows = b"".join(
        b"\0" + row.astype(">u2" if bits == 16 else np.uint8).tobytes() for row in array
    )
    more = b"".join(chunk(kind.encode(), data) for kind, data in chunks.items())
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more
        + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )  # fmt: skip


def picture(light_on_dark=True):
    """A filled square in the upper half: not symmetric, so that turning it shows."""
    grey = np.zeros((28, 28), np.uint8)
    grey[7:14, 7:21] = 255
    return grey if light_on_dark else 255 - grey


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA", "CMYK"])
def test_every_kind_of_picture_becomes_the_same_greys(mode, tmp_path):
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    Image.fromarray(picture()).convert(mode).save(path, quality=100)
    assert np.abs(read_grey(path).astype(int) - picture()).max() <= (5 if mode == "CMYK" else 0)


@pytest.mark.parametrize("light", [True, False])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparent_areas_become_the_opposite_of_the_drawing(light, mode, tmp_path):
    ink = np.full((28, 28), 255 if light else 0, np.uint8)
    channels = [Image.fromarray(ink)] * (len(mode) - 1)
    Image.merge(mode, [*channels, Image.fromarray(picture())]).save(tmp_path / "x.png")
    assert np.array_equal(read_grey(tmp_path / "x.png"), picture(light))


@pytest.mark.parametrize("orientation, turns", [(6, -1), (8, 1), (3, 2)])
def test_photographs_are_turned_as_they_say(orientation, turns, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture()).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(read_grey(tmp_path / "x.png"), np.rot90(picture(), turns))


def test_the_transparent_grey_of_a_png_of_4_bits_is_seen(tmp_path):
    packed = np.full((28, 14), 0x99, np.uint8)  # 9 of 15 everywhere, but white on the left
    packed[:, :7] = 0xFF
    png(tmp_path / "x.png", packed, bits=4, width=28, tRNS=struct.pack(">H", 15))
    greys = read_grey(tmp_path / "x.png")
    assert greys[0, -1] == 153
    assert greys[0, 0] == 0  # the background of a light drawing, not the white that is transparent


DEEP = RAMP.astype(float) * 257
REFUSED = [
    (lambda p: png(p, DEEP), "more than 8 bits"),
    (lambda p: png(p, np.stack([DEEP] * 3, axis=2), colour=2), "more than 8 bits"),
    (lambda p: Image.fromarray(RAMP).save(p, format="ICO"), "no picture of a format"),
    (lambda p: p.write_bytes(b""), "no picture of a format"),
    (lambda p: p.write_bytes(b"<!DOCTYPE html><p>"), "no picture of a format"),
    (lambda p: png(p, np.zeros((1, 1)), bits=8, colour=2), "damaged"),
]


@pytest.mark.parametrize("write, why", REFUSED)
def test_what_cannot_be_read_correctly_is_refused_with_the_reason(write, why, tmp_path):
    write(tmp_path / "x.png")
    with pytest.raises(PictureError, match=why):
        read_grey(tmp_path / "x.png")


def test_a_picture_that_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 16_000_000)  # as the page sets it
    path = tmp_path / "x.png"
    png(path, np.zeros((1, 1)))
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 12_000, 12_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    path.write_bytes(data)
    with pytest.raises(PictureError, match="more than 16,000,000 pixels"):
        read_grey(path)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_a_file_of_several_pictures_is_refused(format, tmp_path):
    first, second = Image.fromarray(RAMP), Image.fromarray(255 - RAMP)
    options = {"lossless": True} if format == "WEBP" else {}
    path = tmp_path / "x"
    first.save(path, format, save_all=True, append_images=[second], **options)
    with pytest.raises(PictureError, match="it holds 2 pictures: save one of them"):
        read_grey(path)


def test_a_large_jpeg_may_be_read_smaller(tmp_path):
    Image.fromarray(RAMP).resize((448, 448)).save(tmp_path / "x.jpg", quality=95)
    assert read_grey(tmp_path / "x.jpg").shape == (448, 448)
    small = read_grey(tmp_path / "x.jpg", full_size=False)
    assert small.shape == (112, 112)
    assert np.abs(small[::4, ::4].astype(int) - RAMP).mean() < 8


def test_a_file_that_cannot_be_opened_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_grey(tmp_path / "absent.png")
