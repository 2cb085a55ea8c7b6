"""Nine kinds of images of 64 px for benchmarks/robustness.py, and pairs of each for translation.

Four kinds are public sets (emoji, road signs, photographs of food, gray photographs of solar cells); five are drawn
here from a seed: ink on paper, masks, pixel art on flat and on transparent backgrounds, mostly dark images, textures.
Each becomes KIND/images/CLASS/*.png and KIND/pairs/{A,B}/*.png; A is a degraded version of B, or another drawing of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

SIDE, NUM_DRAWN = 64, 1200
"""Pixels of a side, and images of a drawn kind."""
CROPS = 3
"""Crops of a photograph."""
PAPER, INK = 255, 0
TRANSPARENT_BLACK = (0, 0, 0, 0)
RandomState = np.random.Generator


@dataclass(frozen=True)
class Drawing:
    """An image with its class, and the input from which a translator shall make it."""

    label: str
    image: Image.Image
    source: Image.Image


def edges(image: Image.Image) -> Image.Image:
    """Return dark edges on white of an image, as a sketch."""
    gray = image.convert("RGBA").convert("L").filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.FIND_EDGES)
    sketch = np.where(np.asarray(gray) > 24, INK, PAPER).astype(np.uint8)
    sketch[[0, -1], :] = sketch[:, [0, -1]] = PAPER  # the filter leaves the border as it is
    return Image.fromarray(sketch)


def read_set(folder: Path) -> Iterator[Drawing]:
    """Yield the images of subfolders, or crops of the photographs of a folder, in order of their paths."""
    rng = np.random.default_rng(0)
    for path in sorted(path for path in folder.rglob("*") if path.suffix in {".png", ".jpg", ".jpeg"}):
        with Image.open(path) as opened:
            image = opened.convert("L" if opened.mode == "L" else "RGB")
        label = path.parent.name if path.parent != folder else ""
        for _ in range(CROPS if image.width != image.height else 1):
            crop = _crop(image, rng).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
            yield Drawing(label, crop, edges(crop))


def _crop(image: Image.Image, rng: RandomState) -> Image.Image:
    """Return a random square of an image, the image itself if it is square."""
    if image.width == image.height:
        return image
    side = min(image.size)
    left, top = int(rng.integers(image.width - side + 1)), int(rng.integers(image.height - side + 1))
    return image.crop((left, top, left + side, top + side))


def draw_ink(rng: RandomState, index: int) -> Drawing:
    """Draw thin strokes on paper; the source is bold, and its strokes lie elsewhere by chance."""
    scale = 4
    bold, thin = (Image.new("L", (SIDE * scale, SIDE * scale), PAPER) for _ in range(2))
    few, shift = bool(index % 2), rng.integers(-14, 15, 2)
    for _ in range(rng.integers(3, 6) if few else rng.integers(6, 11)):
        points = rng.integers(24, 232, (int(rng.integers(2, 4)), 2))
        moved = points + rng.integers(-12, 13, 2) + shift
        for canvas, line, width in ((bold, points, 16), (thin, moved, 5)):
            ImageDraw.Draw(canvas).line([tuple(point) for point in line.tolist()], INK, width, joint="curve")
    bold, thin = (drawing.resize((SIDE, SIDE), Image.Resampling.LANCZOS) for drawing in (bold, thin))
    return Drawing("few" if few else "many", thin, bold)


def draw_mask(rng: RandomState, index: int) -> Drawing:
    """Draw flat regions: two colors, or labels in four; the source is a gray image with noise in which they lie."""
    colors = [(255, 255, 255)] if index % 2 else [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    mask = Image.new("RGB", (SIDE, SIDE), (0, 0, 0))
    for number in range(int(rng.integers(2, 6))):
        center, radius = rng.integers(8, 56, 2), rng.uniform(5, 20)
        angles = np.linspace(0, 2 * np.pi, 12, endpoint=False)
        corners = center + radius * rng.uniform(0.6, 1.2, 12)[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
        ImageDraw.Draw(mask).polygon([tuple(corner) for corner in corners.tolist()], colors[number % len(colors)])
    smooth = np.asarray(mask.convert("L").filter(ImageFilter.GaussianBlur(1)), np.float64)
    noisy = 90 + 0.5 * smooth + rng.normal(0, 20, (SIDE, SIDE))
    return Drawing("binary" if index % 2 else "labels", mask, Image.fromarray(noisy.clip(0, 255).astype(np.uint8)))


def draw_pixel_art(rng: RandomState, index: int) -> Drawing:
    """Draw a sprite of 16 x 16 cells, symmetric, in 3 to 5 colors: on a flat background, or transparent around it."""
    cells = rng.random((16, 8)) < np.linspace(0.15, 0.95, 8)
    for _ in range(2):  # sprites are connected rather than noise
        padded = np.pad(cells, 1, mode="edge")
        neighbors = [padded[1 + y : 17 + y, 1 + x : 9 + x] for y in (-1, 0, 1) for x in (-1, 0, 1)]
        cells = np.sum(neighbors, 0) >= 5
    palette = rng.integers(40, 256, (int(rng.integers(3, 6)), 3))
    shades = palette[rng.integers(0, len(palette), (4, 2)).repeat(4, 0).repeat(4, 1)]
    half = np.where(cells[..., None], np.concatenate([shades, np.full((16, 8, 1), 255)], 2), TRANSPARENT_BLACK)
    if index % 2:
        background = np.array([*rng.integers(0, 256, 3), 255])
        half = np.where(cells[..., None], half, background)
    sprite = Image.fromarray(np.concatenate([half, half[:, ::-1]], 1).astype(np.uint8), "RGBA")
    large = sprite.resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return Drawing("flat" if index % 2 else "transparent", large, edges(large))


def draw_stars(rng: RandomState) -> Image.Image:
    """Draw stars and one nebula on a black sky; most pixels are nearly black."""
    sky = np.zeros((SIDE, SIDE, 3))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    for _ in range(int(rng.integers(4, 20))):
        y, x = rng.uniform(0, SIDE, 2)
        spot = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * rng.uniform(0.5, 1.4) ** 2))
        sky += spot[..., None] * rng.uniform(80, 255) * rng.uniform(0.6, 1, 3)
    return Image.fromarray(sky.clip(0, 255).astype(np.uint8))


def darken(drawing: Drawing) -> Image.Image:
    """Return a photograph exposed so that nine of ten pixels are nearly black."""
    pixels = np.asarray(drawing.image.convert("RGB"), np.float64) / 255
    level = np.quantile(pixels.mean(2), 0.9)
    return Image.fromarray((np.clip(0.1 * (pixels / max(level, 0.05)) ** 6, 0, 1) * 255).astype(np.uint8))


def draw_texture(rng: RandomState, index: int) -> Drawing:
    """Draw stripes, a weave or clouds in two colors; the source is a blurred gray version."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    kind = ("stripes", "weave", "clouds")[index % 3]
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 16)
    along = (np.cos(angle) * rows + np.sin(angle) * columns) * 2 * np.pi / period + rng.uniform(0, 6)
    across = (np.cos(angle) * columns - np.sin(angle) * rows) * 2 * np.pi / period
    if kind == "clouds":
        spectrum = np.fft.fft2(rng.normal(size=(SIDE, SIDE)))
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
        field = np.fft.ifft2(spectrum / (frequency + 0.02) ** 1.6).real
        mix = (field - field.min()) / np.ptp(field)
    else:
        mix = 0.5 + 0.5 * np.sin(along) * (np.sin(across) if kind == "weave" else 1)
    first, second = rng.integers(0, 256, (2, 3))
    pixels = mix[..., None] * first + (1 - mix[..., None]) * second + rng.normal(0, 6, (SIDE, SIDE, 3))
    image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    return Drawing(kind, image, image.convert("L").filter(ImageFilter.GaussianBlur(2)))


