"""Files as nobody should send them: damaged pictures, sizes that are lies, forged settings."""

import base64
import io
import struct
import zipfile
import zlib
from functools import cache

import numpy as np
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo


@cache
def picture_files() -> list[bytes]:
    """Small pictures in many formats, light on dark and dark on light, still and moving."""
    grey = np.zeros((28, 28), np.uint8)
    grey[6:22, 12:16] = 255
    still = Image.fromarray(grey)
    files = []

    def add(image: Image.Image, format: str, **options) -> None:
        file = io.BytesIO()
        image.save(file, format, **options)
        files.append(file.getvalue())

    for format in ("PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "TGA", "ICO", "JPEG2000"):
        add(still, format)
    add(still.resize((90, 61)), "JPEG")
    add(Image.fromarray(255 - grey).convert("RGBA").resize((300, 40)), "PNG")
    add(still.convert("1"), "PNG")
    add(Image.fromarray(grey.astype(np.uint16) * 257), "PNG")
    add(still.convert("P"), "GIF", save_all=True, append_images=[still.rotate(90).convert("P")])
    add(Image.new("L", (28, 28), 9), "PNG")  # blank
    add(Image.new("L", (1, 1)), "PNG")
    add(Image.new("L", (3000, 2)), "PNG")
    return files


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def png_of_size(width: int, height: int, compressed: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = png_chunk(b"IDAT", compressed)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + pixels + png_chunk(b"IEND", b"")


@cache
def liars() -> list[bytes]:
    """Pictures that claim a huge size, of which some even have all their pixels."""
    bomb = zlib.compress(bytes(30_000_000), 9)
    bmp = struct.pack(
        "<2sIHHIIiiHHIIiiII", b"BM", 99, 0, 0, 54, 40, 2**31 - 1, 2**31 - 1, 1, 24, *[0] * 6
    )
    gif = b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + bytes(6)
    gif += b"," + struct.pack("<HHHH", 0, 0, 65535, 65535) + b"\0\x02\x02\x44\x01\0;"
    return [
        *(
            png_of_size(w, h, zlib.compress(b""))
            for w, h in ((2**31 - 1, 2**31 - 1), (0, 0), (1, 2**31 - 1))
        ),
        png_of_size(30_000, 999, bomb),
        png_of_size(12_000, 12_000, bomb),
        bmp,
        gif,
        b"P5 2000000000 2000000000 255\n",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='9e9' height='9e9'/>",
    ]


@st.composite
def damaged(draw, files: list[bytes]) -> bytes:
    content = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.sampled_from(["cut", "change", "insert"])):
            case "cut":
                del content[at:]
            case "change":
                content[at : at + 1] = draw(st.binary(min_size=1, max_size=4))
            case "insert":
                content[at:at] = draw(st.binary(max_size=40))
    return bytes(content)


def as_uri(content: bytes, head: str = "data:image/png;base64,") -> str:
    return head + base64.b64encode(content).decode()


def with_comment(comment: str) -> bytes:
    """A PNG that says this of itself."""
    file, chunks = io.BytesIO(), PngInfo()
    chunks.add_text("Comment", comment)
    Image.new("L", (28, 28)).save(file, "PNG", pnginfo=chunks)
    return file.getvalue()


def npz_that_claims(shape: str) -> bytes:
    file = io.BytesIO()
    header = f"{{'descr': '<U9', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    with zipfile.ZipFile(file, "w") as archive:
        start = b"\x93NUMPY\x01\0" + struct.pack("<H", len(header))
        archive.writestr("settings.npy", start + header)
    return file.getvalue()


good_greys = st.integers(3, 20).map(
    lambda row: base64.b64encode((bytes(28 * row) + b"\xff" * 112).ljust(784, b"\0")).decode()
)
good_pictures = st.one_of(st.deferred(lambda: st.sampled_from(picture_files()[:12])).map(as_uri))
bad_pictures = st.one_of(
    st.deferred(lambda: damaged(picture_files())).map(as_uri),
    st.deferred(lambda: st.sampled_from(liars())).map(as_uri),
    st.binary(max_size=900).map(lambda b: base64.b64encode(b).decode()),
    st.binary(max_size=60).map(as_uri),
)
