from collections.abc import Callable

import pytest

from zerosum.data.tables.config import ColumnKind
from zerosum.data.tables.detect import DetectedColumn, detect_columns, list_names
from zerosum.data.tables.formats import CategoryFormat, as_texts
from zerosum.data.tables.text_table import TextColumn, TextTable
from zerosum.errors import BadInput


def table(texts: list[str], name: str = "column") -> TextTable:
    return TextTable("t.csv", {name: TextColumn.of(texts), "other": TextColumn.of(["x"] * len(texts))})


def detect(texts: list[str], kind: ColumnKind | None = None, name: str = "column") -> DetectedColumn:
    return detect_columns(table(texts, name), {name: kind} if kind else {})[0]


def texts_of(cell: Callable[[int], object], count: int = 60) -> list[str]:
    return [str(cell(number)) for number in range(count)]


@pytest.mark.parametrize(
    ("kind", "texts", "reason"),
    [
        ("number", texts_of(lambda i: i / 4), "number: 60 different"),
        ("number", texts_of(lambda i: i / 4 if i % 3 else "?"), "number: 40 different"),
        ("number", texts_of(lambda i: f"{i}e-{i}"), "number"),
        ("integer", texts_of(lambda i: i * i), "integer"),
        ("integer", texts_of(lambda i: i * i if i % 2 else ""), "integer: 30 different"),
        ("integer", texts_of(lambda i: 1960 + i), "integer"),
        ("key", texts_of(lambda i: i + 1), "key: row numbers"),
        ("key", texts_of(lambda i: f"u{i}@example.org"), "key: 60 of 60 differ"),
        ("key", texts_of(lambda i: 2**53 + 7 * i), "integers with too many digits"),
        ("category", texts_of(lambda i: 2**60 + i % 3), "integers with too many digits"),
        ("category", texts_of(lambda i: f"0{i % 20}100"), "the zeros at the beginning are part of it"),
        ("category", texts_of(lambda i: "ab"[i % 2]), "category: 2 different"),
        ("category", texts_of(lambda i: "AB?-"[i % 4]), "category: 4 different"),
        ("category", texts_of(lambda i: ["small", "1", "infinity"][i % 3]), "category: 3 different"),
        ("category", texts_of(lambda i: "-" if i % 2 else "+"), "category: 2 different"),
        ("category", ["x"] * 60, "one value"),
        ("category", ["", "NA"] * 30, "all cells are missing"),
        ("integer", texts_of(lambda i: f"({3 * i + 3})"), "integer: 60 different"),
        (
            "category",
            texts_of(lambda i: i % 8 if i % 9 else "foo"),
            "category: 9 different, mostly numbers, but 'foo' is none: correct such cells and set",
        ),
        ("text", texts_of(lambda i: i if i else "foo", 21), "text: 21 of 21 differ, mostly numbers, but 'foo' is none"),
        (
            "text",
            texts_of(lambda i: "" if i % 2 else f"K{i}"),
            "text: 30 of 30 differ, and 30 rows have none; left out",
        ),
        (
            "text",
            texts_of(lambda i: "abcdefgh"[i % 8] * (1 + i)),
            "and they have no numbers; left out (`data.column.column`",
        ),
        (
            "category",
            texts_of(lambda i: f"2020-01-{1 + i % 9:02d}" if i % 2 else f"{1 + i % 9}/01/2020"),
            "dates of several forms (%d/%m/%Y and %Y-%m-%d): write all in one",
        ),
        (
            "category",
            texts_of(lambda i: f"2020-01-{1 + i % 9:02d}" if i % 5 else "soon"),
            "mostly dates (%Y-%m-%d), but 'soon' is none: correct such cells and set `data.column.column` to date",
        ),
        ("category", texts_of(lambda i: ["1", "2", "A"][i % 3]), "category: 3 different"),
        ("boolean", texts_of(lambda i: ["Yes", "no", ""][i % 3]), "boolean"),
        ("boolean", texts_of(lambda i: i % 3 == 0), "boolean"),
        ("date", texts_of(lambda i: f"{1 + i % 28}.{1 + i % 12}.2020"), "date: %d.%m.%Y"),
        ("date", texts_of(lambda i: f"2020-01-{1 + i % 28:02d}" if i % 5 else "NULL"), "date: %Y-%m-%d"),
        ("date", texts_of(lambda i: f"{1 + i % 12}/1/2020"), "date: %m/%d/%Y; days and months may be the other way"),
        ("date", texts_of(lambda i: f"2020-01-{1 + i % 28:02d}" if i % 5 else "0000-00-00"), "date: %Y-%m-%d"),
        ("text", texts_of(lambda i: f"comment number {i} says little"), "text of 5 words on average, left out"),
        ("category", texts_of(lambda i: f"a class of {i % 4} or {i % 3} words"), "category: 12 different"),
    ],
)
def test_what_a_column_is_taken_for(kind: str, texts: list[str], reason: str) -> None:
    found = detect(texts)
    assert found.kind == kind
    assert reason in found.reason


