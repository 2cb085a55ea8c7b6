"""The types of the columns of Parquet files and DataFrames: samples have those of the data.

A typed column is read as texts, as all tables are. What is written has the type of its format: numbers, dates or texts.
A column type makes of it a column as pandas reads it from the user's table.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from zerosum.run_folder import Json

if TYPE_CHECKING:
    from pandas import DataFrame, Series

GetTexts = Callable[[], "Series"]
"""Returns a column as texts, None where a cell is missing."""


@dataclass(frozen=True)
class ColumnType(ABC):
    """The type of a column in the user's table."""

    kind: ClassVar[str]
    is_category: ClassVar[bool] = False
    """Whether its values are categories, whatever they look like."""
    fits_keys: ClassVar[bool] = False
    """Whether new keys can have this type."""

    @property
    def left_out(self) -> str:
        """Why such a column is not generated; "" if it is."""
        return ""

    def read(self, column: Series) -> Sequence[str]:
        """Return typed cells (N,) as texts, "" where one is missing."""
        return texts_of_column(column)

    @abstractmethod
    def restore(self, typed: Series, texts: GetTexts, is_nullable: bool) -> Series:
        """Return generated cells (N,) as a column of this type.

        Args:
            typed: the cells, with the type of their format.
            texts: returns them as texts.
            is_nullable: whether cells may be missing, though none of these is.
        """

    def settings(self) -> dict[str, Json]:
        """Return the type as JSON."""
        return {"kind": self.kind, **{name: list(value) if isinstance(value, tuple) else value
                                      for name, value in vars(self).items()}}  # fmt: skip


@dataclass(frozen=True)
class NumberType(ColumnType):
    """Numbers. Where cells are missing, integers have the nullable type of the same size, such as Int64."""

    kind: ClassVar[str] = "number"
    fits_keys: ClassVar[bool] = True
    dtype: str = "float64"

    def restore(self, typed: Series, texts: GetTexts, is_nullable: bool) -> Series:
        """Return numbers; texts where some are none, such as keys."""
        import pandas as pd

        if not pd.api.types.is_numeric_dtype(typed):
            own = texts()
            typed = pd.to_numeric(own, errors="coerce", dtype_backend="numpy_nullable")
            if (typed.isna() & own.notna()).any():
                return own
        is_whole = self.dtype.startswith(("int", "uint"))
        nullable = self.dtype.replace("i", "I", 1).replace("u", "U", 1)
        return typed.astype(nullable if is_whole and (is_nullable or typed.isna().any()) else self.dtype)


@dataclass(frozen=True)
class BooleanType(ColumnType):
    """Truth values."""

    kind: ClassVar[str] = "boolean"
    dtype: str = "bool"

    def restore(self, typed: Series, texts: GetTexts, is_nullable: bool) -> Series:
        """Return truth values, of the type boolean where cells may be missing."""
        values = texts().map({"True": True, "False": False}).astype("boolean")
        return values if is_nullable or values.isna().any() else values.astype(self.dtype)


@dataclass(frozen=True)
class TextType(ColumnType):
    """Texts."""

    kind: ClassVar[str] = "text"
    fits_keys: ClassVar[bool] = True
    dtype: str = "object"

    def restore(self, typed: Series, texts: GetTexts, is_nullable: bool) -> Series:
        """Return texts, also of numbers and dates."""
        return texts().astype(self.dtype)


@dataclass(frozen=True)
class CategoricalType(ColumnType):
    """One of some texts, which may be in an order."""

    kind: ClassVar[str] = "categorical"
    is_category: ClassVar[bool] = True
    categories: tuple[str, ...] = ()
    """All categories of the type, also those that no row has."""
    is_ordered: bool = False

    def restore(self, typed: Series, texts: GetTexts, is_nullable: bool) -> Series:
        """Return a categorical column."""
        import pandas as pd

        return pd.Series(pd.Categorical(texts(), list(self.categories), self.is_ordered))


@dataclass(frozen=True)
class TimestampType(ColumnType):
    """Dates with times, of a time zone or none; in texts, they are in UTC."""

    kind: ClassVar[str] = "timestamp"
    dtype: str = "datetime64[us]"
    is_zoned: bool = False

    def restore(self, typed: Series, texts: GetTexts, is_nullable: bool) -> Series:
        """Return dates of this zone and resolution."""
        moments = _to_moments(typed, texts)
        return (moments.dt.tz_localize("UTC") if self.is_zoned else moments).astype(self.dtype)


@dataclass(frozen=True)
class DateType(ColumnType):
    """Days, as `datetime.date`."""

    kind: ClassVar[str] = "date"

    def restore(self, typed: Series, texts: GetTexts, is_nullable: bool) -> Series:
        """Return days, None where one is missing."""
        return _without_nat(_to_moments(typed, texts).dt.date)


