"""DataFrames as data."""

import pandas as pd
import pytest

from zerosum.data.kind import store_source
from zerosum.data.tables.frame_source import store_frame
from zerosum.errors import BadInput


def test_a_frame_is_stored_once_by_its_content() -> None:
    frame = pd.DataFrame({"a": [1, 2, 3], 7: ["x", None, "z"]}, index=[5, 6, 7])
    path = store_source(frame)
    assert path == store_frame(frame.reset_index(drop=True)) != store_frame(frame.assign(a=4))
    stored = pd.read_parquet(path)
    assert stored["a"].tolist() == [1, 2, 3]
    assert list(stored.columns) == ["a", "7"]


def test_what_is_no_frame_is_refused() -> None:
    assert store_frame("rows.csv") is None
    with pytest.raises(BadInput, match="give a path, a list of paths or a pandas DataFrame, not int"):
        store_source(3)
    with pytest.raises(BadInput, match="cannot store the DataFrame"):
        store_source(pd.DataFrame({"a": [1, "x"]}))
