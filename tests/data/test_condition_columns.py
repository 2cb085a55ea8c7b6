"""Columns of numbers and of texts as numeric conditions, and what is drawn, chosen, saved and refused."""

import numpy as np
import pytest
import torch

from zerosum.data.condition_columns import MAX_KEPT_ROWS, NO_CONDITIONS, Conditions, check_cells, fit_column
from zerosum.errors import BadInput
from zerosum.game.seeded_rng import derive_seeds

FILES = [f"{number}.png" for number in range(6)]
TRAIN = np.arange(4)
AGES = ["20", "40.0", " 4e1 ".strip(), "60", "1000", "-7"]
SPECIES = ["cat", "dog", "cat", "dog", "cat", "dog"]


def make_conditions(labels: list[int] | None = None) -> tuple[Conditions, np.ndarray]:
    columns = [fit_column("age", AGES, FILES, TRAIN), fit_column("species", SPECIES, FILES, TRAIN)]
    values = np.concatenate([columns[0].encode(AGES), columns[1].encode(SPECIES)], 1)
    return Conditions.of_training(columns, values[TRAIN], np.array(labels or [0] * 4)), values


def test_numbers_are_standardized_by_the_training_rows_and_texts_are_one_hot() -> None:
    conditions, values = make_conditions()
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[TRAIN].mean(0)[0], 0, atol=1e-6)
    np.testing.assert_allclose(values[TRAIN].std(0)[0], 1, rtol=1e-6)
    assert values[:, 1:].tolist() == [[1, 0], [0, 1]] * 3
    assert conditions.spec is not None
    assert conditions.spec.shape == (3,)
    assert [column.describe() for column in conditions.columns] == ["age (20 to 60)", "species (cat, dog)"]


def test_a_column_of_few_numbers_is_one_of_numbers() -> None:
    assert fit_column("smiling", ["-1", "1", "-1", "1", "1", "1"], FILES, TRAIN).width == 1


def test_conditions_are_drawn_from_training_rows_of_the_class() -> None:
    conditions, values = make_conditions([1, 0, 0, 1])
    seed = derive_seeds(0, 0, 200)
    drawn = conditions.draw(seed, None)
    assert drawn is not None
    assert {tuple(row) for row in drawn.tolist()} == {tuple(row) for row in values[TRAIN].tolist()}
    label = torch.tensor([0, 1] * 100)
    of_class = conditions.draw(seed, label)
    assert of_class is not None
    assert {tuple(row) for row in of_class[0::2].tolist()} == {tuple(row) for row in values[1:3].tolist()}
    assert {tuple(row) for row in of_class[1::2].tolist()} == {tuple(row) for row in values[[0, 3]].tolist()}
    held_out = conditions.draw(seed, torch.full((200,), 2))  # a class without training examples: from all
    assert held_out is not None
    assert {tuple(row) for row in held_out.tolist()} == {tuple(row) for row in values[TRAIN].tolist()}
    assert NO_CONDITIONS.draw(seed, None) is None


def test_many_rows_are_kept_in_part() -> None:
    columns = [fit_column("age", AGES, FILES, TRAIN)]
    rows = np.arange(2 * MAX_KEPT_ROWS, dtype=np.float32)[:, None]
    kept = Conditions.of_training(columns, rows, np.zeros(len(rows), np.int64)).rows
    assert len(kept) == MAX_KEPT_ROWS
    assert (kept[0], kept[-1]) == (0, len(rows) - 1)
    assert np.diff(kept[:, 0]).max() <= 3


def test_one_value_is_chosen() -> None:
    conditions, _ = make_conditions()
    chosen = conditions.set_value(torch.zeros(2, 3), "age", "40")
    assert chosen.tolist() == [[0, 0, 0]] * 2
    chosen = conditions.set_value(chosen, "species", "dog")
    assert chosen.tolist() == [[0, 0, 1]] * 2
    for name, value, match in (
        ("aeg", "40", r"`given` aeg: no such column; did you mean age\?"),
        ("age", "old", r"`given` age=old: give a number, such as 40 \(the training data have 20 to 60\)"),
        ("age", "nan", r"`given` age=nan: give a number"),
        ("age", "1e999", r"give a number"),
        ("species", "dgo", r"`given` species=dgo: no such value; did you mean dog\?"),
        ("species", "x", r"give one of cat, dog"),
    ):
        with pytest.raises(BadInput, match=match):
            conditions.set_value(torch.zeros(2, 3), name, value)


def test_conditions_are_restored() -> None:
    conditions, _ = make_conditions([1, 0, 0, 1])
    restored = Conditions.restore(conditions.settings(), conditions.tensors())
    assert restored.columns == conditions.columns
    seed, label = derive_seeds(0, 0, 9), torch.tensor([0, 1, 0] * 3)
    assert torch.equal(*(each.draw(seed, label) for each in (restored, conditions)))
    assert Conditions.restore(None, {}) is NO_CONDITIONS
    assert not NO_CONDITIONS.settings()
    assert not NO_CONDITIONS.tensors()
    with pytest.raises(TypeError):
        Conditions.restore("age", {})


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        (["1", "", "3", "", "5", "6"], r"`data\.conditions` age: this column has no value for 2 files, such as 1\.png"),
        (["1", "1.0", "1", "1e0", "5", "6"], r"age: is 1(\.0|e0)? in all training data"),
        (["1", "2", "3", "4", "n/a", "6"], r"not all are numbers, such as n/a of 4\.png; write numbers"),
        (["1,5", "2,5", "3,5", "4,5", "5,5", "6,5"], r"such as 1,5 of 0\.png; write numbers with a decimal point"),
        (["1", "2", "3", "4", "inf", "6"], r"not all are numbers, such as inf of 4\.png"),
        (["x", "x", "x", "x", "y", "y"], r"age: is x in all training data, from which nothing can be learned"),
    ],
)
def test_columns_that_cannot_be_conditions_are_refused(cells: list[str], match: str) -> None:
    with pytest.raises(BadInput, match=match):
        fit_column("age", cells, FILES, TRAIN)


@pytest.mark.parametrize(
    ("name", "cells", "cell", "message"),
    [
        ("age", AGES, "", "`data.conditions` age: this column has no value for 1 file, such as "),
        ("age", AGES, "old", "`data.conditions` age: is old for .*, which the run cannot take: .* age .*`start_from`"),
        ("species", SPECIES, "cow", "`data.conditions` species: is cow for .* it was trained on species "),
    ],
)
def test_cells_of_new_data_are_those_of_the_fitted_column(name: str, cells: list[str], cell: str, message: str) -> None:
    column = fit_column(name, cells, FILES, TRAIN)
    check_cells(column, cells, FILES)
    with pytest.raises(BadInput, match=message):
        check_cells(column, [cell, *cells[1:]], FILES)
