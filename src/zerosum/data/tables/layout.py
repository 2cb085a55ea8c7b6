"""The user's table: its columns in their order, of which some are encoded, some are keys, and some are left out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data.tables.column_types import ColumnType, restore_type
from zerosum.data.tables.date_format import DateFormat
from zerosum.data.tables.detect import DetectedColumn
from zerosum.data.tables.formats import BooleanFormat, CategoryFormat, ColumnFormat
from zerosum.data.tables.imports import import_pandas
from zerosum.data.tables.keys import KeyFormat
from zerosum.data.tables.number_format import IntegerFormat, NumberFormat
from zerosum.data.tables.text_table import Dialect, TextColumn
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from pandas import DataFrame, Series


FORMATS: Mapping[str, type[ColumnFormat]] = {
    known.kind: known for known in (NumberFormat, IntegerFormat, DateFormat, CategoryFormat, BooleanFormat)
}
"""The formats by the kind of column."""


@dataclass(frozen=True)
class TableColumn:
    """An encoded column of the user's table."""

    name: str
    format: ColumnFormat

    @property
    def kind(self) -> str:
        """What it holds: number, integer, date, boolean or category."""
        return self.format.kind

    @property
    def is_numeric(self) -> bool:
        """Whether its cells are in an order that means something: numbers and dates."""
        return self.kind in ("number", "integer", "date")

    @property
    def values(self) -> tuple[str, ...]:
        """The texts of its categories; () if its cells are numbers or dates."""
        values = self.format.settings().get("values", [])
        return tuple(map(str, values)) if isinstance(values, Sequence) and not isinstance(values, str) else ()


