"""DataFrames as data."""

from pathlib import Path

import pandas as pd
import pytest

from zerosum.data.kind import store_source
from zerosum.data.tables.frame_source import store_frame
from zerosum.data.tables.table_file import read_table
from zerosum.errors import BadInput


def test_a_frame_is_stored_once_by_its_content() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], 7: ["x", None, "z"]}, index=[5, 6, 7])
    path = store_source(frame)
    assert path == store_frame(frame.reset_index(drop=True)) != store_frame(frame.assign(a=4))
    stored = pd.read_parquet(path)
    assert stored["a"].tolist() == [1, 2, 3]
    assert list(stored.columns) == ["a", "7"]


def test_named_indices_are_columns() -> None:
    frame = pd.DataFrame({"customer": ["x", "y"], "year": [1, 2], "a": [3, 4]})
    for index in (["customer"], ["customer", "year"]):
        path = store_source(frame.set_index(index))
        assert read_table(path).columns["customer"].texts.tolist() == ["x", "y"]
        assert pd.read_parquet(path).columns.tolist() == ["customer", "year", "a"]
    unnamed = frame.set_index(["customer", "year"]).rename_axis([None, "year"])
    assert pd.read_parquet(store_source(unnamed)).columns.tolist() == ["year", "a"]


def test_an_index_of_a_file_is_a_column(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"customer": ["x", "y"], "a": [3, 4]}).set_index("customer").to_parquet(path)
    assert list(read_table(path).columns) == ["customer", "a"]


def test_what_is_no_frame_is_refused() -> None:
    assert store_frame("rows.csv") is None
    with pytest.raises(BadInput, match="give a path, a list of paths or a pandas DataFrame, not int"):
        store_source(3)
    with pytest.raises(BadInput, match="cannot store the DataFrame"):
        store_source(pd.DataFrame({"a": [1, "x"]}))
