"""Read the file of a table as texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.tables.arrow_types import read_types
from zerosum.data.tables.column_types import index_to_columns, texts_of_column
from zerosum.data.tables.imports import import_pandas, missing_extra
from zerosum.data.tables.text_file import read_text_file
from zerosum.data.tables.text_table import TextColumn, TextTable, check_names, name_columns
from zerosum.data.text import printable
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from pandas import DataFrame

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
TYPED_SUFFIXES = (".parquet", ".xlsx")
SUFFIXES = (*TEXT_SUFFIXES, *TYPED_SUFFIXES)
"""Endings of the names of tables."""


def table_suffix(path: Path | str) -> str:
    """Return the ending of the name of a table in lower case; "" if it is none."""
    name = str(path).lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def read_table(path: Path) -> TextTable:
    """Read a table.

    Raises:
        BadInput: it cannot be read, rows differ in their number of cells, or two columns have one name.
    """
    if not path.is_file():
        raise BadInput(f"`data.source` {path}: there is no such file; name a table ({', '.join(SUFFIXES)})")
    suffix = table_suffix(path)
    if not suffix:
        raise BadInput(f"`data.source` {path}: is no table; name a file that ends with {', '.join(SUFFIXES)}")
    import_pandas()
    if suffix in TEXT_SUFFIXES:
        return read_text_file(path)
    try:
        frame = _read_excel(path) if suffix == ".xlsx" else _read_parquet(path)
    except ImportError as error:
        raise missing_extra() from error
    except BadInput:
        raise
    except Exception as error:  # the readers raise errors of many libraries
        raise BadInput(f"{path}: cannot be read ({_first_line(error)}); name an intact file") from error
    names = name_columns([str(name).strip() for name in frame.columns])
    check_names(str(path), names)
    parts = dict(zip(names, (frame.iloc[:, place] for place in range(len(names))), strict=True))
    if suffix == ".xlsx":
        return TextTable(str(path), {name: TextColumn.of(texts_of_column(part)) for name, part in parts.items()})
    types = dict(zip(names, read_types(path, frame), strict=True))
    columns = {name: TextColumn.of(types[name].read(part)) for name, part in parts.items()}
    return TextTable(str(path), columns, dtypes=types)


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return printable(text[0]).rstrip(".") if text else "it cannot be decoded"


def _read_parquet(path: Path) -> DataFrame:
    import pandas as pd

    return index_to_columns(pd.read_parquet(path, dtype_backend="numpy_nullable"))


def _read_excel(path: Path) -> DataFrame:
    """Return the first sheet of a workbook, without rows and columns that are empty.

    Raises:
        BadInput: it has no cells.
    """
    import openpyxl
    import pandas as pd

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    try:
        rows = [row for row in book.worksheets[0].values if any(cell is not None for cell in row)]
    finally:
        book.close()
    if not rows:
        raise BadInput(f"{path}: its first sheet is empty; name a table with a row of names and rows of values")
    size = max(max(place for place, cell in enumerate(row) if cell is not None) for row in rows) + 1
    first, *rest = ([*row, *[None] * (size - len(row))][:size] for row in rows)
    names = ["" if cell is None else str(cell) for cell in first]
    return pd.DataFrame(
        {place: pd.Series([row[place] for row in rest]) for place in range(size)}, range(len(rest))
    ).set_axis(names, axis=1)
