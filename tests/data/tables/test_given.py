"""Columns that are given: exactly as given, with what follows from them, or refused with the reason."""

import numpy as np
import pytest
import torch

from zerosum.data.tables.dataset import TableDataset
from zerosum.data.tables.fill import GenerateFn
from zerosum.data.tables.formats import CategoryFormat
from zerosum.errors import BadInput
from zerosum.game import seeded_rng


def test_spaces_around_a_category_need_not_be_given() -> None:
    """Databases fill columns of fixed widths with them."""
    values = CategoryFormat(values=("Good ", "Ideal  ", " a", "a "))
    assert [values.parse_text("cut", text) for text in ("Good ", "Good", " Ideal", " a", "a ")] == [0, 0, 1, 2, 3]
    for text in ("a", "b"):
        with pytest.raises(BadInput, match="no such value"):
            values.parse_text("cut", text)


SEEDS = seeded_rng.derive_seeds(0, 0, 400)


def sample(customers: TableDataset, draw_real: GenerateFn, values: dict) -> dict[str, np.ndarray]:
    """Cells by column of samples of which values are given."""
    codec = customers.table_codec
    condition = codec.set_conditions(codec.give_nothing(len(SEEDS)), values, SEEDS)
    rows = codec.decode_given(draw_real(condition, SEEDS), SEEDS, values)
    texts = codec.texts(rows)
    cells = {column.name: rows[:, index] for index, column in enumerate(codec.columns)}
    assert (cells["start"] <= cells["end"]).all()
    assert np.allclose(cells["net"] + cells["tax"], cells["total"])
    pairs = set(zip(texts["city"], texts["country"], strict=True))
    assert pairs <= {
        ("Wien", "Österreich"),
        ("Graz", "Österreich"),
        ("Linz, Nord", "Österreich"),
        ("Köln", "Deutschland"),
    }
    return {name: texts[name].to_numpy() for name in texts.columns}


@pytest.mark.parametrize(
    "values",
    [
        {"net": "103,97", "member": "no"},
        {"net": 103.97, "member": False},
        {"net": 103.87 + 0.1},
        {"city": "Linz, Nord"},
        {"start": "01.02.2021", "end": "05.03.2021", "age": "33"},
        {"start": "01.02.2021"},
        {"net": "10,00", "tax": "1,50"},
        {"total": "50,00", "net": "40,00"},
    ],
)
def test_given_cells_are_exact(customers: TableDataset, draw_real: GenerateFn, values: dict) -> None:
    texts = sample(customers, draw_real, values)
    for name, value in values.items():
        text = {103.97: "103,97", 103.87 + 0.1: "103,97", False: "no"}.get(value, value)
        assert set(texts[name]) == {text}
    assert len(set(texts["end"])) > 50 or "end" in values, "the rest varies"


def test_cells_that_follow_from_given_ones(customers: TableDataset, draw_real: GenerateFn) -> None:
    assert set(sample(customers, draw_real, {"net": 10, "tax": 1.5})["total"]) == {"11,50"}
    assert set(sample(customers, draw_real, {"total": 50, "net": 40})["tax"]) == {"10,00"}
    assert set(sample(customers, draw_real, {"country": "Deutschland"})["city"]) == {"Köln"}


def test_combinations_are_drawn_by_their_counts(customers: TableDataset, draw_real: GenerateFn) -> None:
    cities = sample(customers, draw_real, {"country": "Österreich"})["city"]
    fractions = {city: float((cities == city).mean()) for city in set(cities)}
    assert fractions == pytest.approx({"Wien": 0.5 / 0.95, "Graz": 0.3 / 0.95, "Linz, Nord": 0.15 / 0.95}, abs=0.09)
    assert (cities == sample(customers, draw_real, {"country": "Österreich"})["city"]).all(), "by the seeds alone"


@pytest.mark.parametrize(
    ("values", "match"),
    [
        ({"total": "50,00"}, r"`given` total: in the data, total is net \+ tax, so give all but one of these too"),
        ({"total": 50, "net": 40, "tax": 3}, "total is net"),
        ({"end": "01.03.2021"}, "`given` end: start must be given too"),
        ({"start": "01.03.2021", "end": "01.02.2021"}, "start is never above end"),
        ({"city": "Wien", "country": "Deutschland"}, "city and country never occur together"),
        ({"id": "A-0001"}, "`given` id: holds keys or text"),
        ({"town": "Wien"}, "`given` town: there is no such column; choose one of city, country"),
        ({"city": "Paris"}, "`given` city='Paris': no such value; choose one of Graz"),
        ({"age": "200"}, r"`given` age=200: the training rows have values from 1\d to 8\d"),
        ({"age": "old"}, "`given` age='old': give a number"),
        ({"age": "40.7"}, "`given` age=40.7: the column holds integers; give one of these, such as 41"),
        ({"age": 40.7}, "the column holds integers"),
        ({"net": 12.349}, "net=12.349: the column holds numbers with at most 2 decimals; give .* such as 12,35"),
        ({"start": 1.6e9}, "the column holds dates and times of the form %d.%m.%Y"),
        ({"age": ""}, '`given` age=: a missing cell cannot be given; `where` "age=" keeps'),
        ({"city": "NA"}, "a missing cell cannot be given"),
        ({"start": "2021-03-01"}, "give a date in the form of the data"),
    ],
)
def test_what_cannot_be_given_is_refused(customers: TableDataset, values: dict, match: str) -> None:
    codec = customers.table_codec
    with pytest.raises(BadInput, match=match):
        codec.set_conditions(codec.give_nothing(2), values, torch.arange(2))


def test_columns_are_given_one_after_the_other(customers: TableDataset) -> None:
    codec = customers.table_codec
    together = codec.set_conditions(codec.give_nothing(3), {"age": 30, "member": "no"}, SEEDS[:3])
    alone = codec.set_condition(codec.set_condition(codec.give_nothing(3), "age", "30"), "member", "no")
    assert isinstance(alone, dict)
    assert isinstance(together, dict)
    assert all(torch.equal(alone[name], together[name]) for name in ("values", "known"))
    assert float(alone["known"].sum()) == 3 * 2
