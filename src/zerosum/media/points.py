"""Points as media: scatter plots and tables of coordinates."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from zerosum.data.codec import Codec, Items
from zerosum.errors import BadInput
from zerosum.media.kind import MediaKind
from zerosum.media.script import ScriptPart, load_script

REAL_COLOR, FAKE_COLOR = (176, 180, 186), (0, 114, 178)
"""RGB. Light gray, and the blue of Okabe and Ito's palette, which is safe for color blindness."""


class PointMedia(MediaKind):
    """Points (N, 2), drawn as scatter plots and written as CSV."""

    preview_count: ClassVar[int] = 2_000

    def draw(self, items: Items, real: Items | None = None, columns: int = 0) -> Image.Image:
        """Draw points (N, 2) over real ones (M, 2)."""
        points = _as_floats(items)
        return scatter_plot(points, points if real is None else _as_floats(real))

    def write(self, items: Items, codec: Codec, folder: Path, first: int = 0) -> None:
        """Append to points.csv."""
        text = BytesIO()
        np.savetxt(text, _as_floats(items), delimiter=",", fmt="%.6g")
        with (folder / "points.csv").open("ab") as file:
            file.write(text.getvalue())

    def sample_script(self, codec: Codec) -> ScriptPart:
        """Return how scripts write points.csv."""
        source = load_script(Path(__file__).with_name("scripts") / "points.py.txt")
        return ScriptPart(source, facts={"sample": codec.settings()})


POINT_MEDIA = PointMedia()


def _as_floats(items: Items) -> NDArray[np.float32]:
    return np.asarray(items, np.float32)


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
