"""Read the file of a table as texts, in any notation that spreadsheets and databases write."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from zerosum.data.tables.imports import import_pandas
from zerosum.data.text import pluralize, printable
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from pandas import DataFrame

TEXT_SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
TYPED_SUFFIXES = (".parquet", ".xlsx")
SUFFIXES = (*TEXT_SUFFIXES, *TYPED_SUFFIXES)
"""Endings of the names of tables."""
SEPARATORS = ",;\t|"
_SNIFFED_BYTES = 1 << 16
_MAX_CELL_CHARS = 60  # characters of a cell that are shown in a message


@dataclass(frozen=True)
class Dialect:
    """How the cells of a text file are separated and encoded."""

    separator: str = ","
    encoding: str = "utf-8"


@dataclass(frozen=True)
class TextTable:
    """A table of texts."""

    name: str
    """Its name in messages."""
    frame: DataFrame = field(repr=False)
    """The cells as texts, "" where they are empty."""
    dialect: Dialect

    def error(self, message: str, row: int | None = None) -> BadInput:
        """Return an error about the table or, counted from 0, one of its rows; in messages, the first row is 2."""
        place = "" if row is None else f", row {row + 2:,}"
        return BadInput(f"{printable(self.name)}{place}: {message}")


def table_suffix(path: Path | str) -> str:
    """Return the ending of the name of a table in lower case; "" if it is none."""
    name = str(path).lower()
    return next((suffix for suffix in SUFFIXES if name.endswith(suffix)), "")


def shorten_cell(cell: str) -> str:
    """Return a cell in quotes for a message, cut if it is long."""
    text = printable(" ".join(cell[: 2 * _MAX_CELL_CHARS].split()))
    return f"'{text}'" if len(text) <= _MAX_CELL_CHARS else f"'{text[:_MAX_CELL_CHARS]}...'"


def read_table(path: Path, max_rows: int | None = None) -> TextTable:
    """Read a table.

    Args:
        path: the file.
        max_rows: read the first rows only; None: all.

    Raises:
        BadInput: it cannot be read, rows differ in their number of cells, or two columns have one name.
    """
    if not path.is_file():
        raise BadInput(f"`data.source` {path}: there is no such file; name a table ({', '.join(SUFFIXES)})")
    import_pandas()
    suffix = table_suffix(path)
    if suffix in TYPED_SUFFIXES:
        return _read_typed(path, suffix, max_rows)
    if not suffix:
        raise BadInput(f"`data.source` {path}: is no table; name a file that ends with {', '.join(SUFFIXES)}")
    return _read_texts(path, suffix, max_rows)


def _read_texts(path: Path, suffix: str, max_rows: int | None) -> TextTable:
    """Read a file of separated values.

    Raises:
        BadInput: it cannot be read.
    """
    import pandas as pd

    head = _read_head(path, suffix)
    encoding = _detect_encoding(path, head)
    header = _read_header(path, head, encoding, suffix)
    dialect = Dialect(header.separator, encoding)
    try:
        frame = pd.read_csv(
            path, sep=dialect.separator, encoding=encoding, encoding_errors="strict", dtype=str, keep_default_na=False,
            na_filter=False, names=list(header.names), header=0, nrows=max_rows, engine="c", index_col=False,
            skipinitialspace=True, on_bad_lines="error", compression="gzip" if suffix.endswith(".gz") else None,
            quoting=csv.QUOTE_MINIMAL, low_memory=False,
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError, OSError) as error:
        raise BadInput(f"{path}: not a valid table ({_first_line(error)}); each row has one cell for each name in the "
                       "first row, and every quote is closed") from error  # fmt: skip
    table = TextTable(str(path), frame.astype(object), dialect)
    _check_rows_are_whole(table)
    return table


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return printable(text[0].removeprefix("Error tokenizing data. C error: ")) if text else "it cannot be decoded"


def _check_rows_are_whole(table: TextTable) -> None:
    """Raise if a row has fewer cells than there are columns: the reader leaves the rest without a text.

    Raises:
        BadInput: there is one.
    """
    last = table.frame.iloc[:, -1].isna()
    if last.any():
        row = int(last.to_numpy().argmax())
        cells = int(table.frame.iloc[row].notna().sum())
        raise table.error(
            f"has {pluralize(cells, 'cell')}, and the first row names {len(table.frame.columns)} columns: mend the row",
            row,
        )


@dataclass(frozen=True)
class _Header:
    names: tuple[str, ...]
    separator: str


def _read_head(path: Path, suffix: str) -> bytes:
    """Return the first bytes of the text.

    Raises:
        BadInput: the file is empty or damaged.
    """
    try:
        with gzip.open(path) if suffix.endswith(".gz") else path.open("rb") as file:
            head = file.read(_SNIFFED_BYTES)
    except (OSError, EOFError) as error:
        raise BadInput(f"{path}: cannot be read ({error}); name an intact file") from error
    if not head.strip():
        raise BadInput(f"{path}: is empty; name a table with a row of names and rows of values")
    return head


def _detect_encoding(path: Path, head: bytes) -> str:
    """Return the encoding: by its mark, UTF-8, or that of Western Windows where the bytes are no UTF-8.

    Raises:
        BadInput: these are no texts.
    """
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if head.startswith(mark):
            return encoding
    if b"\0" in head:
        raise BadInput(f"{path}: holds no text; name a table of texts, or a .parquet or .xlsx file")
    opener = gzip.open if str(path).lower().endswith(".gz") else open
    try:
        with opener(path, "rt", encoding="utf-8") as file:
            while file.read(1 << 20):
                pass
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8"


def _read_header(path: Path, head: bytes, encoding: str, suffix: str) -> _Header:
    """Return the names of the columns and what separates them.

    Raises:
        BadInput: two columns have one name, there is only one, or the first row holds no names.
    """
    text = head.decode(encoding, errors="ignore").lstrip("\ufeff")
    first = next((line for line in text.splitlines() if line.strip()), "")
    counts = Counter(char for char in _outside_quotes(first) if char in SEPARATORS)
    separator = "\t" if suffix.startswith(".tsv") else max(SEPARATORS, key=lambda mark: counts[mark])
    names = tuple(name.strip() for name in next(csv.reader(io.StringIO(text), delimiter=separator,
                                                           skipinitialspace=True)))  # fmt: skip
    _check_names(str(path), names)
    return _Header(names, separator)


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def _check_names(name: str, columns: Sequence[str]) -> None:
    """Raise unless every column has a name of its own.

    Raises:
        BadInput: one has none, two have the same, or all are numbers.
    """
    if len(columns) < 2:
        raise BadInput(f"{name}: has only one column; a table needs at least two, separated by comma, semicolon or tab")
    if all(_is_number(column) for column in columns):
        raise BadInput(f"{name}: its first row holds numbers; add a first row with a name for each column")
    for index, column in enumerate(columns):
        if not column:
            # as R and pandas write the column of row names
            raise BadInput(f"{name}: column {index + 1} has no name in the first row; give it one, or remove it")
        if columns.count(column) > 1:
            raise BadInput(f"{name}: two columns have the name {shorten_cell(column)}; rename one of them")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_typed(path: Path, suffix: str, max_rows: int | None) -> TextTable:
    """Read a file that holds typed values, as texts.

    Raises:
        BadInput: it cannot be read.
    """
    import pandas as pd

    try:
        if suffix == ".parquet":
            frame = pd.read_parquet(path, dtype_backend="numpy_nullable")
        else:
            frame = pd.read_excel(path, dtype_backend="numpy_nullable", nrows=max_rows)
    except ImportError as error:
        raise BadInput(f'{path}: reading it needs the tables extra: pip install "zerosum[tables]"') from error
    except Exception as error:  # the readers raise errors of many libraries
        raise BadInput(f"{path}: cannot be read ({_first_line(error)}); name an intact file") from error
    _check_names(str(path), [str(name) for name in frame.columns])
    return TextTable(str(path), texts_of_frame(frame[:max_rows]), Dialect())


def texts_of_frame(frame: DataFrame) -> DataFrame:
    """Return a typed table as texts, "" where a value is missing."""
    import pandas as pd

    texts = {str(name): _texts_of_column(frame[name]) for name in frame.columns}
    return pd.DataFrame(texts, dtype=object)


def _texts_of_column(column: object) -> list[str]:
    import pandas as pd

    assert isinstance(column, pd.Series), "a name of a column is unique: checked before"
    missing = column.isna().to_numpy()
    if pd.api.types.is_datetime64_any_dtype(column):
        has_time = (column.dropna().dt.normalize() != column.dropna()).any()
        texts = column.dt.strftime("%Y-%m-%d %H:%M:%S" if has_time else "%Y-%m-%d").tolist()
    elif pd.api.types.is_float_dtype(column):
        numbers = column.to_numpy(float, na_value=0.0).tolist()
        texts = [repr(number).removesuffix(".0") for number in numbers]
    else:
        texts = [str(value) for value in column]
    return ["" if gone else text for text, gone in zip(texts, missing, strict=True)]
