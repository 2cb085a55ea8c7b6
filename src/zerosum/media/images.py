"""Samples as pictures: contact sheets, strips, looping GIFs and scatter plots.

Images are uint8 arrays (N, H, W, C); C is 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha.
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
"""Pixels: images whose longer side is below this are enlarged on a sheet."""
MAX_GRID_SIDE_PIXELS = 4096
"""Pixels: no automatic enlarging beyond this width or height."""
PALETTE_SAMPLE_PIXELS = 1 << 15
"""Pixels that vote on a GIF's palette: four times as many cost seconds and change no colour one could see."""
REAL_COLOR, FAKE_COLOR = (176, 180, 186), (0, 114, 178)
"""Light grey, and the blue of Okabe and Ito's palette, which colour-blind people tell apart."""


def to_uint8(samples: Tensor) -> Images:
    """Turn a network's images into bytes.

    Args:
        samples: float (N, C, H, W) in [-1, 1] on any device; values beyond are clipped, NaN becomes mid grey.

    Returns:
        uint8 (N, H, W, C), C-contiguous.
    """
    if samples.dim() != 4:
        raise BadInput(f"images must be shaped (N, C, H, W), not {tuple(samples.shape)}")
    return images_to_uint8(samples)


def make_grid(images: Images, columns: int = 0, scale: int = 0, gap: int = 2, background: int = 255) -> Image.Image:
    """Lay images out as a contact sheet, row by row.

    Args:
        images: uint8 (N, H, W, C).
        columns: images a row; 0 makes the sheet about square.
        scale: whole factor of enlargement, nearest neighbour; 0 enlarges images under 64 pixels.
        gap: pixels between images; there is no outer margin.
        background: level 0..255 of gaps and of empty places; transparent where images have alpha.

    Returns:
        A sheet of mode L, LA, RGB or RGBA, after C.
    """
    count, height, width, channels = _check_images(images).shape
    if columns < 0 or scale < 0 or gap < 0:
        raise BadInput(f"columns ({columns}), scale ({scale}) and gap ({gap}) of a sheet must be 0 or more")
    columns = min(columns or math.ceil(math.sqrt(count * height / width)), count)
    rows = math.ceil(count / columns)
    scale = scale or _display_scale(height, width, rows, columns)
    tall, wide = height * scale + gap, width * scale + gap
    sheet = np.full((rows * tall, columns * wide, channels), background, np.uint8)
    if channels in (2, 4):
        sheet[..., -1] = 0
    for place, image in enumerate(images):
        top, left = place // columns * tall, place % columns * wide
        large = image.repeat(scale, axis=0).repeat(scale, axis=1)
        sheet[top : top + height * scale, left : left + width * scale] = large
    return _to_pil(sheet[: rows * tall - gap, : columns * wide - gap])


def make_strip(images: Images, scale: int = 0, gap: int = 0) -> Image.Image:
    """Lay images (N, H, W, C) side by side in one row, as for a latent walk; `scale` as in `grid`."""
    return make_grid(images, columns=len(images), scale=scale, gap=gap)


def save_image(image: Image.Image, path: Path) -> None:
    """Write a picture in the format of its suffix (PNG, JPEG, WebP, ...); the file is whole or absent."""
    if path.suffix.lower() not in Image.registered_extensions():
        raise BadInput(f"{path.name}: no picture format has the suffix {path.suffix!r}; use .png")
    write_atomically(path, image.save)