def _draw_all(draw: Callable[[RandomState, int], Drawing]) -> Iterator[Drawing]:
    for index in range(NUM_DRAWN):
        yield draw(np.random.default_rng(index), index)


def _draw_dark(photographs: Path) -> Iterator[Drawing]:
    """Yield dark photographs whose source is the normal exposure, and stars whose source is blurred."""
    for drawing in read_set(photographs):
        yield Drawing("photographs", darken(drawing), drawing.image)
    for index in range(NUM_DRAWN // 2):
        stars = draw_stars(np.random.default_rng(index))
        yield Drawing("stars", stars, stars.filter(ImageFilter.GaussianBlur(3)))


KINDS: dict[str, Callable[[Path], Iterator[Drawing]]] = {
    "emoji": lambda data: read_set(data / "emoji/emoji/classes/train"),
    "signs": lambda data: read_set(data / "signs/signs/train"),
    "foods": lambda data: read_set(data / "foods/foods/train"),
    "solar": lambda data: read_set(data / "solar/solar/train"),
    "ink": lambda _: _draw_all(draw_ink),
    "masks": lambda _: _draw_all(draw_mask),
    "pixel-art": lambda _: _draw_all(draw_pixel_art),
    "dark": lambda data: _draw_dark(data / "foods/foods/train"),
    "textures": lambda _: _draw_all(draw_texture),
}
"""From the name of a kind to its images; public sets are read below the folder."""


def write_kind(kind: str, data: Path, into: Path) -> Path:
    """Write a kind below `into` unless it is there, and return its folder; `data` holds the public sets."""
    folder = into / kind
    if (folder / "complete").exists():
        return folder
    for index, drawing in enumerate(KINDS[kind](data)):
        parts = {f"images/{drawing.label}": drawing.image, "pairs/B": drawing.image, "pairs/A": drawing.source}
        for part, image in parts.items():
            (folder / part).mkdir(parents=True, exist_ok=True)
            image.save(folder / part / f"{index:05d}.png")
    (folder / "complete").touch()
    return folder


def to_colors(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Map images (N, H, W, C) to RGB (N, H, W, 3), 0 to 255; transparent pixels become white."""
    colors = images[..., :3].astype(np.float64) if images.shape[3] > 2 else images[..., :1].repeat(3, 3).astype(float)
    if images.shape[3] in (2, 4):
        alpha = images[..., -1:] / 255
        colors = colors * alpha + PAPER * (1 - alpha)
    return colors
