"""Images as media: grids, and a file for each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from zerosum.data.codec import Codec, Items
from zerosum.data.images.codec import ImageCodec
from zerosum.data.images.size import parse_size
from zerosum.data.images.summary import describe_channels
from zerosum.media import images_script
from zerosum.media.image_files import describe_format, image_file_name, save_each
from zerosum.media.kind import MediaKind
from zerosum.media.raster import Images, as_images, make_grid
from zerosum.media.script import ScriptPart
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
    """Images (N, H, W, C) of any type, drawn as grids of previews, and written to a file each with all values."""

    has_frames: ClassVar[bool] = True
    is_image: ClassVar[bool] = True

    def draw(self, items: Items, real: Items | None = None, columns: int = 0) -> Image:
        """Draw a grid of images."""
        return make_grid(as_images(items), columns=columns)

    def write(self, items: Items, codec: Codec, folder: Path, first: int = 0) -> None:
        """Write 00000.png, 00001.png, ...; see `image_suffix` for images that PNG cannot hold."""
        save_each(items, folder, first)

    def file_name(self, codec: Codec, number: int) -> str:
        """Return the name of the file of image `number`; each has its own."""
        return image_file_name(number, codec.dtype, codec.shape[0]) if isinstance(codec, ImageCodec) else ""

    def describe_files(self, codec: Codec) -> str:
        """Return the format of the files; "" for PNG of 8 bits."""
        if not isinstance(codec, ImageCodec):
            return ""
        description = describe_format(codec.dtype, codec.shape[0])
        return "" if description == "PNG" else description

    def sample_script(self, codec: Codec) -> ScriptPart:
        """Return how scripts write samples: as `write` does."""
        assert isinstance(codec, ImageCodec), "images have a codec of images"
        return images_script.sample_script(codec)

    def frames(self, items: Items) -> Images:
        """Return the images themselves."""
        return as_images(items)

    def describe(self, record: Mapping[str, Json]) -> str:
        """Return the size and the channels of the images."""
        size, channels = record.get("size"), record.get("channels")
        label = (
            f", {describe_channels(channels, str(record.get('dtype', 'uint8')))}"
            if isinstance(channels, int) and channels
            else ""
        )
        return f"They are {str(parse_size(size)).replace('x', ' × ')} pixels{label}." if size else ""

    def facts(self, record: Mapping[str, Json]) -> list[tuple[str, object]]:
        """Return the sizes, modes and formats of the files."""
        return [(label, record.get(key, "")) for label, key in FACTS.items()]


IMAGE_MEDIA = ImageMedia()
