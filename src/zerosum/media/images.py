"""Images as media: grids, and a PNG for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from zerosum.data.codec import Items
from zerosum.data.images.size import parse_size
from zerosum.data.images.summary import CHANNEL_NAMES
from zerosum.media.kind import MediaKind
from zerosum.media.raster import Images, as_images, make_grid, save_image
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from PIL.Image import Image

FACTS = {
    "sizes": "sizes",
    "pixel modes": "pixel_modes",
    "formats": "formats",
    "duplicates": "duplicates",
    "other files": "other_files",
}
"""Labels of the report with the keys of `data.json`."""


class ImageMedia(MediaKind):
    """Images uint8 (N, H, W, C), drawn as grids and written as PNG files."""

    has_frames: ClassVar[bool] = True

    def draw(self, items: Items, real: Items | None = None, columns: int = 0) -> Image:
        """Draw a grid of images."""
        return make_grid(as_images(items), columns=columns)

    def write(self, items: Items, folder: Path) -> None:
        """Write 00000.png, 00001.png, ... and grid.png."""
        images = as_images(items)
        for index, image in enumerate(images):
            save_image(make_grid(image[None], columns=1, scale=1, gap=0), folder / f"{index:05d}.png")
        save_image(make_grid(images), folder / "grid.png")

    def frames(self, items: Items) -> Images:
        """Return the images themselves."""
        return as_images(items)

    def describe(self, record: Mapping[str, Json]) -> str:
        """Return the size and the channels of the images."""
        size, channels = record.get("size"), record.get("channels")
        label = f", {CHANNEL_NAMES[channels]}" if isinstance(channels, int) and channels in CHANNEL_NAMES else ""
        return f"They are {str(parse_size(size)).replace('x', ' × ')} pixels{label}." if size else ""

    def facts(self, record: Mapping[str, Json]) -> list[tuple[str, object]]:
        """Return the sizes, modes and formats of the files."""
        return [(label, record.get(key, "")) for label, key in FACTS.items()]


IMAGE_MEDIA = ImageMedia()
