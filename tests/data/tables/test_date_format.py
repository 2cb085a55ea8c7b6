from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zerosum.data.tables.date_format import NOTATIONS, DateFormat, detect_date_format, fits_swapped
from zerosum.data.tables.formats import as_texts

MONTHS = [f"{month:02d}/01/{year}" for year in (2015, 2016) for month in range(1, 13)]
MOMENTS = [datetime(2021, 11, 28, 23, 59, 7, 250_000), datetime(1969, 1, 3, 4, 5, 6), datetime(2020, 2, 29, 12, 30, 41)]


@pytest.mark.parametrize("notation", NOTATIONS)
def test_every_notation_is_written_as_it_is_read(notation: str) -> None:
    texts = as_texts(list(dict.fromkeys(moment.strftime(notation) for moment in MOMENTS)))
    known = detect_date_format(texts)
    assert known is not None
    cells = known.parse(texts)
    assert not np.isnan(cells).any()
    assert np.array_equal(known.round(cells), cells)
    assert [text.rstrip("0") for text in known.texts(cells)] == [text.rstrip("0") for text in texts]


@pytest.mark.parametrize(
    ("texts", "notation", "is_open"),
    [
        (MONTHS, "%m/%d/%Y", True),
        ([f"{text} 10:00" for text in MONTHS], "%m/%d/%Y %H:%M", True),
        ([text[3:6] + text[:3] + text[6:] for text in MONTHS], "%d/%m/%Y", True),
        (["03/04/2020", "05/06/2020"], "%d/%m/%Y", True),
        ([*MONTHS, "01/31/2020"], "%m/%d/%Y", False),
        (["2020-03-04"], "%Y-%m-%d", False),
    ],
)
def test_days_and_months_that_may_be_swapped(texts: list[str], notation: str, is_open: bool) -> None:
    """The days of monthly data have fewer values than the months."""
    known = detect_date_format(as_texts(texts))
    assert known is not None
    assert known.notation == notation
    assert fits_swapped(known, as_texts(texts)) == is_open


@pytest.mark.parametrize(
    ("texts", "seconds"),
    [
        (["1/5/2020", "12/31/2020"], 1578182400),  # the months come first, without zeros
        (["31/12/2020", "1/2/2020"], 1609372800),
        (["2020-1-5", "2021-11-12"], 1578182400),
        (["03-JAN-20", "12-FEB-21"], 1578009600),
        (["2020-01-01T10:00:00Z", "2021-01-01T10:00:00Z"], 1577872800),
        (["2020-01-01 10:00:00+02:00", "2020-01-01 11:00:00+02:00"], 1577872800),
        (["2020-01-01 10:00:00.123456", "2020-01-01 11:00:00.654321"], 1577872800.123456),
        (["01/02/2020 3:04 pm", "11/12/2020 10:30 am"], 1580569440),
        (["9999-12-31", "0001-01-01"], 253402214400),
        (["7:30", "12:45"], -2208961800),
    ],
)
def test_notations(texts: list[str], seconds: float) -> None:
    known = detect_date_format(as_texts(texts))
    assert known is not None
    cells = known.parse(as_texts(texts))
    assert cells[0] == seconds
    assert known.texts(known.round(cells)).tolist() == texts
    restored = DateFormat(**{**known.settings(), "unpadded": tuple(known.unpadded)})  # type: ignore[arg-type]
    assert restored == known


@pytest.mark.parametrize(
    "texts",
    [["hello"], ["2020-13-01"], ["30-Feb-2020"], ["2020-01-01", "2020-01-01 10:00"], ["12:75"], ["1.5"],
     ["2020-01-01 10:00:00+02:00", "2020-01-01 11:00:00+01:00"], ["01/02/2020", "13/13/2020"]],
)  # fmt: skip
def test_texts_that_are_no_dates(texts: list[str]) -> None:
    assert detect_date_format(as_texts(texts)) is None


