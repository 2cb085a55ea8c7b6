"""Find the types of the columns of a Parquet file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.tables.column_types import (
    BooleanType,
    CategoricalType,
    ColumnType,
    DateType,
    DecimalType,
    DurationType,
    NumberType,
    OtherType,
    TextType,
    TimestampType,
    TimeType,
    index_to_columns,
)

if TYPE_CHECKING:
    from pandas import DataFrame, Series
    from pyarrow import DataType


def read_types(path: Path, frame: DataFrame) -> list[ColumnType]:
    """Return the types of the columns of a Parquet file: those that pandas gives them, of NumPy in place of Arrow.

    Args:
        path: the file.
        frame: the table that pandas has read.
    """
    import pyarrow.parquet

    schema = pyarrow.parquet.read_schema(path)
    own = index_to_columns(schema.empty_table().to_pandas()).dtypes
    plain = schema.remove_metadata().empty_table().to_pandas().dtypes
    types = []
    for place, name in enumerate(map(str, frame.columns)):
        dtype = str(own.iloc[place])
        dtype = str(plain[name]) if dtype.endswith("[pyarrow]") else dtype
        types.append(_find_type(schema.field(name).type, dtype, frame.iloc[:, place]))
    return types


def _find_type(kind: DataType, dtype: str, column: Series) -> ColumnType:
    """Return the type of a column.

    Args:
        kind: its type in Apache Arrow.
        dtype: its type in pandas.
        column: its cells.
    """
    from pyarrow import types

    is_text = types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)
    plain: tuple[tuple[bool, ColumnType], ...] = (
        (is_text or types.is_null(kind), TextType(dtype)),
        (types.is_boolean(kind), BooleanType(dtype)),
        (types.is_integer(kind) or types.is_floating(kind), NumberType(dtype)),
        (types.is_timestamp(kind), TimestampType(dtype, "," in dtype)),
        (types.is_date(kind), DateType()),
        (types.is_time(kind), TimeType()),
        (types.is_duration(kind), DurationType(dtype)),
        (types.is_decimal(kind), DecimalType()),
    )
    if types.is_dictionary(kind) and _find_type(kind.value_type, dtype, column).kind == TextType.kind:
        return CategoricalType(tuple(map(str, column.dtype.categories)), bool(column.dtype.ordered))
    return next((known for fits, known in plain if fits), OtherType(str(kind)))
