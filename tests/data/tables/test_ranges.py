"""Samples keep sums and orders, and each column the range of the training rows."""

import numpy as np
import pytest
import torch

from zerosum.data.kind import LoadOptions
from zerosum.data.tables.codec import TableCodec
from zerosum.data.tables.config import TableDataConfig
from zerosum.data.tables.constraints import restore_constraint
from zerosum.data.tables.load import load_table
from zerosum.data.tables.numeric_constraints import Sum
from zerosum.data.tables.ranges import share_out
from zerosum.errors import BadInput

SEEDS = torch.arange(1_000)
NAMES = ("start", "middle", "end", "all", "a", "b", "c", "total", "net", "tax")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> tuple[TableCodec, np.ndarray]:
    """The codec of a table, and its training rows: shares that add up to 100, and bills of small and large parts."""
    rng = np.random.default_rng(0)
    lines = [",".join(NAMES)]
    for _ in range(400):
        start = rng.integers(0, 100)
        middle = min(start + rng.integers(0, 40), 110)
        end = min(middle + round(rng.exponential(20), 1), 125.0)
        a, b = rng.integers(0, 50), round(rng.uniform(0, 40), 2)
        net = round(rng.gamma(2, 20), 2)
        tax = round(min(0.2 * net + 5 * rng.random(), 90 - net if net < 90 else 1), 1)
        lines.append(f"{start},{middle},{end},100,{a},{b},{100 - a - b:.2f},{net + tax:.2f},{net},{tax}")
    path = tmp_path_factory.mktemp("ranges") / "t.csv"
    path.write_text("\n".join(lines))
    settings = {"ordered": "start,middle,end", "sums": "all,a,b,c;total,net,tax", "column": {"all": "integer"}}
    data = TableDataConfig.model_validate({"source": str(path), **settings})
    dataset = load_table(data, LoadOptions())
    return dataset.table_codec, np.asarray(dataset.items(dataset.train), np.float64)


def keeps_all(codec: TableCodec, rows: np.ndarray, train: np.ndarray, slack: float = 1e-9) -> None:
    cells = dict(zip(NAMES, rows.T, strict=True))
    assert (cells["start"] <= cells["middle"]).all()
    assert (cells["middle"] <= cells["end"]).all()
    assert np.abs(cells["a"] + cells["b"] + cells["c"] - cells["all"]).max() < 1e-9
    assert np.abs(cells["net"] + cells["tax"] - cells["total"]).max() < 1e-9
    assert np.array_equal(rows, codec.round_rows(rows))
    low, high = train.min(0), train.max(0)
    for name, least, largest, own in zip(NAMES, low, high, rows.T, strict=True):
        assert least - slack <= own.min(), name
        assert own.max() <= largest + slack, name


def test_samples_keep_constraints_and_ranges(table: tuple[TableCodec, np.ndarray]) -> None:
    codec, train = table
    samples = 3 * torch.randn(1_000, codec.spec.shape[0], generator=torch.Generator().manual_seed(0))
    rows = np.asarray(codec.decode(samples, SEEDS), np.float64)
    keeps_all(codec, rows, train)
    assert set(rows[:, NAMES.index("all")]) == {100.0}
    assert len(np.unique(rows[:, NAMES.index("a")])) > 30, "and vary"
    real = codec.encode_rows(train)
    assert np.array_equal(np.asarray(codec.decode(real, torch.arange(len(real)))), train), "rows within are as they are"
    restored = TableCodec.restore(codec.settings(), codec.tensors())
    assert np.array_equal(np.asarray(restored.decode(samples, SEEDS)), rows)


@pytest.mark.parametrize(
    "values", [{"a": 49}, {"start": 99}, {"net": 3.5}, {"a": 3, "b": 39.5}, {"start": 20, "middle": 25}]
)
def test_given_cells_stay_and_the_rest_is_in_range(table: tuple[TableCodec, np.ndarray], values: dict) -> None:
    codec, train = table
    samples = 3 * torch.randn(1_000, codec.spec.shape[0], generator=torch.Generator().manual_seed(1))
    rows = np.asarray(codec.decode_given(samples, SEEDS, values), np.float64)
    keeps_all(codec, rows, train, 0.05)  # the tax has one decimal, and the total two
    for name, value in values.items():
        assert set(rows[:, NAMES.index(name)]) == {value}


def test_values_outside_of_the_range_cannot_be_given(table: tuple[TableCodec, np.ndarray]) -> None:
    codec, _ = table
    for values, match in (
        ({"a": 60}, "`given` a=60: the training rows have values from 0 to 49"),
        ({"start": 50, "middle": 130}, "`given` middle=130: the training rows have values from"),
        ({"all": 100, "a": 49, "b": 60}, "`given` b=60: the training rows have values from"),
        (
            {"total": 70, "net": 2},
            r"`given` net: in the data, total is net \+ tax, so tax would be 68, and",
        ),
    ):
        with pytest.raises(BadInput, match=match):
            codec.decode_given(torch.zeros(2, *codec.spec.shape), torch.arange(2), values)


def test_parts_that_cannot_reach_a_sum_are_at_their_ends() -> None:
    low, high = np.zeros((2, 2)), np.full((2, 2), 5.0)
    assert share_out(np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([99.0, -9.0]), low, high).tolist() == [[5, 5], [0, 0]]
    assert share_out(np.array([[5.0, 5.0]]), np.array([10.0]), low[:1], high[:1]).tolist() == [[5, 5]]


def test_constraints_of_former_runs_have_no_ranges() -> None:
    known = restore_constraint({"kind": "sums", "columns": [0, 1, 2]})
    assert known == Sum((0, 1, 2))
    rows = np.array([[1e9, 5e8, 5e8]])
    assert np.array_equal(known.keep_rounded(rows, np.full((1, 3), np.nan), lambda cells: cells, ()), rows)
    assert restore_constraint({"kind": "ordered", "columns": [0, 1]}).find_range(1) is None
