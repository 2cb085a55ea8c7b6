"""Images as arrays: grids, strips and looping GIFs.

Images are uint8 arrays (N, H, W, C); C is 1 for gray, 2 for gray and alpha, 3 for RGB and 4 for RGBA.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from zerosum.errors import BadInput
from zerosum.files import write_atomically

Images = NDArray[np.uint8]
"""(N, H, W, C) in 0..255."""

MIN_IMAGE_SIDE_PIXELS = 64
"""Images whose longer side has fewer pixels are enlarged in a grid."""
MAX_GRID_SIDE_PIXELS = 4096
"""Maximum width and height of a grid, in pixels, that automatic enlargement may reach."""
PALETTE_SAMPLE_PIXELS = 1 << 15
"""Pixels from which a GIF's palette is computed. Four times as many cost seconds and change no color visibly."""


def make_grid(images: Images, columns: int = 0, scale: int = 0, gap: int = 2, background: int = 255) -> Image.Image:
    """Arrange images in a grid, row by row.

    Args:
        images: uint8 (N, H, W, C).
        columns: images in a row; 0 makes the grid about square.
        scale: integer factor of nearest-neighbor enlargement; 0 enlarges images below 64 pixels.
        gap: pixels between images; there is no outer margin.
        background: level 0..255 of gaps and empty cells, which are transparent if images have alpha.

    Returns:
        An image of mode L, LA, RGB or RGBA, depending on C.

    Raises:
        BadInput: if `images` has another shape or dtype, or an option is negative.

    Example:
        >>> make_grid(np.zeros((6, 64, 64, 3), np.uint8), columns=3, gap=2).size
        (196, 130)
    """
    count, height, width, channels = _check_images(images).shape
    if columns < 0 or scale < 0 or gap < 0:
        raise BadInput(f"`columns` {columns}, `scale` {scale} and `gap` {gap} of a grid must be 0 or more")
    columns = min(columns or math.ceil(math.sqrt(count * height / width)), count)
    rows = math.ceil(count / columns)
    scale = scale or _display_scale(height, width, rows, columns)
    cell_height, cell_width = height * scale + gap, width * scale + gap
    grid = np.full((rows * cell_height, columns * cell_width, channels), background, np.uint8)
    if channels in (2, 4):
        grid[..., -1] = 0
    for index, image in enumerate(images):
        top, left = index // columns * cell_height, index % columns * cell_width
        enlarged = image.repeat(scale, axis=0).repeat(scale, axis=1)
        grid[top : top + height * scale, left : left + width * scale] = enlarged
    return _to_pil(grid[: rows * cell_height - gap, : columns * cell_width - gap])


def make_strip(images: Images, scale: int = 0, gap: int = 0) -> Image.Image:
    """Arrange images (N, H, W, C) in one row, as for a latent walk; `scale` as in `make_grid`."""
    return make_grid(images, columns=len(images), scale=scale, gap=gap)


def save_image(image: Image.Image, path: Path) -> None:
    """Write an image atomically, in the format of the suffix (PNG, JPEG, WebP, ...).

    Raises:
        BadInput: if the suffix is not that of an image format.
    """
    if path.suffix.lower() not in Image.registered_extensions():
        raise BadInput(f"{path.name}: no image format has the suffix {path.suffix!r}; use .png")
    write_atomically(path, image.save)


def save_gif(
    images: Images,
    path: Path,
    seconds_per_frame: float = 0.1,
    *,
    ping_pong: bool = False,
    scale: int = 1,
) -> None:
    """Write an endlessly looping GIF atomically.

    All frames share a palette and dithering is ordered, so that unchanged pixels do not flicker. Gray frames and
    animations of at most 256 colors are exact. Alpha is composited on white.

    Args:
        images: uint8 (N, H, W, C), the frames.
        path: output file, usually `*.gif`.
        seconds_per_frame: at least 0.02 (browsers slow down faster GIFs), rounded to hundredths.
        ping_pong: play backwards to the first frame instead of jumping to it.
        scale: integer factor of nearest-neighbor enlargement; 0 as in `make_grid`.

    Raises:
        BadInput: if `images` has another shape or dtype, or `seconds_per_frame` is below 0.02.
    """
    _, height, width, _ = _check_images(images).shape
    if not seconds_per_frame >= 0.02:
        raise BadInput(f"`seconds_per_frame` {seconds_per_frame}: give at least 0.02")
    scale = scale or _display_scale(height, width, 1, 1)
    frames = [_upscale_nearest(frame, scale) for frame in _to_palette_frames(_composite_on_white(images))]
    if ping_pong:
        frames += frames[-2:0:-1]
    duration_ms = round(seconds_per_frame * 100) * 10
    options = {"save_all": True, "append_images": frames[1:], "duration": duration_ms, "loop": 0}
    write_atomically(path, lambda part: frames[0].save(part, format="GIF", optimize=False, **options))


