"""Rows as media: distributions of their columns, and files of rows in the notation of the data."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from zerosum.data.codec import Codec, Items
from zerosum.data.tables.codec import TableCodec
from zerosum.data.text import pluralize, printable
from zerosum.media.kind import MediaKind
from zerosum.media.script import ScriptPart
from zerosum.media.tables_csv import format_names, format_rows
from zerosum.media.tables_fill import IncompleteTable
from zerosum.media.tables_preview import draw_rows
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from PIL.Image import Image

SAMPLES_FILE = "samples.csv"
HOLDS_VALUES = (
    "These files hold values that occur in the data: all categories, the combinations that `data.combinations` names, "
    "how often they occur, and quantiles of numbers and dates. Neither this nor a good score is a guarantee of "
    "privacy: a single row can be given away although all scores are good."
)
_NAMED_COLUMNS, _LISTED_COLUMNS = 8, 60
_BYTE_ORDER_MARKS = {"utf-8-sig": codecs.BOM_UTF8, "utf-16": codecs.BOM_UTF16_LE}
_PLAIN_ENCODINGS = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}
"""What follows the mark: a file is written piece by piece, and has one mark."""


class TableMedia(MediaKind):
    """Rows, drawn as distributions of their columns, and written as samples.csv in the notation of the data."""

    preview_count: ClassVar[int] = 2_000
    batch_size: ClassVar[int] = 2_048
    fills_files: ClassVar[bool] = True
    caution: ClassVar[str] = HOLDS_VALUES

    def draw(self, items: Items, real: Items | None = None, columns: int = 0) -> Image:
        """Draw the distributions of columns over real ones, and the first rows."""
        return draw_rows(items, real)

    def write(self, items: Items, codec: Codec, folder: Path, first: int = 0) -> None:
        """Append to samples.csv, which has the names, separator and encoding of the data."""
        assert isinstance(codec, TableCodec), "rows have no other codec"
        path, dialect = folder / SAMPLES_FILE, codec.layout.dialect
        texts, is_new = codec.texts(items, first), not path.exists()
        content = format_rows(zip(*(texts[name].tolist() for name in texts.columns), strict=True), dialect.separator)
        if is_new:
            content = format_names(list(texts.columns), dialect.separator) + content
        mark = _BYTE_ORDER_MARKS.get(dialect.encoding, b"") if is_new else b""
        encoded = content.encode(_PLAIN_ENCODINGS.get(dialect.encoding, dialect.encoding))
        with path.open("ab") as file:
            file.write(mark + encoded)

    def sample_script(self, codec: Codec) -> ScriptPart:
        """Return how scripts write samples.csv."""
        from zerosum.media.tables_script import sample_script

        assert isinstance(codec, TableCodec), "rows have no other codec"
        return sample_script(codec, self.caution)

    def open_incomplete(self, codec: Codec, path: Path) -> IncompleteTable:
        """Return a text file of rows, some of whose cells are missing.

        Raises:
            BadInput: it cannot be used, or lacks a column.
        """
        assert isinstance(codec, TableCodec), "rows have no other codec"
        return IncompleteTable.open(path, codec)

    def describe(self, record: Mapping[str, Json]) -> str:
        """Return the names of the columns."""
        names = list(_as_mapping(record.get("columns")))
        if not names:
            return ""
        shown = printable(", ".join(names[:_NAMED_COLUMNS]))
        more = f" and {len(names) - _NAMED_COLUMNS:,} more" if len(names) > _NAMED_COLUMNS else ""
        return f"They have {pluralize(len(names), 'column')}: {shown}{more}."

    def parts(self, record: Mapping[str, Json]) -> tuple[str, list[tuple[str, str]]]:
        """Return what each column holds."""
        return "Columns", [(name, str(reason)) for name, reason in _as_mapping(record.get("columns")).items()]

    def facts(self, record: Mapping[str, Json]) -> list[tuple[str, object]]:
        """Return what the columns hold, how many cells are missing, and how many rows are equal."""
        columns = [printable(f"{name}: {reason}") for name, reason in _as_mapping(record.get("columns")).items()]
        more = [f"and {len(columns) - _LISTED_COLUMNS:,} more"] if len(columns) > _LISTED_COLUMNS else []
        return [
            ("columns", "; ".join(columns[:_LISTED_COLUMNS] + more)),
            ("missing cells", record.get("missing", "")),
            ("rows that equal an earlier one", record.get("copies") or ""),
            ("column to predict", record.get("target", "")),
        ]


TABLE_MEDIA = TableMedia()


def _as_mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}