def save_gif(
    images: Images,
    path: Path,
    seconds_per_frame: float = 0.1,
    *,
    ping_pong: bool = False,
    scale: int = 1,
) -> None:
    """Write a GIF that loops for ever; the file is whole or absent.

    One palette serves all frames and dithering is ordered, so a still place in the picture stays still.
    Grey frames, and animations of at most 256 colours, are exact. Alpha is laid over white.

    Args:
        images: uint8 (N, H, W, C), one a frame.
        path: where to, usually `*.gif`.
        seconds_per_frame: at least 0.02 (browsers slow faster ones down); GIF counts in hundredths.
        ping_pong: play backwards to the first frame, instead of jumping to it.
        scale: whole factor of enlargement, nearest neighbour; 0 as in `grid`.
    """
    _, height, width, _ = _check_images(images).shape
    if not seconds_per_frame >= 0.02:
        raise BadInput(f"seconds per frame must be at least 0.02, not {seconds_per_frame}")
    scale = scale or _display_scale(height, width, 1, 1)
    frames = [_upscale_nearest(frame, scale) for frame in _to_palette_frames(_composite_on_white(images))]
    if ping_pong:
        frames += frames[-2:0:-1]
    pause = round(seconds_per_frame * 100) * 10
    still, moving = frames[0], {"save_all": True, "append_images": frames[1:], "duration": pause, "loop": 0}
    write_atomically(path, lambda part: still.save(part, format="GIF", optimize=False, **moving))


def scatter_plot(points: NDArray[np.floating], real: NDArray[np.floating], size: int = 512) -> Image.Image:
    """Draw generated points over real ones, for data in the plane.

    The axes follow from the real points alone, so pictures of one run can be compared and played as a film.
    Generated points beyond them lie on the frame, and are counted; those that are no numbers are left out.

    Args:
        points: (N, 2) generated.
        real: (M, 2) real, M >= 1.
        size: pixels of the square picture.

    Returns:
        RGB, size x size.
    """
    if points.ndim != 2 or real.ndim != 2 or points.shape[1] != 2 or real.shape[1] != 2 or len(real) == 0:
        raise BadInput(f"a scatter plot needs points (N, 2) and real (M, 2), not {points.shape} and {real.shape}")
    low, high = real.min(axis=0).astype(float), real.max(axis=0).astype(float)
    middle, half = (low + high) / 2, max(float((high - low).max()) / 2, 1e-6) * 1.2
    fakes = (points[np.isfinite(points).all(axis=1)] - middle) / half
    outside = int((np.abs(fakes) > 1).any(axis=1).sum())
    canvas = np.full((size, size, 3), 255.0)
    for places, color, ink in (((real - middle) / half, REAL_COLOR, 0.6), (fakes, FAKE_COLOR, 0.55)):
        cover = 1 - (1 - ink) ** _splat(places, size)
        canvas += cover[..., None] * (np.array(color) - canvas)
    plot = Image.fromarray(np.rint(canvas).astype(np.uint8))
    _annotate(plot, middle, half, outside)
    return plot


def _check_images(images: Images) -> Images:
    """The same (N, H, W, C), if it is images at all."""
    if images.ndim != 4 or images.dtype != np.uint8 or not 1 <= images.shape[3] <= 4:
        raise BadInput(
            f"images must be uint8 (N, H, W, C) with C from 1 to 4, not {images.dtype} {images.shape};"
            " see to_uint8 for a network's output"
        )
    if 0 in images.shape:
        raise BadInput(f"there are no images to draw: the array is shaped {images.shape}")
    return images