def as_images(items: NDArray[np.generic]) -> Images:
    """Return items that are images, uint8 (N, H, W, C), unchanged.

    Raises:
        BadInput: they have another shape or dtype.
    """
    return _check_images(np.asarray(items, np.uint8) if items.dtype == np.uint8 else items)  # type: ignore[arg-type]


def _check_images(images: Images) -> Images:
    """Return the images unchanged, or raise BadInput if they are not uint8 (N, H, W, C) with N, H, W > 0."""
    if images.ndim != 4 or images.dtype != np.uint8 or not 1 <= images.shape[3] <= 4:
        raise BadInput(
            f"shape mismatch: images must be uint8 (N, H, W, C) with C from 1 to 4, not {images.dtype} {images.shape};"
            " convert a network's output with `unit_to_bytes`"
        )
    if 0 in images.shape:
        raise BadInput(f"there are no images to draw: the shape of the array is {images.shape}")
    return images


def _display_scale(height: int, width: int, rows: int, columns: int) -> int:
    """Return the smallest integer factor that makes images large enough, within the maximum size of the grid."""
    max_scale = min(MAX_GRID_SIDE_PIXELS // (rows * height), MAX_GRID_SIDE_PIXELS // (columns * width))
    return max(1, min(math.ceil(MIN_IMAGE_SIDE_PIXELS / max(height, width)), max_scale))


def _to_pil(image: Images) -> Image.Image:
    """Convert one image (H, W, C) to Pillow."""
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)


def _upscale_nearest(frame: Image.Image, scale: int) -> Image.Image:
    return frame.resize((frame.width * scale, frame.height * scale), Image.Resampling.NEAREST)


def _composite_on_white(images: Images) -> Images:
    """Composite images with alpha on white: (N, H, W, 1 or 3)."""
    if images.shape[3] in (1, 3):
        return images
    alpha = images[..., -1:].astype(np.float32) / 255
    composited: Images = np.rint(255 + alpha * (images[..., :-1].astype(np.float32) - 255)).astype(np.uint8)
    return composited


def _to_palette_frames(images: Images) -> list[Image.Image]:
    """Convert frames (N, H, W, 1 or 3) to Pillow images of mode L, or P with a shared palette."""
    if images.shape[3] == 1:
        return [_to_pil(image) for image in images]
    codes = images.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    sample = codes.reshape(-1)[:: max(1, codes.size // PALETTE_SAMPLE_PIXELS)]
    if len(np.unique(sample)) <= 256 and len(colors := np.unique(codes)) <= 256:
        return _exact_palette_frames(np.searchsorted(colors, codes).astype(np.uint8), colors)
    pixels = images.reshape(-1, 3)[:: max(1, codes.size // PALETTE_SAMPLE_PIXELS)]
    pixel_image = Image.fromarray(pixels[None])
    palette = pixel_image.quantize(256, Image.Quantize.MEDIANCUT, kmeans=1)
    error = np.abs(np.asarray(palette.convert("RGB"), np.int16) - np.asarray(pixel_image, np.int16)).mean()
    dither = _ordered_dither(images.shape[1], images.shape[2], float(error))
    dithered = (np.clip(image.astype(np.int16) + dither, 0, 255).astype(np.uint8) for image in images)
    return [Image.fromarray(image).quantize(palette=palette, dither=Image.Dither.NONE) for image in dithered]


def _exact_palette_frames(indices: NDArray[np.uint8], colors: NDArray[np.uint32]) -> list[Image.Image]:
    """Return frames of mode P from indices (N, H, W) into at most 256 colors, red << 16 | green << 8 | blue."""
    levels = (colors[:, None] >> np.array([16, 8, 0], np.uint32)).astype(np.uint8)
    frames = [Image.fromarray(frame) for frame in indices]
    for frame in frames:
        frame.putpalette(levels.tobytes())
    return frames


def _ordered_dither(height: int, width: int, amplitude: float) -> NDArray[np.int16]:
    """Return Bayer's 8 x 8 threshold matrix, tiled to (H, W, 1), in -amplitude..amplitude."""
    bayer = np.zeros((1, 1))
    for _ in range(3):
        bayer = np.block([[4 * bayer, 4 * bayer + 2], [4 * bayer + 3, 4 * bayer + 1]])
    tiled = np.tile(bayer, (height // 8 + 1, width // 8 + 1))[:height, :width, None]
    dither: NDArray[np.int16] = np.rint((tiled / 31.5 - 1) * amplitude).astype(np.int16)
    return dither
