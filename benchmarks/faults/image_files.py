"""Odd image files, as lists of a file name and its bytes."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from benchmarks.faults.fixtures import make_image
from PIL import Image

File = tuple[str, str, bytes]
"""What is odd, the name of the file, and its content."""
SUFFIXES = {"PNG": "png", "JPEG": "jpg", "GIF": "gif", "WEBP": "webp", "TIFF": "tif", "BMP": "bmp"}
FOREIGN_FORMATS = (
    "EPS",
    "PDF",
    "TGA",
    "ICO",
    "SGI",
    "PCX",
    "DDS",
    "ICNS",
    "PPM",
    "JPEG2000",
    "MSP",
    "XBM",
    "IM",
    "SPIDER",
)
TEXTS = {
    "empty": b"", "one byte": b"\x89", "HTML": b"<html><script>alert(1)</script>", "JSON": b'{"a": 1}',
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 16 16\n%%EndComments\n(x) run\nshowpage\n",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', "PDF": b"%PDF-1.7\n",
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(40), "program": b"\x7fELF" + bytes(60), "zip": b"PK\x05\x06" + bytes(18),
    "gzip": b"\x1f\x8b\x08" + bytes(30), "zeros": bytes(5000), "git lfs": b"version https://git-lfs.github.com/spec/v1\n",
    "FITS": b"SIMPLE  =                    T".ljust(2880), "text": b"no image\n" * 50,
    "fli": b"\x00" * 4 + b"\x11\xaf" * 60,
}  # fmt: skip


def encode(image: Image.Image, image_format: str, **options: object) -> bytes:
    """Return an image in a format."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def png(width: int, height: int, depth: int, color: int, raw: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG file from its unfiltered rows (with filter bytes) and further chunks before IDAT."""
    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(raw, 9)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in parts
    )
    return b"\x89PNG\r\n\x1a\n" + body


def damaged(rng: random.Random) -> Iterator[File]:
    """Yield files that are cut or have flipped bytes."""
    image = make_image(np.random.default_rng(1), 24)
    for image_format, suffix in SUFFIXES.items():
        content = encode(image, image_format)
        for fraction in (0.02, 0.3, 0.6, 0.9, 0.99):
            yield f"{image_format} cut at {fraction:.0%}", f"odd.{suffix}", content[: int(fraction * len(content))]
        for number in range(4):
            flipped = bytearray(content)
            for _ in range(1 + 3 * number):
                flipped[rng.randrange(len(flipped))] ^= 1 << rng.randrange(8)
            yield f"{image_format} with flipped bits {number}", f"odd.{suffix}", bytes(flipped)
        yield f"{image_format} with a long end", f"odd.{suffix}", content + bytes(100_000)


def misnamed() -> Iterator[File]:
    """Yield images with the suffix of another format, foreign formats, and files that are no images."""
    image = make_image(np.random.default_rng(2), 24)
    names = list(SUFFIXES.values())
    for index, image_format in enumerate(SUFFIXES):
        for step in (1, 3):
            wrong = names[(index + step) % len(names)]
            yield f"{image_format} named {wrong}", f"odd.{wrong}", encode(image, image_format)
    for image_format in FOREIGN_FORMATS:
        mode = {"XBM": "1", "MSP": "1", "SPIDER": "F"}.get(image_format, "RGB")
        try:
            content = encode(image.convert(mode), image_format)
        except (OSError, KeyError):  # a codec that this build of Pillow does not have
            continue
        yield f"{image_format} named png", "odd.png", content
    for what, content in TEXTS.items():
        yield f"{what} named png", "odd.png", content
    yield "EPS named jpg", "odd.jpg", TEXTS["EPS"]
    yield "capital suffix", "ODD.PNG", encode(image, "PNG")
    yield "no suffix", "odd", encode(image, "PNG")


def modes() -> Iterator[File]:
    """Yield images of all modes and bit depths."""
    image, rng = make_image(np.random.default_rng(3), 20), np.random.default_rng(3)
    for mode in ("1", "L", "LA", "P", "RGBA"):
        yield f"PNG of mode {mode}", "odd.png", encode(image.convert(mode), "PNG")
    yield "palette with transparency", "odd.png", encode(image.convert("P"), "PNG", transparency=0)
    yield "palette with alpha values", "odd.png", encode(image.convert("P"), "PNG", transparency=bytes(range(200)))
    for mode in ("CMYK", "YCbCr", "L"):
        yield f"JPEG of mode {mode}", "odd.jpg", encode(image.convert(mode), "JPEG")
    for mode in ("CMYK", "LAB", "I", "F", "RGBX", "1", "PA"):
        try:
            content = encode(image.convert("L").convert(mode) if mode in "IF" else image.convert(mode), "TIFF")
        except (OSError, ValueError, KeyError):
            continue
        yield f"TIFF of mode {mode}", "odd.tif", content
    words = rng.integers(0, 65536, (20, 20), dtype=np.uint16)
    yield "16-bit PNG", "odd.png", encode(Image.fromarray(words), "PNG")
    yield "16-bit TIFF", "odd.tif", encode(Image.fromarray(words), "TIFF")
    for color, channels in ((2, 3), (4, 2), (6, 4)):
        raw = b"".join(b"\x00" + rng.bytes(8 * channels * 2) for _ in range(8))
        yield f"16-bit PNG of {channels} channels", "odd.png", png(8, 8, 16, color, raw)
    for depth in (1, 2, 4):
        raw = b"".join(b"\x00" + rng.bytes(depth) for _ in range(8))
        yield f"{depth}-bit gray PNG", "odd.png", png(8, 8, depth, 0, raw)
        yield f"{depth}-bit palette out of range", "odd.png", png(8, 8, depth, 3, raw, (b"PLTE", bytes(3)))
    floats = rng.standard_normal((20, 20)).astype(np.float32)
    floats[3, 3] = np.nan
    yield "float TIFF with NaN", "odd.tif", encode(Image.fromarray(floats), "TIFF")
    yield "float TIFF of huge values", "odd.tif", encode(Image.fromarray(floats * np.float32(1e38)), "TIFF")