def _display_scale(height: int, width: int, rows: int, columns: int) -> int:
    """The smallest whole factor that makes an image readable and the sheet not too large."""
    room = min(MAX_GRID_SIDE_PIXELS // (rows * height), MAX_GRID_SIDE_PIXELS // (columns * width))
    return max(1, min(math.ceil(MIN_IMAGE_SIDE_PIXELS / max(height, width)), room))


def _to_pil(image: Images) -> Image.Image:
    """A picture of one image (H, W, C)."""
    return Image.fromarray(image[..., 0] if image.shape[2] == 1 else image)


def _upscale_nearest(frame: Image.Image, scale: int) -> Image.Image:
    return frame.resize((frame.width * scale, frame.height * scale), Image.Resampling.NEAREST)


def _composite_on_white(images: Images) -> Images:
    """Alpha laid over white: (N, H, W, 1 or 3)."""
    if images.shape[3] in (1, 3):
        return images
    alpha = images[..., -1:].astype(np.float32) / 255
    over: Images = np.rint(255 + alpha * (images[..., :-1].astype(np.float32) - 255)).astype(np.uint8)
    return over


def _to_palette_frames(images: Images) -> list[Image.Image]:
    """Frames (N, H, W, 1 or 3) as pictures of mode L, or P with one palette for all."""
    if images.shape[3] == 1:
        return [_to_pil(image) for image in images]
    codes = images.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    sample = codes.reshape(-1)[:: max(1, codes.size // PALETTE_SAMPLE_PIXELS)]
    if len(np.unique(sample)) <= 256 and len(colors := np.unique(codes)) <= 256:
        return _exact_palette_frames(np.searchsorted(colors, codes).astype(np.uint8), colors)
    pixels = images.reshape(-1, 3)[:: max(1, codes.size // PALETTE_SAMPLE_PIXELS)]
    chosen = Image.fromarray(pixels[None])
    palette = chosen.quantize(256, Image.Quantize.MEDIANCUT, kmeans=1)
    error = np.abs(np.asarray(palette.convert("RGB"), np.int16) - np.asarray(chosen, np.int16)).mean()
    nudge = _ordered_dither(images.shape[1], images.shape[2], float(error))
    nudged = (np.clip(image.astype(np.int16) + nudge, 0, 255).astype(np.uint8) for image in images)
    return [Image.fromarray(image).quantize(palette=palette, dither=Image.Dither.NONE) for image in nudged]


def _exact_palette_frames(indices: NDArray[np.uint8], colors: NDArray[np.uint32]) -> list[Image.Image]:
    """Frames of mode P from indices (N, H, W) into at most 256 colours, red << 16 | green << 8 | blue."""
    levels = (colors[:, None] >> np.array([16, 8, 0], np.uint32)).astype(np.uint8)
    frames = [Image.fromarray(frame) for frame in indices]
    for frame in frames:
        frame.putpalette(levels.tobytes())
    return frames


def _ordered_dither(height: int, width: int, amplitude: float) -> NDArray[np.int16]:
    """(H, W, 1) in -reach..reach: Bayer's 8 x 8 matrix, which depends on the place alone."""
    bayer = np.zeros((1, 1))
    for _ in range(3):
        bayer = np.block([[4 * bayer, 4 * bayer + 2], [4 * bayer + 3, 4 * bayer + 1]])
    tiled = np.tile(bayer, (height // 8 + 1, width // 8 + 1))[:height, :width, None]
    nudge: NDArray[np.int16] = np.rint((tiled / 31.5 - 1) * amplitude).astype(np.int16)
    return nudge


def _splat(points: NDArray[np.floating], size: int, supersampling: int = 3) -> NDArray[np.float64]:
    """How many dots cover each pixel, (size, size), of places (N, 2) in [-1, 1]; drawn finer, averaged."""
    side, radius = size * supersampling, max(2, round(size * supersampling / 190))
    inner = side - 2 * radius - 1
    across = np.rint((np.clip(points[:, 0], -1, 1) + 1) / 2 * inner).astype(int) + radius
    down = np.rint((1 - np.clip(points[:, 1], -1, 1)) / 2 * inner).astype(int) + radius
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = (y * side + x)[x * x + y * y <= radius * radius]
    counts = np.bincount(((down * side + across)[:, None] + disc).reshape(-1), minlength=side * side)
    cover: NDArray[np.float64] = counts.reshape(size, supersampling, size, supersampling).mean(axis=(1, 3))
    return cover


def _annotate(plot: Image.Image, center: Sequence[float], half_range: float, outside_count: int) -> None:
    """Frame, legend and the range of the axes, in place."""
    size = plot.width
    draw, font = ImageDraw.Draw(plot), ImageFont.load_default(max(9, size // 40))
    ink, edge = (90, 94, 100), size // 60
    draw.rectangle((0, 0, size - 1, size - 1), outline=(208, 211, 215))
    x, y = float(center[0]), float(center[1])
    ranges = f"x {x - half_range:.3g} to {x + half_range:.3g}, y {y - half_range:.3g} to {y + half_range:.3g}"
    generated = f"generated, {outside_count} beyond" if outside_count else "generated"
    draw.text((edge, edge), "real", fill=(140, 144, 150), font=font)
    draw.text((edge + draw.textlength("real   ", font), edge), generated, fill=FAKE_COLOR, font=font)
    draw.text((edge, size - edge), ranges, fill=ink, font=font, anchor="ls")