@dataclass(frozen=True)
class TimeType(ColumnType):
    """Times of day, as `datetime.time`."""

    kind: ClassVar[str] = "time"

    def read(self, column: Series) -> Sequence[str]:
        """Return times with fractions of seconds if one has them."""
        present = column.dropna()
        spec = "microseconds" if any(time.microsecond for time in present) else "seconds"
        return ["" if gone else time.isoformat(spec) for time, gone in zip(column, column.isna(), strict=True)]

    def restore(self, typed: Series, texts: GetTexts, is_nullable: bool) -> Series:
        """Return times, None where one is missing."""
        return _without_nat(_to_moments(typed, texts).dt.time)


@dataclass(frozen=True)
class DurationType(ColumnType):
    """Durations; in texts, they are seconds."""

    kind: ClassVar[str] = "duration"
    dtype: str = "timedelta64[us]"

    def read(self, column: Series) -> Sequence[str]:
        """Return seconds."""
        return texts_of_column(column.dt.total_seconds())

    def restore(self, typed: Series, texts: GetTexts, is_nullable: bool) -> Series:
        """Return durations."""
        import pandas as pd

        seconds = typed if pd.api.types.is_numeric_dtype(typed) else pd.to_numeric(texts())
        return pd.to_timedelta(seconds.astype("float64"), unit="s").astype(self.dtype)


@dataclass(frozen=True)
class DecimalType(ColumnType):
    """Decimal numbers, as `decimal.Decimal`."""

    kind: ClassVar[str] = "decimal"

    def restore(self, typed: Series, texts: GetTexts, is_nullable: bool) -> Series:
        """Return decimal numbers, None where one is missing."""
        import pandas as pd

        return pd.Series([None if text is None else Decimal(text) for text in texts()], dtype=object)


@dataclass(frozen=True)
class OtherType(ColumnType):
    """Cells that are no single values, such as lists."""

    kind: ClassVar[str] = "other"
    name: str = ""
    """The type in Apache Arrow."""

    @property
    def left_out(self) -> str:
        """Say what the cells are."""
        return f"cells of the type {self.name}, left out, since these are neither numbers, dates nor texts"

    def read(self, column: Series) -> Sequence[str]:
        """Return empty cells."""
        return [""] * len(column)

    def restore(self, typed: Series, texts: GetTexts, is_nullable: bool) -> Series:
        """Return the column as it is: none is generated."""
        return typed


TYPES: Mapping[str, type[ColumnType]] = {
    known.kind: known for known in (
        NumberType, BooleanType, TextType, CategoricalType, TimestampType, DateType, TimeType, DurationType,
        DecimalType, OtherType,
    )
}  # fmt: skip
"""The types of columns by name."""


def restore_type(settings: Json) -> ColumnType:
    """Return the type that was saved; runs of earlier versions have saved the name of the type in pandas."""
    if isinstance(settings, str):
        is_zoned = settings.startswith("datetime64") and "," in settings
        return TimestampType(settings, is_zoned) if settings.startswith("datetime64") else _restore_name(settings)
    assert isinstance(settings, Mapping), "an object was saved"
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    return TYPES[str(values.pop("kind"))](**values)


def _restore_name(dtype: str) -> ColumnType:
    if dtype.lower().startswith(("int", "uint", "float")):
        return NumberType(dtype)
    if dtype in ("bool", "boolean"):
        return BooleanType(dtype)
    return TextType(dtype if dtype in ("str", "string", "category") else "object")


def texts_of_column(column: Series) -> Sequence[str]:
    """Return typed cells as texts, "" where one is missing."""
    import pandas as pd

    missing = column.isna().to_numpy()
    if pd.api.types.is_datetime64_any_dtype(column):
        texts = _texts_of_dates(column)
    elif pd.api.types.is_float_dtype(column):
        kind = "float32" if column.dtype.itemsize <= 4 else "float64"  # the texts of 32 bits are shorter
        numbers = column.to_numpy(kind, na_value=0.0)
        texts = [str(number).removesuffix(".0") for number in numbers]
    else:
        texts = [str(value) for value in column]
    return ["" if gone else text for text, gone in zip(texts, missing, strict=True)]


def _texts_of_dates(column: Series) -> list[str]:
    """Return dates, with times if one is not midnight, with fractions of seconds if one has them; in UTC."""
    if column.dt.tz is not None:
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    present = column.dropna()
    if (present.dt.microsecond != 0).any():
        form = "%Y-%m-%d %H:%M:%S.%f"
    else:
        form = "%Y-%m-%d" if (present.dt.normalize() == present).all() else "%Y-%m-%d %H:%M:%S"
    return [str(text) for text in column.dt.strftime(form)]


def _to_moments(typed: Series, texts: GetTexts) -> Series:
    """Return dates and times as a column of datetime64; those of a constant column, or of categories, are texts."""
    import pandas as pd

    return typed if pd.api.types.is_datetime64_any_dtype(typed) else pd.to_datetime(texts())


def _without_nat(column: Series) -> Series:
    """Return a column of objects with None in place of NaT."""
    return column.astype(object).where(column.notna(), None)


def index_to_columns(frame: DataFrame) -> DataFrame:
    """Return a table whose named indices are its first columns; others only number the rows."""
    named = [name for name in frame.index.names if name is not None]
    return frame.reset_index(named, allow_duplicates=True).reset_index(drop=True)