def sizes() -> Iterator[File]:
    """Yield images of extreme sizes, and files that expand to much more than their size."""
    for width, height in ((1, 1), (1, 4000), (4000, 1), (2, 30_000), (3, 3), (300, 17)):
        yield f"{width}x{height}", "odd.png", encode(Image.new("RGB", (width, height), "red"), "PNG")
    yield "1-bit image of 144 megapixels", "odd.png", png(12_000, 12_000, 1, 0, bytes(1501 * 12_000))
    yield "1-bit image of 900 megapixels", "odd.png", png(30_000, 30_000, 1, 0, bytes(3751 * 30_000))
    yield "header of 4 gigapixels", "odd.png", png(65_535, 65_535, 8, 6, bytes(100))
    yield "header of 2^62 pixels", "odd.png", png(2**31 - 1, 2**31 - 1, 8, 2, bytes(100))
    yield "header of no pixels", "odd.png", png(0, 0, 8, 2, b"")
    yield (
        "BMP header of 2^30 rows",
        "odd.bmp",
        b"BM" + struct.pack("<IHHIIiiHH", 60, 0, 0, 54, 40, 16, 2**30, 1, 24) + bytes(30),
    )
    yield "GIF header of 4 gigapixels", "odd.gif", b"GIF89a" + struct.pack("<HH", 65_535, 65_535) + bytes(20)
    text = (b"zTXt", b"x\x00\x00" + zlib.compress(bytes(50_000_000), 9))
    yield "compressed text of 50 MB", "odd.png", png(4, 4, 8, 0, bytes(20), text)
    profile = (b"iCCP", b"x\x00\x00" + zlib.compress(bytes(50_000_000), 9))
    yield "color profile of 50 MB", "odd.png", png(4, 4, 8, 0, bytes(20), profile)
    yield "pixels of 100 MB too many", "odd.png", png(4, 4, 8, 0, bytes(100_000_000))


def metadata() -> Iterator[File]:
    """Yield images with all orientations, damaged metadata, odd chunks, and several frames."""
    image = make_image(np.random.default_rng(4), 24).resize((24, 12))
    for orientation in (0, 1, 3, 5, 6, 8, 9, 65_535):
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"orientation {orientation}", "odd.jpg", encode(image, "JPEG", exif=exif.tobytes())
    yield "damaged EXIF", "odd.jpg", encode(image, "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff" + bytes(9))
    yield "endless EXIF", "odd.jpg", encode(image, "JPEG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00" + b"\xff" * 200)
    for name in (b"tRNS", b"gAMA", b"cHRM", b"pHYs", b"sBIT", b"acTL", b"fcTL", b"eXIf", b"XXXX"):
        chunk = (name, bytes(3))
        yield f"short {name.decode()} chunk", "odd.png", png(4, 4, 8, 2, bytes(4 * 13), chunk)
    content = bytearray(encode(image, "PNG"))
    content[20] ^= 1
    yield "wrong checksum", "odd.png", bytes(content)
    yield "no end chunk", "odd.png", encode(image, "PNG")[:-12]
    frames = [make_image(np.random.default_rng(seed), 16) for seed in range(3)]
    for image_format, suffix in (("GIF", "gif"), ("PNG", "png"), ("WEBP", "webp"), ("TIFF", "tif")):
        several = encode(frames[0], image_format, save_all=True, append_images=frames[1:])
        yield f"{image_format} of 3 frames", f"odd.{suffix}", several
        yield f"{image_format} of 3 frames, cut", f"odd.{suffix}", several[: len(several) * 2 // 3]
    pages = encode(frames[0], "TIFF", save_all=True, append_images=[frames[1].resize((40, 9)).convert("L")])
    yield "TIFF of unlike pages", "odd.tif", pages


def all_files(rng: random.Random) -> list[File]:
    """Return all odd files."""
    return [*damaged(rng), *misnamed(), *modes(), *sizes(), *metadata()]
