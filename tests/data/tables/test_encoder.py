import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from zerosum.data.tables.encoder import MAX_CATEGORIES, ColumnEncoder
from zerosum.data.tables.formats import Cells
from zerosum.game.sample_spec import Block

SIGNIFICANCE = 1e-6
"""The probability of a false alarm of a statistical test."""


def draws_of(count: int, seed: int = 0) -> Cells:
    return np.random.default_rng(seed).uniform(size=count)


def recode(encoder: ColumnEncoder, cells: Cells) -> Cells:
    codes, scores = encoder.encode(cells, draws_of(len(cells)))
    return encoder.decode(codes, scores, draws_of(len(cells), 1))


CELLS = st.one_of(
    st.lists(st.integers(-50, 50).map(float), min_size=1, max_size=300),
    st.lists(st.integers(-(10**6), 10**6).map(lambda value: value / 100), min_size=1, max_size=300),
    st.lists(st.sampled_from([0.0, 0.5, 1e6, np.nan, *np.arange(40.0)]), min_size=1, max_size=300),
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(CELLS)
def test_training_cells_are_decoded_exactly(values: list[float]) -> None:
    cells = np.array(values)
    encoder = ColumnEncoder.fit(cells, is_numeric=True)
    assert np.array_equal(np.round(recode(encoder, cells), 2), cells, equal_nan=True)
    fewer = ColumnEncoder.fit(cells, is_numeric=False)
    if not len(fewer.rare):
        assert np.array_equal(recode(fewer, cells), cells, equal_nan=True)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(CELLS, st.floats(-20, 20))
def test_any_sample_is_decoded_within_the_data(values: list[float], score: float) -> None:
    cells = np.array(values)
    encoder = ColumnEncoder.fit(cells, is_numeric=True)
    count = max(1, encoder.block.categories if encoder.block else 1)
    codes = np.arange(count)
    decoded = encoder.decode(codes, np.full(count, score, np.float32), draws_of(count))
    numbers = cells[~np.isnan(cells)]
    found = decoded[~np.isnan(decoded)]
    assert len(numbers) or not len(found)
    assert not len(found) or (found.min() >= numbers.min() and found.max() <= numbers.max())


@pytest.mark.parametrize("count", [2_000, 30_000])
def test_normal_scores_are_normal_and_decode_to_the_column(count: int) -> None:
    cells = np.round(np.random.default_rng(0).lognormal(3, 1.5, count), 2)
    encoder = ColumnEncoder.fit(cells, is_numeric=True)
    _, scores = encoder.encode(cells, draws_of(count))
    assert stats.kstest(1.5 * scores.astype(float), "norm").statistic < 3 / np.sqrt(count)
    normal = np.random.default_rng(1).normal(size=count).astype(np.float32) / 1.5
    decoded = encoder.decode(np.zeros(count, np.int64), normal, draws_of(count))
    assert stats.ks_2samp(decoded, cells).pvalue > SIGNIFICANCE


def test_rare_categories_are_drawn_by_their_counts() -> None:
    rng = np.random.default_rng(0)
    counts = np.concatenate([np.full(MAX_CATEGORIES, 400), rng.integers(1, 40, 100)])
    cells = rng.permutation(np.repeat(np.arange(len(counts), dtype=float), counts))
    encoder = ColumnEncoder.fit(cells, is_numeric=False)
    assert encoder.block is not None
    assert encoder.block.categories == MAX_CATEGORIES
    rare = encoder.rare.astype(int)
    assert set(rare[1:] >= MAX_CATEGORIES) == {True}  # and one of the frequent ones, which are equally frequent
    num_draws = 40_000
    codes = np.full(num_draws, MAX_CATEGORIES - 1)
    decoded = encoder.decode(codes, np.zeros(num_draws, np.float32), draws_of(num_draws, 3)).astype(int)
    observed = np.bincount(decoded, minlength=len(counts))[rare]
    expected = counts[rare] / counts[rare].sum() * num_draws
    assert observed.sum() == num_draws
    assert stats.chisquare(observed, expected).pvalue > SIGNIFICANCE


def test_a_missing_cell_is_never_one_of_the_rare_values() -> None:
    cells = np.concatenate([np.repeat(np.arange(300.0), 5), [np.nan]])
    encoder = ColumnEncoder.fit(cells, is_numeric=False)
    assert not np.isnan(encoder.rare).any()
    assert np.isnan(recode(encoder, np.array([np.nan]))).all()


def test_constant_missing_and_few_values() -> None:
    for cells in ([np.nan] * 5, [3.0] * 5):
        encoder = ColumnEncoder.fit(np.array(cells), is_numeric=True)
        assert encoder.block is None
        assert np.array_equal(recode(encoder, np.array(cells)), cells, equal_nan=True)
    few = ColumnEncoder.fit(np.array([*np.arange(10.0), np.nan]), is_numeric=True)
    assert not few.has_scores
    spikes = ColumnEncoder.fit(np.array([0.0] * 500 + [np.nan] * 100 + list(np.arange(1, 401.0))), is_numeric=True)
    assert spikes.categories[0] == 0
    assert np.isnan(spikes.categories[1])
    assert spikes.has_scores
    assert spikes.block is not None
    assert spikes.block.categories == 3


def test_cells_that_training_did_not_have() -> None:
    encoder = ColumnEncoder.fit(np.arange(100.0), is_numeric=True)
    assert encoder.block == Block(0, True)
    assert np.round(recode(encoder, np.array([-5.0, 200.0, 50.5])), 1).tolist() == [0.0, 99.0, 50.5]
    spiked = ColumnEncoder.fit(np.concatenate([np.zeros(50), np.arange(40, 90.0)]), is_numeric=True)
    assert np.round(recode(spiked, np.array([-5.0, 15.0, 30.0, 60.5, 95.0])), 1).tolist() == [0, 0, 40, 60.5, 89]
    texts = ColumnEncoder.fit(np.repeat(np.arange(300.0), 3), is_numeric=False)
    assert texts.encode(np.array([300.0]))[0].tolist() == [MAX_CATEGORIES - 1]


def test_values_of_single_rows_are_no_categories() -> None:
    encoder = ColumnEncoder.fit(np.arange(90.0), is_numeric=True)
    assert not len(encoder.categories)


def test_restored_encoders_are_equal() -> None:
    cells = np.array([0.0] * 500 + [np.nan] * 100 + list(np.arange(1, 401.0)))
    encoder = ColumnEncoder.fit(cells, is_numeric=True)
    encoder.encode(cells)
    restored = ColumnEncoder.restore({name: tensor.clone() for name, tensor in encoder.tensors().items()})
    for name, tensor in encoder.tensors().items():
        assert torch.equal(torch.nan_to_num(restored.tensors()[name]), torch.nan_to_num(tensor))
    assert restored.block == encoder.block
