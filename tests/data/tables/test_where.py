"""Filters of rows that users write."""

import numpy as np
import pytest

from zerosum.data.tables.dataset import TableDataset
from zerosum.errors import BadInput


def cells(customers: TableDataset) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    rows = np.asarray(customers.items(np.arange(len(customers.labels))), np.float64)
    return rows, {column.name: rows[:, index] for index, column in enumerate(customers.table_codec.columns)}


def test_rows_that_pass(customers: TableDataset) -> None:
    rows, own = cells(customers)
    cities = customers.table_codec.columns[0].values
    linz, day = own["city"] == cities.index("Linz, Nord"), np.datetime64("2021-01-15", "s").astype(np.int64)
    for text, expected in (
        ("net<50", own["net"] < 50),
        ("net <= 50,5 and age>=40", (own["net"] <= 50.5) & (own["age"] >= 40)),
        ("city='Linz, Nord'", linz),
        ('"city" == "Linz, Nord" AND net > 20', linz & (own["net"] > 20)),
        ("city!=Wien", own["city"] != cities.index("Wien")),
        ("start>15.01.2021", own["start"] > day),
        ("age=", np.isnan(own["age"])),
        ("age!=NA and net<90", ~np.isnan(own["age"]) & (own["net"] < 90)),
        ("age!=30", (own["age"] != 30) & ~np.isnan(own["age"])),
        ("member=no", own["member"] == 0),
    ):
        passed = customers.table_codec.parse_filter(text)(rows)
        assert (passed == expected).all(), text
        assert 0 < passed.sum() < len(rows), text


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("price<3", "`where` price: there is no such column; choose one of city"),
        ("id=A-0001", "`where` id: holds keys or text"),
        ("city<Wien", "city holds no numbers or dates, so its values have no order"),
        ("city=Paris", "no such value; choose one of"),
        ("net<fifty", "`where` net='fifty': give a number"),
        ("net<", "give a number"),
        ("start<2021-01-01", "give a date"),
        ("net<50 or net>90", "is no comparison; write comparisons such as"),
        ("net<50 and", "give a number"),
        ("net<50 and ", "'' is no comparison"),
        ("", "'' is no comparison"),
        ("net", "'net' is no comparison"),
        ("city='Wien", "a quote is not closed"),
        ("__import__('os').getcwd()=1", "is no comparison"),
    ],
)
def test_what_is_no_filter_is_refused(customers: TableDataset, text: str, match: str) -> None:
    with pytest.raises(BadInput, match=match) as raised:
        customers.table_codec.parse_filter(text)
    assert "\n" not in str(raised.value)