def test_of_a_category_that_the_user_names_only_the_empty_cell_is_missing() -> None:
    texts = texts_of(lambda i: ["NA", "DE", "", "null"][i % 4])
    found, guessed = detect(texts, "category").format, detect(texts).format
    assert isinstance(found, CategoryFormat)
    assert isinstance(guessed, CategoryFormat)
    assert found.values == ("DE", "NA", "null")
    assert guessed.values == ("DE",)
    assert found.find_missing(as_texts(["NA", "", "null"])).tolist() == [False, True, False]
    assert found.texts(found.parse(as_texts(["NA", "", "DE"]))).tolist() == ["NA", "", "DE"]
    saved = found.settings()
    assert CategoryFormat(**{**saved, "values": found.values}) == found  # type: ignore[arg-type]


def test_integers_that_all_differ_are_keys_by_their_name() -> None:
    texts = texts_of(lambda i: 1000 + 3 * i)
    kinds = {name: detect(texts, name=name).kind for name in ("id", "PassengerId", "user_id", "order key", "paid", "x")}
    assert kinds == {
        "id": "key", "PassengerId": "key", "user_id": "key", "order key": "key", "paid": "integer", "x": "integer",
    }  # fmt: skip
    assert detect([*texts[:-1], texts[0]], name="id").kind == "integer"


@pytest.mark.parametrize(
    ("cell", "wrong", "number", "expected"),
    [
        (lambda i: i / 4, "abc", 7, "row 9: column 'column' holds numbers, but 1 cell such as 'abc' is none"),
        (
            lambda i: i / 4 if i % 10 else "a",
            "a",
            7,
            "row 2: column 'column' holds numbers, but 7 cells",
        ),
        (
            lambda i: i / 4,
            "-Infinity",
            3,
            "row 5: column 'column' holds numbers, but 1 cell such as '-Infinity' is",
        ),
        (lambda i: i / 4, "1e999", 3, "row 5: column 'column' holds numbers, but 1 cell such as '1e999' is infinite"),
        (lambda i: i % 5, "inf", 3, "row 5: column 'column' holds numbers, but 1 cell such as 'inf' is infinite"),
        (lambda i: f"{i % 3},5", "-inf", 3, "holds numbers, but 1 cell such as '-inf' is infinite"),
        (lambda i: ["inf", "-inf", ""][i % 3], "inf", 0, "holds numbers, but 40 cells such as 'inf' are infinite"),
        (
            lambda i: f"2020-01-{1 + i % 28:02d}",
            "soon",
            30,
            "holds dates (%Y-%m-%d), but 1 cell such as 'soon'",
        ),
        (lambda i: i / 4, "x" * 10**6, 3, f"such as '{'x' * 60}...' is none"),
    ],
)
def test_mixtures_are_errors(cell: Callable[[int], object], wrong: str, number: int, expected: str) -> None:
    texts = texts_of(cell)
    texts[number] = wrong
    with pytest.raises(BadInput) as error:
        detect(texts)
    assert expected in str(error.value)
    assert str(error.value).endswith("set `data.column.column` to category")
    assert detect(texts, "category").kind == "category"


@pytest.mark.parametrize(
    ("kind", "texts"),
    [
        ("number", texts_of(lambda i: i % 3)), ("integer", texts_of(lambda i: i)), ("category", texts_of(lambda i: i)),
        ("key", texts_of(lambda i: i % 9)), ("text", texts_of(lambda i: i)), ("date", ["20200131", "20211231"] * 30),
        ("boolean", ["oui", "non"] * 30), ("boolean", ["0", "1"] * 30), ("number", [""] * 60),
    ],
)  # fmt: skip
def test_what_the_user_says_counts(kind: ColumnKind, texts: list[str]) -> None:
    found = detect(texts, kind)
    assert found.kind == (kind if texts[0] else "category")
    assert found.reason.startswith(f"{kind}, as `data.column` says")


@pytest.mark.parametrize(
    ("kind", "texts", "example"),
    [
        ("number", ["1", "x"], "'x'"), ("integer", ["1", "2.5"], "'2.5'"), ("date", ["2020-01-31", "soon"], "'soon'"),
        ("boolean", ["a", "b", "c"], "'a'"), ("integer", [str(2**60), "1"], "are keys or categories"),
    ],
)  # fmt: skip
def test_what_a_column_cannot_be(kind: ColumnKind, texts: list[str], example: str) -> None:
    with pytest.raises(BadInput, match=f"^`data.column.column` {kind}: t.csv has other cells") as error:
        detect(texts * 30, kind)
    assert example in str(error.value)
    with pytest.raises(BadInput, match="nope: there is no such column; choose one of column, other"):
        detect_columns(table(["1"]), {"nope": "key"})


def test_of_many_columns_the_closest_are_listed() -> None:
    names = [f"measurement {number}" for number in range(1_000)] + ["Price"]
    assert list_names(names, "price") == "Price and 1,000 more"
    assert list_names(names, "measurment 17").startswith("measurement 17, ")
    assert list_names(names, "zzz") == ", ".join(names[:5]) + " and 996 more"
    assert list_names(names[:3], "price") == "measurement 0, measurement 1, measurement 2"
