import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from zerosum.data.tables.formats import as_texts
from zerosum.data.tables.number_format import NumberFormat, are_long_integers, detect_number_format


def detect(texts: list[str], separator: str = ",") -> NumberFormat:
    known = detect_number_format(as_texts(texts), "", separator)
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("texts", "separator", "numbers"),
    [
        (["1", "-20", "3"], ",", [1, -20, 3]),
        (["1.50", "-2.25"], ",", [1.5, -2.25]),
        (["1.5", "2", "3.25"], ",", [1.5, 2, 3.25]),
        (["3.0", "4.0"], ",", [3, 4]),
        (["1,5", "2,25"], ";", [1.5, 2.25]),
        (["1,5", "2,25"], ",", [1.5, 2.25]),
        (["1,234", "567", "1,234,567"], ",", [1234, 567, 1234567]),
        (["1,234", "5,678"], ";", [1.234, 5.678]),
        (["1,234.50", "7.25"], ",", [1234.5, 7.25]),
        (["1.234,50", "7,25"], ";", [1234.5, 7.25]),
        (["1.234.567", "12"], ";", [1234567, 12]),
        (["1 234,5", "7,0"], ";", [1234.5, 7]),
        (["1\u202f234,5", "7,0"], ";", [1234.5, 7]),
        (["1'234.50", "3.00"], ",", [1234.5, 3]),
        (["$1,200.00", "-$3.50"], ",", [1200, -3.5]),
        (["45%", "3.5%"], ",", [45, 3.5]),
        (["45 %", "3 %"], ",", [45, 3]),
        (["(12)", "7", "-3"], ",", [-12, 7, -3]),
        (["($1,200.50)", "$7.00"], ",", [-1200.5, 7]),
        (["(3,5 %)", "(12,0 %)"], ";", [-3.5, -12]),
        (["12 €", "1.003 €", "1.000.000 €"], ";", [12, 1003, 1000000]),
        (["1.00e-05", "2.50e+10"], ",", [1e-5, 2.5e10]),
        (["1.00E-05", "2.50E+10"], ",", [1e-5, 2.5e10]),
        (["1e-05", "2.5e-06"], ",", [1e-5, 2.5e-6]),
        (["0.1", "1e-05", "3.0", "0.30000000000000004"], ",", [0.1, 1e-5, 3, 0.1 + 0.2]),
        (["0.1234567890123", "2"], ",", [0.1234567890123, 2]),
        (["12345678901234.5", "1.0"], ",", [12345678901234.5, 1]),
    ],
)
def test_notations(texts: list[str], separator: str, numbers: list[float]) -> None:
    known = detect(texts, separator)
    cells = known.parse(as_texts(texts))
    assert cells.tolist() == numbers
    assert known.texts(known.round(cells)).tolist() == [text.replace("-3", "(3)") if "(12)" in texts else text
                                                       for text in texts]  # fmt: skip
    restored = type(known)(**known.settings())  # type: ignore[arg-type]
    assert restored == known


@pytest.mark.parametrize(
    "texts",
    [["1", "x"], ["1_000", "2"], ["nan1", "2"], ["1,2,3", "4"], ["12,34,567", "1"], ["inf", "1"], ["1e999", "1"],
     ["١٢", "2"], ["0x10", "2"], ["$5", "6"], ["1 2", "3"], ["--1", "2"], ["1-2", "3"], [".", "1"], ["e5", "1"],
     ["(x)", "1"], ["(1", "2"], ["(-1)", "2"], ["(1)(2)", "3"]],
)  # fmt: skip
def test_texts_that_are_no_numbers(texts: list[str]) -> None:
    assert detect_number_format(as_texts(texts)) is None
    assert math.isnan(NumberFormat(has_parentheses=True).parse(as_texts(texts))[0]) or texts[1] in ("x", "6")


def test_missing_cells_and_marks() -> None:
    known = detect(["1.5", "2.5"])
    cells = known.parse(as_texts(["1.5", "", "NA", "?", "-", ".", "n.a.", "x"]))
    assert cells[0] == 1.5
    assert np.isnan(cells[1:]).all()
    assert known.find_missing(as_texts(["1.5", "", "?", "x"])).tolist() == [False, True, True, False]
    assert known.texts(np.array([np.nan])).tolist() == [""]


def test_no_negative_zero_and_types() -> None:
    assert detect(["0.5", "1.5"]).texts(detect(["0.5", "1.5"]).round(np.array([-0.01]))).tolist() == ["0.0"]
    assert [detect(texts).kind for texts in (["1"], ["1,000", "2"], ["1.0"], ["1e3"])] == ["integer"] * 2 + [
        "number"
    ] * 2
    integer = detect(["1", "2"])
    assert str(integer.typed(np.array([1.0])).dtype) == "int64"
    assert str(integer.typed(np.array([1.0, np.nan])).dtype) == "Int64"


def test_long_integers() -> None:
    assert not are_long_integers(as_texts(["1", "9007199254740991"]))
    assert are_long_integers(as_texts(["1", "9007199254740993"]))
    assert are_long_integers(as_texts(["-12345678901234567890"]))
    assert not are_long_integers(as_texts(["9007199254740993", "1.5"]))


DECIMALS = st.integers(0, 8).flatmap(
    lambda d: st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=30).map(
        lambda values: [f"{value / 10**d:.{d}f}" for value in values]
    )
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(DECIMALS)
@example(["0.1", "0.2"])
def test_decimals_are_written_as_they_were_read(texts: list[str]) -> None:
    known = detect(texts)
    assert known.texts(known.round(known.parse(as_texts(texts)))).tolist() == [
        t[1:] if float(t) == 0 and t.startswith("-") else t for t in texts
    ]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_floats_are_read_exactly(numbers: list[float]) -> None:
    texts = as_texts([repr(number) for number in numbers])
    known = detect_number_format(texts)
    assert known is not None
    cells = known.parse(texts)
    assert cells.tolist() == numbers
    assert known.parse(known.texts(cells)).tolist() == numbers
