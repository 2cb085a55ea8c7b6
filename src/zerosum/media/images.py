"""Draw samples: image grids, strips, looping GIFs and scatter plots.

Images are uint8 arrays (N, H, W, C); C is 1 for gray, 2 for gray and alpha, 3 for RGB and 4 for RGBA.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from zerosum.data.dataset import images_to_uint8
from zerosum.errors import BadInput
from zerosum.run_folder import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

Images = NDArray[np.uint8]
"""(N, H, W, C) in 0..255."""

MIN_IMAGE_SIDE_PIXELS = 64
"""Images whose longer side has fewer pixels are enlarged in a grid."""
MAX_GRID_SIDE_PIXELS = 4096
"""Maximum width and height of a grid, in pixels, that automatic enlargement may reach."""
PALETTE_SAMPLE_PIXELS = 1 << 15
"""Pixels from which a GIF's palette is computed. Four times as many cost seconds and change no color visibly."""
REAL_COLOR, FAKE_COLOR = (176, 180, 186), (0, 114, 178)
"""RGB. Light gray, and the blue of Okabe and Ito's palette, which is safe for color blindness."""


def to_uint8(samples: Tensor) -> Images:
    """Convert a network's images to bytes.

    Args:
        samples: float (N, C, H, W) in [-1, 1] on any device. Values outside are clipped, NaN becomes mid-gray.

    Returns:
        uint8 (N, H, W, C), C-contiguous.

    Raises:
        BadInput: if `samples` has another number of axes.
    """
    if samples.dim() != 4:
        raise BadInput(f"shape mismatch: images must be (N, C, H, W), not {tuple(samples.shape)}")
    return images_to_uint8(samples)


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


def scatter_plot(points: NDArray[np.floating], real: NDArray[np.floating], size: int = 512) -> Image.Image:
    """Draw generated 2-D points over real ones.

    The real points alone determine the range of the axes, so that plots of a run can be compared and played as a video.
    Generated points outside are drawn on the frame and counted. Points that are not finite are left out.

    Args:
        points: (N, 2) generated points.
        real: (M, 2) real points, M >= 1.
        size: side of the square image in pixels.

    Returns:
        An RGB image of `size` x `size`.

    Raises:
        BadInput: if an array has another shape, or there is no real point.
    """
    if points.ndim != 2 or real.ndim != 2 or points.shape[1] != 2 or real.shape[1] != 2 or len(real) == 0:
        raise BadInput(
            f"shape mismatch: a scatter plot needs points (N, 2) and real (M, 2), not {points.shape} and {real.shape}"
        )
    low, high = real.min(axis=0).astype(float), real.max(axis=0).astype(float)
    center, half_range = (low + high) / 2, max(float((high - low).max()) / 2, 1e-6) * 1.2
    fakes = (points[np.isfinite(points).all(axis=1)] - center) / half_range
    outside_count = int((np.abs(fakes) > 1).any(axis=1).sum())
    canvas = np.full((size, size, 3), 255.0)
    for positions, color, dot_opacity in (((real - center) / half_range, REAL_COLOR, 0.6), (fakes, FAKE_COLOR, 0.55)):
        opacity = 1 - (1 - dot_opacity) ** _splat(positions, size)
        canvas += opacity[..., None] * (np.array(color) - canvas)
    plot = Image.fromarray(np.rint(canvas).astype(np.uint8))
    _annotate(plot, center, half_range, outside_count)
    return plot


def _check_images(images: Images) -> Images:
    """Return the images unchanged, or raise BadInput if they are not uint8 (N, H, W, C) with N, H, W > 0."""
    if images.ndim != 4 or images.dtype != np.uint8 or not 1 <= images.shape[3] <= 4:
        raise BadInput(
            f"shape mismatch: images must be uint8 (N, H, W, C) with C from 1 to 4, not {images.dtype} {images.shape};"
            " convert a network's output with `to_uint8`"
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


def _splat(points: NDArray[np.floating], size: int, supersampling: int = 3) -> NDArray[np.float64]:
    """Return the mean number of dots covering each pixel, (size, size), for points (N, 2) in [-1, 1]."""
    side, radius = size * supersampling, max(2, round(size * supersampling / 190))
    inner_side = side - 2 * radius - 1
    across = np.rint((np.clip(points[:, 0], -1, 1) + 1) / 2 * inner_side).astype(int) + radius
    down = np.rint((1 - np.clip(points[:, 1], -1, 1)) / 2 * inner_side).astype(int) + radius
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disk = (y * side + x)[x * x + y * y <= radius * radius]
    counts = np.bincount(((down * side + across)[:, None] + disk).reshape(-1), minlength=side * side)
    coverage: NDArray[np.float64] = counts.reshape(size, supersampling, size, supersampling).mean(axis=(1, 3))
    return coverage


def _annotate(plot: Image.Image, center: Sequence[float], half_range: float, outside_count: int) -> None:
    """Draw the frame, the legend and the range of the axes, in place."""
    size = plot.width
    draw, font = ImageDraw.Draw(plot), ImageFont.load_default(max(9, size // 40))
    text_color, margin = (90, 94, 100), size // 60
    draw.rectangle((0, 0, size - 1, size - 1), outline=(208, 211, 215))
    x, y = float(center[0]), float(center[1])
    ranges = f"x {x - half_range:.3g} to {x + half_range:.3g}, y {y - half_range:.3g} to {y + half_range:.3g}"
    generated = f"generated, {outside_count} outside" if outside_count else "generated"
    draw.text((margin, margin), "real", fill=(140, 144, 150), font=font)
    draw.text((margin + draw.textlength("real   ", font), margin), generated, fill=FAKE_COLOR, font=font)
    draw.text((margin, size - margin), ranges, fill=text_color, font=font, anchor="ls")
