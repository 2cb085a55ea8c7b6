"""Decoding one image: every mode, format and odd size gives the right pixels."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image, features

from zerosum.data.images.decode import FITS, PIL_MODES, convert_channels, decode_image, to_8bit
from zerosum.data.images.size import ImageSize

MODES = ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV", "I", "I;16", "F"]
FORMAT_MODES = {
    "PNG": ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"],
    "JPEG": ["L", "RGB", "CMYK"],
    "BMP": ["1", "L", "P", "RGB"],
    "TIFF": ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F"],
    "WEBP": ["RGB", "RGBA"],
    "GIF": ["L", "P"],
}
SIZES = [(1, 1), (1, 9), (33, 2), (17, 31), (8, 8)]


def ramp_image(mode: str, size: tuple[int, int]) -> Image.Image:
    width, height = size
    values = np.linspace(0, 255, width * height).reshape(height, width)
    if mode == "I;16":
        return Image.fromarray((values * 257).astype(np.uint16))
    if mode in ("I", "F"):
        return Image.fromarray((values * 257).astype(np.int32 if mode == "I" else np.float32))
    color = np.stack([values, values[::-1], np.full_like(values, 90), np.full_like(values, 200)], axis=-1)
    rgba = Image.fromarray(color.astype(np.uint8))
    if mode == "PA":
        return rgba.convert("LA").convert("PA")
    if mode == "LAB":
        return Image.merge("LAB", rgba.convert("RGB").split())
    return rgba.convert(mode) if mode in ("LA", "RGBA") else rgba.convert("RGB").convert(mode)


def save_and_open(image: Image.Image, file_format: str, **options: object) -> Image.Image:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return Image.open(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize(("mode", "channels", "fit"), list(itertools.product(MODES, PIL_MODES, FITS)))
def test_every_mode_and_size_becomes_bytes_of_the_requested_shape(mode: str, channels: int, fit: str) -> None:
    for size in SIZES:
        decoded = decode_image(ramp_image(mode, size), ImageSize.square(8), channels, fit)
        assert decoded.pixels.shape == (8, 8, channels)
        assert decoded.pixels.dtype == np.uint8
        assert (decoded.width, decoded.height, decoded.mode) == (*size, mode)


@pytest.mark.parametrize(
    ("file_format", "mode"), [(name, mode) for name, modes in FORMAT_MODES.items() for mode in modes]
)
def test_every_format_gives_the_saved_pixels(file_format: str, mode: str) -> None:
    assert features.check("webp")
    image = ramp_image(mode, (17, 31))
    lossless = {"lossless": True, "exact": True} if file_format == "WEBP" else {}
    decoded = decode_image(save_and_open(image, file_format, **lossless), ImageSize.square(31), 3, "pad")
    expected = decode_image(image, ImageSize.square(31), 3, "pad").pixels.astype(int)
    assert decoded.format == file_format
    # JPEG is lossy: its error on these ramps stays below 24 of 255; the others are lossless.
    assert np.abs(decoded.pixels - expected).max() <= (24 if file_format == "JPEG" else 0)


def test_integers_range_to_65535_unless_a_range_is_given() -> None:
    values = np.array([[0, 128, 129, 32768, 65534, 65535]], np.uint16)
    assert np.asarray(to_8bit(Image.fromarray(values)).image).tolist() == [[0, 0, 1, 128, 255, 255]]
    saved = save_and_open(Image.fromarray(values), "PNG")
    assert np.asarray(to_8bit(saved).image).tolist() == [[0, 0, 1, 128, 255, 255]]
    assert np.asarray(to_8bit(Image.fromarray(values.astype(np.int32))).image).tolist() == [[0, 0, 1, 128, 255, 255]]
    wider, clipped = to_8bit(Image.fromarray(np.array([[-5, 0, 95, 70_000]], np.int32)), (-5, 95))
    assert (np.asarray(wider).tolist(), clipped) == ([[0, 13, 255, 255]], 1)  # 5 / 100 of 255 is 12.75


def test_floats_range_to_1_unless_a_range_is_given_and_must_be_finite() -> None:
    for top in (1.0, 255.0, 65535.0):
        values = np.array([[0.0, top / 5, top]], np.float32)
        assert np.asarray(to_8bit(Image.fromarray(values), (0.0, top)).image).tolist() == [[0, 51, 255]]
    pixels, clipped = to_8bit(Image.fromarray(np.array([[0.0, 0.2, 1.004]], np.float32)))
    assert (np.asarray(pixels).tolist(), clipped) == ([[0, 51, 255]], 1)
    with pytest.raises(ValueError, match="not finite"):
        to_8bit(Image.fromarray(np.array([[0.0, np.nan]], np.float32)))


def test_transparency_is_composited_over_white_unless_alpha_is_kept() -> None:
    image = Image.fromarray(np.array([[[255, 0, 0, 255], [0, 0, 255, 0], [0, 0, 0, 128]]], np.uint8))
    assert np.asarray(convert_channels(image, 3)).tolist() == [[[255, 0, 0], [255, 255, 255], [127, 127, 127]]]
    assert np.asarray(convert_channels(image, 1)).tolist() == [[76, 255, 127]]
    assert np.asarray(convert_channels(image, 4)).tolist() == [[[255, 0, 0, 255], [255, 255, 255, 0], [0, 0, 0, 128]]]
    assert np.asarray(convert_channels(image, 2)).tolist() == [[[76, 255], [255, 0], [0, 128]]]
    assert np.asarray(convert_channels(Image.new("L", (1, 1), 9), 4)).tolist() == [[[9, 9, 9, 255]]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_transparent_color_of_any_mode_is_transparent(mode: str) -> None:
    image = Image.new("RGB", (2, 1), (0, 0, 0))
    image.putpixel((1, 0), (255, 255, 255))
    image = image.convert(mode)
    black = (0, 0, 0) if mode == "RGB" else image.getpixel((0, 0))
    opened = save_and_open(image, "PNG", transparency=black)
    assert decode_image(opened, ImageSize.square(2), 2, "resize").pixels[0, 0].tolist()[1] == 0
    assert decode_image(opened, ImageSize.square(2), 3, "pad").pixels[0].tolist() == [[255] * 3] * 2


def test_a_hidden_color_does_not_bleed_when_scaled_down() -> None:
    pixels = np.zeros((8, 8, 4), np.uint8)
    pixels[:, :4] = (255, 255, 255, 255)  # white next to fully transparent black
    decoded = decode_image(Image.fromarray(pixels), ImageSize.square(4), 4, "resize").pixels
    assert decoded[..., :3][decoded[..., 3] > 8].min() >= 250


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(file_format: str, orientation: int) -> None:
    inverse = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE"}
    inverse |= {6: "ROTATE_90", 7: "TRANSVERSE", 8: "ROTATE_270"}
    upright = Image.new("L", (24, 16), 0)
    upright.paste(255, (0, 0, 8, 8))  # bright at the upper left only
    upright = upright.convert("RGB")
    rotated = upright.transpose(Image.Transpose[inverse[orientation]]) if orientation in inverse else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode_image(save_and_open(rotated, file_format, exif=exif), ImageSize.square(24), 1, "resize")
    assert (decoded.width, decoded.height) == (24, 16)
    assert decoded.pixels[:8, :6].mean() > 240
    assert decoded.pixels[14:].mean() < 10
    assert decoded.pixels[:, 12:].mean() < 10


def test_broken_exif_is_ignored() -> None:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (9, 99, 199)).save(file, "PNG", exif=b"Exif\0\0nonsense")
    assert decode_image(Image.open(file), ImageSize.square(8), 3, "crop").pixels[0, 0].tolist() == [9, 99, 199]


def test_the_first_frame_of_an_animation_is_read() -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    for file_format in ("WEBP", "PNG", "GIF", "TIFF"):
        lossless = {"lossless": True} if file_format == "WEBP" else {}
        opened = save_and_open(frames[0], file_format, save_all=True, append_images=frames[1:], **lossless)
        decoded = decode_image(opened, ImageSize.square(8), 3, "crop")
        assert decoded.pixels[4, 4].tolist() == [255, 0, 0]
        assert decoded.frames == 2


def test_crop_takes_the_center() -> None:
    pixels = np.zeros((4, 10, 3), np.uint8)
    pixels[:, 3:7] = 200
    assert (decode_image(Image.fromarray(pixels), ImageSize.square(4), 3, "crop").pixels == 200).all()


def test_pad_repeats_the_edge_and_does_not_scale_small_images() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5), dtype=np.uint8)
    decoded = decode_image(Image.fromarray(pixels), ImageSize.square(8), 1, "pad").pixels[..., 0]
    assert (decoded == np.pad(pixels, ((2, 3), (1, 2)), mode="edge")).all()


def test_pad_scales_large_images_down_to_fit() -> None:
    decoded = decode_image(Image.fromarray(np.full((10, 40, 3), 77, np.uint8)), ImageSize.square(8), 3, "pad").pixels
    assert (decoded == 77).all()


def test_scaling_down_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (512, 256))  # finer than a small image can resolve
    decoded = decode_image(Image.fromarray(stripes), ImageSize.square(16), 1, "crop").pixels
    assert np.abs(decoded.astype(int) - 127.5).max() < 4


def test_the_content_hash_depends_on_pixels_and_size_alone() -> None:
    image = ramp_image("RGB", (12, 6))
    content_hash = decode_image(image, ImageSize.square(8), 3, "crop").content_hash
    assert (
        decode_image(save_and_open(image, "PNG", compress_level=0), ImageSize.square(16), 1, "pad").content_hash
        == content_hash
    )
    assert decode_image(save_and_open(image, "BMP"), ImageSize.square(8), 3, "crop").content_hash == content_hash
    assert decode_image(image.resize((6, 3)), ImageSize.square(8), 3, "crop").content_hash != content_hash
    assert (
        decode_image(Image.new("L", (6, 2)), ImageSize.square(8), 3, "crop").content_hash
        != decode_image(Image.new("L", (2, 6)), ImageSize.square(8), 3, "crop").content_hash
    )
    altered = image.copy()
    altered.putpixel((11, 5), (1, 2, 3))
    assert decode_image(altered, ImageSize.square(8), 3, "crop").content_hash != content_hash