def test_missing_cells_and_types() -> None:
    known = DateFormat(missing="NULL", notation="%d.%m.%Y")
    cells = known.parse(as_texts(["31.12.2020", "", "NULL", "0000-00-00", "?"]))
    assert np.isnan(cells[1:]).all()
    assert known.texts(cells).tolist() == ["31.12.2020", *["NULL"] * 4]
    typed = known.typed(cells)
    assert str(typed.dtype).startswith("datetime64")
    assert typed[0] == datetime(2020, 12, 31)
    assert typed[1:].isna().all()


def test_dates_between_the_days_are_rounded() -> None:
    known = DateFormat(notation="%Y-%m-%d")
    assert known.texts(known.round(np.array([86400 * 1.4]))).tolist() == ["1970-01-02"]
    assert DateFormat(notation="%Y-%m-%d %H:%M").round(np.array([89.0])).tolist() == [60.0]


def test_months_are_rounded_to_the_nearest_first_day() -> None:
    known = DateFormat(notation="%Y-%m")
    day = 86_400.0
    cells = np.array([0, 15 * day, 15.5 * day, 31 * day, -15 * day, -16 * day, np.nan])
    assert known.texts(known.round(cells)).tolist() == [
        "1970-01", "1970-01", "1970-02", "1970-02", "1970-01", "1969-12", "",
    ]  # fmt: skip
    assert known.texts(known.round_up(np.array([0, 1, 30 * day, 32 * day]))).tolist() == [
        "1970-01", "1970-02", "1970-02", "1970-03",
    ]  # fmt: skip


_RNG = np.random.default_rng(0)
ANY_CELLS = np.concatenate([
    _RNG.uniform(-1e11, 4e11, 25), _RNG.uniform(-3e9, 4e9, 25),
    _RNG.choice([-1, 1], 10) * 10.0 ** _RNG.uniform(-9, 300, 10),
    [0.0, -0.0, 0.5, -0.5, 59.9999999, 86_399.9999999, -np.inf, np.inf],
])  # fmt: skip


@pytest.mark.parametrize("notation", NOTATIONS)
def test_rounded_dates_are_those_that_are_written_and_read(notation: str) -> None:
    for fraction in (1, 3, 6) if "%f" in notation else (0,):
        known = DateFormat(notation=notation, fraction=fraction)
        nearest, next_one = known.round(ANY_CELLS), known.round_up(ANY_CELLS)
        assert known.parse(known.texts(nearest)).tolist() == nearest.tolist()
        assert known.parse(known.texts(next_one)).tolist() == next_one.tolist()
        assert (next_one >= ANY_CELLS.clip(*known.ends)).all()
        assert (abs(nearest - ANY_CELLS.clip(*known.ends)) <= known.step / 2).all()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.lists(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 30)), min_size=1, max_size=20), st.data())
def test_dates_are_read_and_written_exactly(moments: list[datetime], data: st.DataObject) -> None:
    notation = data.draw(st.sampled_from(["%Y-%m-%d", "%d.%m.%Y", "%Y-%m-%dT%H:%M:%S", "%d %b %Y %H:%M"]))
    texts = as_texts([m.strftime(notation.replace("%Y", f"{m.year:04d}")) for m in moments])
    known = DateFormat(notation=notation)
    cells = known.parse(texts)
    assert known.texts(cells).tolist() == texts.tolist()
    assert all(abs((m - datetime(1970, 1, 1)).total_seconds() - c) < timedelta(days=1).total_seconds()
               for m, c in zip(moments, cells, strict=True))  # fmt: skip


def test_dates_beyond_the_calendar_are_its_last_and_first_day() -> None:
    dates = DateFormat(notation="%Y-%m-%d")
    far = np.array([1e13, -1e13, np.nan])
    assert dates.texts(dates.round(far)).tolist() == ["9999-12-31", "0001-01-01", ""]
    seconds = DateFormat(notation="%Y-%m-%d %H:%M:%S")
    last = as_texts(["9999-12-31 23:59:59"])
    assert seconds.texts(seconds.round(seconds.parse(last))).tolist() == last.tolist()