@dataclass(frozen=True, eq=False)
class TableLayout:
    """The columns of a table and its notation."""

    all_columns: tuple[DetectedColumn, ...]
    """All columns of the user's table."""
    dialect: Dialect
    dtypes: Mapping[str, ColumnType] = field(default_factory=dict)
    """The types of the columns, where the data keep them; others are as pandas reads them from a text."""

    @cached_property
    def columns(self) -> tuple[TableColumn, ...]:
        """The columns that are encoded."""
        return tuple(
            TableColumn(column.name, column.format)
            for column in self.all_columns
            if isinstance(column.format, ColumnFormat)
        )

    def parse(self, columns: Mapping[str, TextColumn]) -> NDArray[np.float64]:
        """Return the cells (N, C) of the encoded columns of a table of texts, which has them all."""
        pairs = ((column, columns[column.name]) for column in self.columns)
        return np.stack([column.format.parse(own.values)[own.codes] for column, own in pairs], 1)

    def keep_values(self, cells: NDArray[np.float64], rows: NDArray[np.int64]) -> tuple[Self, NDArray[np.float64]]:
        """Return the layout that knows no other texts than those of some rows.

        Args:
            cells: (N, C) all rows.
            rows: the indices of the rows whose texts are kept.

        Returns:
            The layout, and all rows in it, NaN where a cell has none of its texts.
        """
        kept, formats = cells.copy(), dict[str, ColumnFormat]()
        for index, column in enumerate(self.columns):
            if isinstance(column.format, CategoryFormat):
                formats[column.name], places = column.format.keep_values(cells[rows, index])
                kept[:, index] = np.append(places, np.nan)[column.format.indices(cells[:, index])]
        columns = tuple(replace(column, format=formats.get(column.name, column.format)) for column in self.all_columns)
        return replace(self, all_columns=columns), kept

    def frame(self, cells: NDArray[np.float64], first: int) -> DataFrame:
        """Return rows (N, C) as a typed table, with new keys from row number `first` on."""
        import_pandas()
        import pandas as pd

        own = {column.name: column.format.typed(cells[:, index]) for index, column in enumerate(self.columns)}
        keys = {column.name: column.format.typed(first, len(cells)) for column in self._keys}
        return pd.DataFrame({name: (own | keys)[name] for name in self.written_names})

    def publish(self, cells: NDArray[np.float64], first: int, nullable: Collection[str] = ()) -> DataFrame:
        """Return rows (N, C) as a table with the types that the user's table has in pandas.

        Args:
            cells: the rows.
            first: the number of the first row.
            nullable: the columns in which cells may be missing, whether or not some are in these rows.
        """
        import pandas as pd

        frame = self.frame(cells, first)
        keys = {column.name for column in self._keys}
        for name in frame.columns:
            known = self.dtypes.get(name)
            if known is not None and (known.fits_keys or name not in keys):
                texts = partial(self._nullable_texts, name, cells, first)
                frame[name] = known.restore(frame[name], texts, name in nullable)
            elif frame[name].dtype == object:
                frame[name] = pd.Series(frame[name].tolist())
            elif name in nullable and frame[name].dtype in ("int64", "bool"):
                frame[name] = frame[name].convert_dtypes()
        return frame

    def _nullable_texts(self, name: str, cells: NDArray[np.float64], first: int) -> Series:
        """Return a column of rows (N, C) as texts, None where a cell is missing."""
        import pandas as pd

        own = {column.name: index for index, column in enumerate(self.columns)}
        if name in own:
            part = cells[:, own[name]]
            return pd.Series(self.columns[own[name]].format.texts(part), dtype=object).where(~np.isnan(part), None)
        key = next(column for column in self._keys if column.name == name)
        return pd.Series(key.format.texts(first, len(cells)), dtype=object)

    def texts(self, cells: NDArray[np.float64], first: int) -> DataFrame:
        """Return rows (N, C) as a table of texts, with new keys from row number `first` on."""
        import_pandas()
        import pandas as pd

        own = {column.name: column.format.texts(cells[:, index]) for index, column in enumerate(self.columns)}
        keys = {column.name: column.format.texts(first, len(cells)) for column in self._keys}
        return pd.DataFrame({name: (own | keys)[name] for name in self.written_names}, dtype=object)

    @cached_property
    def known_names(self) -> frozenset[str]:
        """The names of all columns of the user's table."""
        return frozenset(column.name for column in self.all_columns)

    @property
    def written_names(self) -> list[str]:
        """The columns that samples have, in the order of the user's table."""
        return [column.name for column in self.all_columns if column.format is not None]

    @property
    def _keys(self) -> list[_KeyColumn]:
        return [
            _KeyColumn(column.name, column.format)
            for column in self.all_columns
            if isinstance(column.format, KeyFormat)
        ]

    def settings(self) -> dict[str, Json]:
        """Return the layout as JSON."""
        columns: list[Json] = [
            {
                "name": column.name,
                "kind": column.kind,
                "reason": column.reason,
                "format": {} if column.format is None else column.format.settings(),
            }
            for column in self.all_columns
        ]
        return {
            "columns": columns, "separator": self.dialect.separator, "encoding": self.dialect.encoding,
            "dtypes": {name: known.settings() for name, known in self.dtypes.items()},
        }  # fmt: skip

    @classmethod
    def restore(cls, settings: Json) -> Self:
        """Return the layout that was saved."""
        assert isinstance(settings, Mapping), "an object was saved"
        columns = settings["columns"]
        assert isinstance(columns, Sequence), "with a list of columns"
        dialect = Dialect(str(settings["separator"]), str(settings["encoding"]))
        dtypes = settings.get("dtypes", {})
        assert isinstance(dtypes, Mapping), "an object was saved"
        return cls(
            tuple(_restore_column(column) for column in columns), dialect,
            {name: restore_type(dtypes[name]) for name in dtypes},
        )  # fmt: skip


@dataclass(frozen=True)
class _KeyColumn:
    name: str
    format: KeyFormat


def _restore_column(settings: Json) -> DetectedColumn:
    assert isinstance(settings, Mapping), "an object was saved"
    kind, values = str(settings["kind"]), settings["format"]
    assert isinstance(values, Mapping), "an object was saved"
    found: ColumnFormat | KeyFormat | None = None
    if kind == KeyFormat.kind:
        found = KeyFormat(**values)  # type: ignore[arg-type]
    elif kind != "text":
        saved = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        found = FORMATS[kind](**saved)  # type: ignore[arg-type]
    return DetectedColumn(str(settings["name"]), found, str(settings["reason"]))
