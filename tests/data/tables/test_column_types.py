"""Samples have the types of the columns of a Parquet file."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from zerosum.data.kind import LoadOptions
from zerosum.data.tables.column_types import restore_type
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.dataset import TableDataset
from zerosum.data.tables.detect import detect_columns
from zerosum.data.tables.layout import TableLayout
from zerosum.data.tables.load import load_table
from zerosum.data.tables.table_file import read_table
from zerosum.errors import BadInput

COUNT = 60


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2020-03-27") + pd.to_timedelta(rng.integers(0, 900, COUNT), unit="D")
    words = pd.CategoricalDtype(["zz", "b", "a"], ordered=True)
    return pd.DataFrame({
        "id": 2**60 + np.arange(COUNT), "flag": pd.array([True, False, None] * 20, "boolean"),
        "yes": [True, False] * 30, "small": rng.integers(0, 9, COUNT).astype("int8"),
        "count": pd.array([1, 2, None] * 20, "Int64"),
        "gaps": [1.0, 2.0, np.nan] * 20, "real": rng.normal(size=COUNT).astype("float32"),
        "code": [f"0{number % 7}" for number in range(COUNT)], "digits": [str(number % 7) for number in range(COUNT)],
        "word": pd.Series(["a", "b", None] * 20, dtype=words), "NA": pd.Categorical(["NA", "DE"] * 30),
        "day": days.date, "zoned": pd.date_range("2020-03-27", periods=COUNT, freq="3h", tz="Europe/Zurich"),
        "plain": days, "span": pd.to_timedelta(rng.integers(0, 9_000, COUNT) / 4, unit="s"),
        "time": [dt.time(int(hour), 5, 0, int(hour % 2) * 500_000) for hour in rng.integers(0, 24, COUNT)],
        "price": [Decimal(int(cents)) / 100 for cents in rng.integers(0, 900, COUNT)],
        "one": [dt.date(2020, 1, 2)] * COUNT,
        "true": [True] * COUNT, "lists": [[1, 2]] * COUNT, "bytes": [b"x", b"y"] * 30,
    })  # fmt: skip


@pytest.fixture(scope="module")
def table(frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> TableDataset:
    path = tmp_path_factory.mktemp("typed") / "table.parquet"
    frame.to_parquet(path)
    return load_table(TableDataConfig(source=str(path)), LoadOptions())


def test_rows_are_published_with_the_types_of_the_data(frame: pd.DataFrame, table: TableDataset) -> None:
    layout = TableLayout.restore(table.table_codec.layout.settings())
    rows = np.asarray(table.items(np.arange(COUNT)), np.float64)
    found = layout.publish(rows, 0)
    wanted = frame.drop(columns=["lists", "bytes"])
    assert list(found.columns) == list(wanted.columns)
    assert found["id"].tolist() == [2**60 + COUNT + number for number in range(COUNT)]
    stored = pd.read_parquet(table.summary.source)[list(found.columns)]
    assert found.dtypes.to_dict() == {**stored.dtypes.to_dict(), "yes": found["yes"].dtype}
    assert found["word"].cat.ordered
    assert list(found["word"].cat.categories) == ["zz", "b", "a"]
    for name in found.columns.drop("id"):
        if name != "real":
            assert found[name].dropna().tolist() == wanted[name].dropna().tolist(), name
        assert found[name].isna().tolist() == wanted[name].isna().tolist(), name


def test_columns_of_lists_and_bytes_are_left_out_with_a_note(table: TableDataset) -> None:
    notes = "\n".join(table.summary.notes)
    assert "column lists: cells of the type list<element: int64>, left out" in notes
    assert "column bytes: cells of the type binary, left out" in notes
    with pytest.raises(BadInput, match=r"`data.column.lists` category: cells of the type list"):
        load_table(
            TableDataConfig.model_validate({"source": table.summary.source, "column": {"lists": "category"}}),
            LoadOptions(),
        )


def test_where_cells_may_be_missing_integers_are_nullable(table: TableDataset) -> None:
    layout = table.table_codec.layout
    rows = np.asarray(table.items(np.arange(3)), np.float64)
    assert str(layout.publish(rows, 0)["small"].dtype) == "int8"
    assert str(layout.publish(rows, 0, ["small"])["small"].dtype) == "Int8"


def test_types_of_arrow_are_those_of_numpy(tmp_path: Path) -> None:
    frame = pd.DataFrame({
        "count": pd.array([1, 2, None], "int64[pyarrow]"), "word": pd.array(["a", "b", None], "string[pyarrow]"),
        "zoned": pd.date_range("2020-03-27", periods=3, tz="Europe/Zurich").astype("datetime64[us, Europe/Zurich]"),
        "flag": pd.array([True, None, False], "bool[pyarrow]"),
    })  # fmt: skip
    frame["moment"] = frame["zoned"].convert_dtypes(dtype_backend="pyarrow")
    frame.to_parquet(tmp_path / "arrow.parquet")
    read = read_table(tmp_path / "arrow.parquet")
    layout = TableLayout(detect_columns(read, {}), read.dialect, read.dtypes)
    found = layout.publish(layout.parse(read.columns), 0)
    assert [str(found[name].dtype) for name in ("count", "zoned", "flag", "moment")] == [
        "Int64", "datetime64[us, Europe/Zurich]", "boolean", "datetime64[us, Europe/Zurich]",
    ]  # fmt: skip
    assert found["moment"].tolist() == frame["zoned"].tolist()
    assert found["word"].tolist()[:2] == ["a", "b"]
    assert found["word"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("saved", "texts", "expected"),
    [
        ("int64", ["1", "2"], [1, 2]), ("int64", ["key-1", "key-2"], ["key-1", "key-2"]),
        ("object", ["a", "b"], ["a", "b"]), ("category", ["a", "b"], ["a", "b"]),
        ("bool", ["True", "False"], [True, False]), ("timedelta64[ns]", ["0 days 00:00:01"], ["0 days 00:00:01"]),
        ("datetime64[ns, UTC]", ["2020-01-01"], [pd.Timestamp("2020-01-01", tz="UTC")]),
    ],
)  # fmt: skip
def test_types_of_earlier_runs_are_restored(saved: str, texts: list[str], expected: list[object]) -> None:
    column = pd.Series(texts, dtype=object)
    assert restore_type(saved).restore(column, lambda: column, False).tolist() == expected
