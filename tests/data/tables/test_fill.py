"""Missing cells are filled by the mean or the most frequent value of draws, and constraints hold."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from zerosum.data.kind import LoadOptions
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.dataset import TableDataset
from zerosum.data.tables.fill import GenerateFn, fill_rows
from zerosum.data.tables.load import load_table
from zerosum.game import seeded_rng


@pytest.fixture(scope="module")
def rows(customers: TableDataset) -> np.ndarray:
    return np.asarray(customers.items(np.arange(200)), np.float64)


@pytest.mark.parametrize("draws", [1, 8])
def test_nothing_is_missing_and_constraints_hold(
    customers: TableDataset, draw_real: GenerateFn, rows: np.ndarray, draws: int
) -> None:
    codec = customers.table_codec
    cells = np.where(np.random.default_rng(1).random(rows.shape) < 0.35, np.nan, rows)
    cells[0] = np.nan
    filled = fill_rows(codec, cells, np.isnan(cells), seeded_rng.derive_seeds(0, 0, 200), draw_real, draws)
    assert not np.isnan(filled).any()
    assert (filled == cells)[~np.isnan(cells)].all(), "what is there stays"
    own = {column.name: filled[:, index] for index, column in enumerate(codec.columns)}
    assert np.allclose(own["net"] + own["tax"], own["total"], atol=1e-9)
    assert (own["start"] <= own["end"]).all()
    (combination,) = (known for known in codec.constraints if known.kind == "combinations")
    assert set(zip(own["city"], own["country"], strict=True)) <= set(combination.cells)
    assert np.allclose(filled, codec.round_rows(filled)), "as they are written"


def test_a_combination_with_a_missing_cell_is_not_what_a_hole_means(tmp_path: Path) -> None:
    """Linz is at times without a country; a row of Linz whose country is a hole gets that of Linz."""
    table = tmp_path / "cities.csv"
    lines = ["Linz,Austria"] * 30 + ["Linz,"] * 30 + ["Bonn,Germany"] * 30 + ["Oslo,"] * 10
    table.write_text("\n".join(["city,country,size", *(f"{line},{i / 8}" for i, line in enumerate(lines))]), "utf8")
    data = load_table(TableDataConfig(source=str(table), combinations="city,country"), LoadOptions())
    codec = data.table_codec
    rows = np.asarray(data.items(np.arange(len(data.labels))), np.float64)
    (bonn,), (linz,), (oslo,) = (
        rows[[text == city for text in codec.texts(rows, 0)["city"]]][:1] for city in ("Bonn", "Linz", "Oslo")
    )

    def draw(condition: dict[str, Tensor], seeds: Tensor) -> Tensor:
        return codec.encode_rows(np.tile(bonn, (len(seeds), 1)))

    cells = np.stack([linz, oslo])
    cells[:, codec.find_column("country")] = np.nan
    filled = codec.texts(fill_rows(codec, cells, np.isnan(cells), torch.zeros(2, dtype=torch.int64), draw, 4), 0)
    assert filled["city"].tolist() == ["Linz", "Oslo"]
    assert filled["country"].tolist() == ["Austria", "Germany"], "never missing"


def test_a_guess_is_the_mean_or_the_most_frequent_value(customers: TableDataset, rows: np.ndarray) -> None:
    codec = customers.table_codec
    age, member = codec.find_column("age"), codec.find_column("member")
    drawn = np.tile(rows[1], (4, 1))
    drawn[:, age], drawn[:, member] = (20, 30, 40, np.nan), (1, 0, 1, 1)
    samples = codec.encode_rows(drawn)
    count = iter(range(100))

    def draw(condition: dict[str, Tensor], seeds: Tensor) -> Tensor:
        assert len(seeds) == 4
        assert not next(count), "once is enough"
        return samples

    cells = rows[1:2].copy()
    cells[0, [age, member]] = np.nan
    filled = fill_rows(codec, cells, np.isnan(cells), torch.zeros(1, dtype=torch.int64), draw, 4)
    assert (filled[0, age], filled[0, member]) == (30, 1)


def test_a_cell_that_is_always_drawn_as_missing_gets_a_typical_value(customers: TableDataset, rows: np.ndarray) -> None:
    codec = customers.table_codec
    age = codec.find_column("age")
    missing = rows[:1].copy()
    missing[0, age] = np.nan
    sample = codec.encode_rows(missing)
    filled = fill_rows(
        codec,
        missing,
        np.isnan(missing),
        torch.zeros(1, dtype=torch.int64),
        lambda _, seeds: sample.repeat(len(seeds), 1),
        8,
    )
    assert 18 <= filled[0, age] <= 90
    assert filled[0, age] == round(filled[0, age])


def test_a_row_is_filled_alike_in_any_batch(customers: TableDataset, draw_real: GenerateFn, rows: np.ndarray) -> None:
    cells = np.where(np.random.default_rng(3).random(rows.shape) < 0.3, np.nan, rows)
    seeds = seeded_rng.derive_seeds(5, 0, 200)
    whole, part = (
        fill_rows(customers.table_codec, cells[part], np.isnan(cells[part]), seeds[part], draw_real, 4)
        for part in (slice(0, 200), slice(50, 60))
    )
    assert (whole[50:60] == part).all()
