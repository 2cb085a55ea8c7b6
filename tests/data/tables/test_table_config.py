import pytest
from pydantic import ValidationError

from zerosum.data.kind import claimed_kind
from zerosum.data.tables.config import TableDataConfig


def test_names_of_columns_may_have_dots_spaces_and_quotes() -> None:
    tree = {"a": {"b": {"c": "number"}}, "my col": "key", '"x"': "text", "kind": "category", "größe": "date"}
    data = TableDataConfig(column=tree)  # type: ignore[arg-type]
    assert data.column == {"a.b.c": "number", "my col": "key", "x": "text", "kind": "category", "größe": "date"}
    assert TableDataConfig.model_validate(data.model_dump()) == data


def test_names_that_are_read_as_numbers() -> None:
    data = TableDataConfig.model_validate({"target": 2019, "group": True, "ordered": [[2019, "b"]]})
    assert (data.target, data.group, data.ordered) == ("2019", "true", (("2019", "b"),))


def test_groups_of_columns() -> None:
    data = TableDataConfig.model_validate({"ordered": "a, b ;c,d,e", "sums": [["x,y", "z", "w"]]})
    assert data.ordered == (("a", "b"), ("c", "d", "e"))
    assert data.sums == (("x,y", "z", "w"),)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"ordered": "a"}, "`data.ordered` a: name at least 2 columns"),
        ({"sums": "a,b"}, "`data.sums` a,b: name at least 3 columns"),
        ({"combinations": "a,a"}, "`data.combinations` a: a column is in one constraint, and only once"),
        ({"combinations": "a,b", "ordered": "b,c"}, "`data.ordered` b: a column is in one constraint"),
        ({"column": "age"}, "names no column; set `data.column.NAME`"),
        ({"column": {"age": "float"}}, "Input should be 'number', 'integer', 'date'"),
        ({"given": 2}, "less than or equal to 1"),
    ],
)
def test_what_is_refused(settings: dict[str, object], expected: str) -> None:
    with pytest.raises(ValidationError) as error:
        TableDataConfig.model_validate(settings)
    assert expected in str(error.value)


def test_a_table_with_a_target_is_no_pair_of_images() -> None:
    assert claimed_kind({"source": "t.csv", "target": "price"}) == "tables"
    assert claimed_kind({"source": "images", "target": "B"}) == "image-pairs"
    assert claimed_kind({"source": "t.csv", "target": "B", "pairs": True}) == "image-pairs"
