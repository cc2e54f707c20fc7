"""Pictures of every depth and format become the greys that they show, or are refused."""

import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from ldm_core.checks import InputError
from ldm_core.data.datasets import describe, load_dataset
from ldm_core.data.pictures import PictureError, read_grey, reason

RAMP = np.tile(np.arange(28, dtype=np.uint16) * 9, (28, 1)).astype(np.uint8)
RAMP[:, :4] = 0
RAMP[:, -1] = 255


def png(path, array, bits=16, colour=0, width=None, **chunks):
    """A PNG with any chunks: Pillow writes neither 16-bit colours nor sBIT."""

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


def pgm(path, array, top):
    path.write_bytes(b"P5 28 28 %d\n" % top + array.astype(">u2").tobytes())


def stretched(top):
    return (RAMP.astype(float) * top / 255).round()


def folder_of(tmp_path, write, count=3):
    """Two classes of a few pictures each."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(count):
            write(tmp_path / name / str(i))
    return str(tmp_path)


def close(greys):
    return np.abs(greys.astype(int) - RAMP).max() <= 1


@pytest.mark.parametrize(
    "top, assumed", [(255, 255), (1023, 1023), (4095, 4095), (16383, 16383), (65535, None)]
)
def test_bits_that_are_used_of_16_are_found_and_said_once(top, assumed, tmp_path):
    folder = folder_of(
        tmp_path, lambda p: Image.fromarray(stretched(top).astype(np.uint16)).save(f"{p}.png")
    )
    train, test = (load_dataset(folder, "", train=t) for t in (True, False))
    assert close(train.pixels[0].numpy()) and close(test.pixels[0].numpy())
    said = f"black is 0 and white {assumed}."
    assert describe(train, test).count("assumed") == (assumed is not None)
    assert (said in describe(train, test)) == (assumed is not None)


def test_a_dim_picture_stays_dim_beside_a_bright_one(tmp_path):
    def write(path, scale):
        Image.fromarray((stretched(4095) * scale).astype(np.uint16)).save(path)

    folder = folder_of(tmp_path, lambda p: write(f"{p}.png", 1 if p.name == "1" else 0.25))
    train = load_dataset(folder, "", train=True)
    assert train.pixels.amax((1, 2)).tolist() == [255, 64, 255, 64]


@pytest.mark.parametrize("kind", ["int32 tiff", "float tiff", "float 255", "-1 to 1", "12 of 16"])
def test_ranges_of_tiffs_come_from_the_data_set(kind, tmp_path):
    array = {
        "int32 tiff": stretched(65535).astype(np.int32),
        "float tiff": RAMP.astype(np.float32) / 255,
        "float 255": RAMP.astype(np.float32),
        "-1 to 1": RAMP.astype(np.float32) / 127.5 - 1,
        "12 of 16": stretched(4095).astype(np.uint16),
    }[kind]
    folder = folder_of(tmp_path, lambda p: Image.fromarray(array).save(f"{p}.tif"))
    data = load_dataset(folder, "", train=True)
    assert close(data.pixels[0].numpy())
    assert len(data.notes) == 1 and "it is assumed that black is" in data.notes[0]


@pytest.mark.parametrize(
    "array",
    [
        stretched(70_000).astype(np.int32),  # neither 16 nor 32 bits
        stretched(3).astype(np.uint16),
        stretched(1000).astype(np.int32) - 500,
        RAMP.astype(np.float32) / 255 * 1.3 - 0.1,
        np.zeros((28, 28), np.float32),
    ],
)
def test_a_range_that_stays_unclear_is_refused(array, tmp_path):
    folder = folder_of(tmp_path, lambda p: Image.fromarray(array).save(f"{p}.tif"))
    with pytest.raises(InputError, match=r"unclear which value is white in .*0.tif.*save"):
        load_dataset(folder, "", train=True)


def test_of_an_unclear_range_the_picture_furthest_out_is_named(tmp_path):
    folder = folder_of(tmp_path, lambda p: Image.fromarray(RAMP / np.float32(255)).save(f"{p}.tif"))
    Image.fromarray(RAMP * np.float32(1e30)).save(tmp_path / "b" / "1.tif")
    with pytest.raises(InputError, match=r"white in .*b/1\.tif and its like"):
        load_dataset(folder, "", train=True)


@pytest.mark.parametrize("top", [300, 4095, 20_000, 65535])
def test_the_highest_value_of_a_pgm_is_white(top, tmp_path):
    pgm(tmp_path / "x.pgm", stretched(top), top)
    assert close(read_grey(tmp_path / "x.pgm"))
    dim = (stretched(top) / 4).round()
    pgm(tmp_path / "dim.pgm", dim, top)
    if top < 65535:  # which may be the depth only
        assert abs(int(read_grey(tmp_path / "dim.pgm").max()) - 64) <= 1


def test_values_of_12_bits_in_a_pgm_of_16_are_found(tmp_path):
    pgm(tmp_path / "x.pgm", stretched(4095), 65535)
    assert close(read_grey(tmp_path / "x.pgm"))


def test_significant_bits_are_believed_where_the_values_fit(tmp_path):
    png(tmp_path / "x.png", (stretched(4095) / 5).round(), sBIT=b"\x0c")  # without: 10 bits
    assert abs(int(read_grey(tmp_path / "x.png").max()) - 51) <= 1
    png(tmp_path / "y.png", stretched(65535), sBIT=b"\x0c")  # widened, as PNG has it
    assert close(read_grey(tmp_path / "y.png"))


def test_the_highest_value_of_a_tiff_is_believed_where_all_files_say_the_same(tmp_path):
    def write(path, says):
        Image.fromarray(stretched(900).astype(np.uint16)).save(path, tiffinfo={281: says})

    folder = folder_of(tmp_path, lambda p: write(f"{p}.tif", 3000))
    data = load_dataset(folder, "", train=True)
    assert data.pixels.max() == round(255 * 900 / 3000)
    assert "the files say that black is 0 and white 3000" in data.notes[0]
    write(tmp_path / "a" / "1.tif", 2000)  # statistics of each picture, then
    assert load_dataset(folder, "", train=True).pixels.max() == round(255 * 900 / 1023)


def test_colours_of_16_bits_are_read_if_all_are_used_and_else_refused(tmp_path):
    colours = np.repeat(stretched(65535)[:, :, None], 3, axis=2)
    for path, top in ((tmp_path / "x.png", 1), (tmp_path / "dim.png", 1 / 16)):
        png(path, colours * top, colour=2)
    assert close(read_grey(tmp_path / "x.png"))
    with pytest.raises(InputError, match="unclear which value is white.*colours of 16 bits"):
        read_grey(tmp_path / "dim.png")


def test_greys_of_16_bits_beside_transparency_are_checked_too(tmp_path):
    both = np.stack([stretched(4095), np.full((28, 28), 65535)], axis=2)
    png(tmp_path / "x.png", both, colour=4)
    with pytest.raises(InputError, match="unclear which value is white"):
        read_grey(tmp_path / "x.png")


def tiff(path, data, bits, photometric=1, sample_format=1):
    """A TIFF of one grey that says what Pillow would not write."""
    tags = [(256, 28), (257, 28), (258, bits), (259, 1), (262, photometric), (273, 8)]
    tags += [(277, 1), (278, 28), (279, len(data)), (339, sample_format)]
    entries = b"".join(struct.pack("<HHII", tag, 4 if tag == 279 else 3, 1, v) for tag, v in tags)
    data += b"\0" * (len(data) % 2)
    directory = struct.pack("<H", len(tags)) + entries + struct.pack("<I", 0)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + directory)


@pytest.mark.parametrize("kind", ["uint16", "float32"])
def test_where_white_is_zero_greys_are_turned_round(kind, tmp_path):
    path = tmp_path / "x.tif"
    if kind == "uint16":
        tiff(path, (65535 - stretched(65535)).astype("<u2").tobytes(), 16, photometric=0)
    else:
        data = (1 - RAMP / np.float32(255)).astype("<f4").tobytes()
        tiff(path, data, 32, photometric=0, sample_format=3)
    assert close(read_grey(path))


def test_unsigned_numbers_of_32_bits_are_not_taken_for_signed(tmp_path):
    tiff(tmp_path / "x.tif", stretched(2**32 - 1).astype("<u4").tobytes(), 32)
    assert close(read_grey(tmp_path / "x.tif"))


def test_signed_numbers_of_16_bits_have_a_highest_of_their_own(tmp_path):
    values = stretched(32767)
    tiff(tmp_path / "x.tif", values.astype("<i2").tobytes(), 16, sample_format=2)
    assert close(read_grey(tmp_path / "x.tif"))
    tiff(tmp_path / "y.tif", (values - 999).astype("<i2").tobytes(), 16, sample_format=2)
    with pytest.raises(InputError, match="unclear which value is white.*values from -999"):
        read_grey(tmp_path / "y.tif")


def test_a_tiff_that_declares_12_bits_is_believed(tmp_path):
    dim = (stretched(4095) / 8).round().astype(int)
    pairs = dim.reshape(-1, 2)
    packed = np.stack(
        [pairs[:, 0] >> 4, (pairs[:, 0] & 15) << 4 | pairs[:, 1] >> 8, pairs[:, 1] & 255], axis=1
    )
    tiff(tmp_path / "x.tif", packed.astype(np.uint8).tobytes(), 12)
    assert int(read_grey(tmp_path / "x.tif").max()) == 32


def test_colours_of_16_bits_in_other_formats_are_checked_too(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "x.sgi", bpc=2)
    assert close(read_grey(tmp_path / "x.sgi"))
    Image.fromarray(RAMP // 16).save(tmp_path / "dim.sgi", bpc=2)
    dim = np.repeat(stretched(4095)[:, :, None], 3, axis=2)
    (tmp_path / "dim.ppm").write_bytes(b"P6 28 28 65535\n" + dim.astype(">u2").tobytes())
    for name in ("dim.sgi", "dim.ppm"):
        with pytest.raises(InputError, match="unclear which value is white"):
            read_grey(tmp_path / name)


def test_a_transparent_colour_of_16_bits_is_refused(tmp_path):
    colours = np.repeat(stretched(65535)[:, :, None], 3, axis=2)
    png(tmp_path / "x.png", colours, colour=2, tRNS=b"\0" * 6)
    with pytest.raises(PictureError, match="with a transparent one"):
        read_grey(tmp_path / "x.png")


def test_the_transparent_grey_of_16_bits_is_seen(tmp_path):
    values = np.full((28, 28), 65535)
    values[:9] = 1234
    png(tmp_path / "x.png", values, tRNS=struct.pack(">H", 65535))
    greys = read_grey(tmp_path / "x.png")
    assert greys[0, 0] == 5 and greys[-1, 0] == 255  # white is behind what is dark
    png(tmp_path / "y.png", values, tRNS=struct.pack(">H", 1234))
    greys = read_grey(tmp_path / "y.png")
    assert greys[0, 0] == 0 and greys[-1, 0] == 255


def test_the_transparent_grey_of_a_png_of_4_bits_is_seen(tmp_path):
    packed = np.full((28, 14), 0x99, np.uint8)  # 9 of 15 everywhere, but white on the left
    packed[:, :7] = 0xFF
    path = tmp_path / "x.png"
    png(path, packed, bits=4, width=28, tRNS=struct.pack(">H", 15))
    greys = read_grey(path)
    assert greys[0, -1] == 153
    assert greys[0, 0] == 0  # behind what is light; not the white that stands for nothing


@pytest.mark.parametrize(
    "write, why",
    [
        (lambda p: Image.fromarray(RAMP).convert("RGB").save(p, format="ICO"), "an icon"),
        (lambda p: Image.new("LAB", (28, 28)).save(p, format="TIFF"), "LAB colours"),
        (lambda p: Image.new("YCbCr", (28, 28)).save(p, format="TIFF"), "YCbCr colours"),
        (lambda p: Image.fromarray(np.full((28, 28), np.nan, np.float32)).save(p, format="TIFF"),
         "values that are not finite"),
        (lambda p: Image.fromarray(RAMP).save(p, format="IM"), "no picture of a format"),
        (lambda p: p.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), "an HEIC picture"),
        (lambda p: p.write_bytes(b""), "empty"),
        (lambda p: p.write_bytes(b"<!DOCTYPE html><p>"), "an HTML page"),
        (lambda p: p.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"),
        (lambda p: png(p, np.zeros((0, 0))), "no picture of a format"),
        (lambda p: png(p, np.zeros((1, 1)), colour=2), "damaged"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_rightly_is_skipped_with_the_reason(write, why, tmp_path):
    write(tmp_path / "x.png")
    with pytest.raises(Exception) as caught:
        read_grey(tmp_path / "x.png")
    assert not isinstance(caught.value, InputError)
    assert re.search(why, reason(tmp_path / "x.png", caught.value))


def test_signed_numbers_of_8_bits_are_refused(tmp_path):
    tiff(tmp_path / "x.tif", RAMP.tobytes(), 8, sample_format=2)
    with pytest.raises(PictureError, match="signed"):
        read_grey(tmp_path / "x.tif")


def test_a_picture_that_would_fill_the_memory_is_skipped(tmp_path):
    path = tmp_path / "x.png"
    png(path, np.zeros((1, 1)))
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", 12_000, 12_000)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    path.write_bytes(data)
    with pytest.raises(Warning) as caught:
        read_grey(path)
    assert reason(path, caught.value) == "more than 89,478,485 pixels"


@pytest.mark.parametrize("suffix", ["gif", "webp", "tif", "png"])
def test_of_several_pictures_in_a_file_the_first_is_used_and_that_is_said(suffix, tmp_path):
    def write(path):
        first, second = Image.fromarray(RAMP), Image.fromarray(255 - RAMP)
        options = {"lossless": True} if suffix == "webp" else {}
        first.save(f"{path}.{suffix}", save_all=True, append_images=[second], **options)

    data = load_dataset(folder_of(tmp_path, write), "", train=True)
    assert close(data.pixels[0].numpy())
    assert "4 training files hold several pictures, of which the first is used" in data.notes[0]


def test_pictures_that_are_nearly_black_are_told_of(tmp_path):
    def write(path):
        Image.fromarray((RAMP > 99).astype(np.uint8)).save(f"{path}.png")

    data = load_dataset(folder_of(tmp_path, write), "", train=True)
    assert data.notes == ("The training pictures are nearly black: none is lighter than 1 of 255.",)


@pytest.mark.parametrize("orientation, turns", [(6, -1), (8, 1), (3, 2)])
def test_deep_pictures_are_turned_too(orientation, turns, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stretched(65535).astype(np.uint16)).save(tmp_path / "x.png", exif=exif)
    assert np.abs(read_grey(tmp_path / "x.png").astype(int) - np.rot90(RAMP, turns)).max() <= 1


def test_colours_that_were_multiplied_by_their_opacity_are_divided_again(tmp_path):
    alpha = np.full((28, 28), 128, np.uint8)
    grey = np.full((28, 28), 100, np.uint8)
    layers = [Image.fromarray(x) for x in (grey, grey, grey, alpha)]
    Image.merge("RGBA", layers).save(tmp_path / "x.tif")
    data = bytearray((tmp_path / "x.tif").read_bytes())
    own, multiplied = (struct.pack("<HHIHH", 338, 3, 1, value, 0) for value in (2, 1))
    assert own in data
    (tmp_path / "x.tif").write_bytes(data.replace(own, multiplied))
    # 100 / 128 of white is light, so that black is behind it
    assert abs(int(read_grey(tmp_path / "x.tif")[0, 0]) - 100) <= 1
