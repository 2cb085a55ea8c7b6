"""Rows as media: marginal distributions of columns, and files of rows."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from PIL import Image

from zerosum.data.codec import Codec, Items
from zerosum.data.tables.codec import TableCodec
from zerosum.media.kind import MediaKind


class TableMedia(MediaKind):
    """Rows, written as samples.csv in the notation of the data."""

    def draw(self, items: Items, real: Items | None = None, columns: int = 0) -> Image.Image:
        """Draw rows."""
        return Image.new("RGB", (64, 64), "white")

    def write(self, items: Items, codec: Codec, folder: Path, first: int = 0) -> None:
        """Append to samples.csv."""
        assert isinstance(codec, TableCodec), "rows have no other codec"
        path, text = folder / "samples.csv", StringIO()
        dialect = codec.layout.dialect
        codec.texts(items, first).to_csv(text, index=False, header=not path.exists(), sep=dialect.separator)
        with path.open("ab") as file:
            file.write(text.getvalue().encode(dialect.encoding.removesuffix("-sig")))


TABLE_MEDIA = TableMedia()
