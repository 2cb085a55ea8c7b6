"""Nearest neighbors against a naive loop, exact to the order of ties."""

import numpy as np
import pytest
import torch

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.nearest_neighbors import nearest_neighbors, nearest_other_neighbors


def draw(rows: int, width: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=generator) * scale + shift


def naive_neighbors(
    queries: torch.Tensor, reference: torch.Tensor, k: int, exclude_self: bool
) -> tuple[np.ndarray, np.ndarray]:
    distances, indices = [], []
    x, y = queries.double().numpy(), reference.double().numpy()
    for i, row in enumerate(x):
        squares = ((y - row) ** 2).sum(1)
        if exclude_self:
            squares[i] = np.inf
        order = np.argsort(squares, kind="stable")[:k]
        distances.append(np.sqrt(squares[order]))
        indices.append(order)
    return np.array(distances), np.array(indices)


def assert_equals_naive(queries: torch.Tensor, reference: torch.Tensor, k: int, exclude_self: bool = False) -> None:
    distances, indices = nearest_neighbors(
        FeatureTable.from_tensor(queries), FeatureTable.from_tensor(reference), k, exclude_self
    )
    expected_distances, expected_indices = naive_neighbors(queries, reference, k, exclude_self)
    np.testing.assert_array_equal(indices, expected_indices)
    # the order of float64 sums depends on the processor: about 1e-15 per term
    np.testing.assert_allclose(distances, expected_distances, rtol=1e-12, atol=0)
    assert distances.dtype == np.float64
    assert indices.dtype == np.int64


@pytest.mark.parametrize("k", [1, 3, 12])
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_equals_the_naive_loop(k: int, shift: float) -> None:
    """Also far from zero, where float32 products of uncentered rows carry no information."""
    assert_equals_naive(draw(150, 20, 1, shift=shift), draw(700, 20, 2, shift=shift), k)


def test_equals_the_naive_loop_over_many_blocks() -> None:
    assert_equals_naive(draw(2100, 3, 3), draw(1700, 3, 4), 2)
    assert_equals_naive(draw(1100, 3, 5), draw(1100, 3, 5), 2, exclude_self=True)


def test_copies_have_distance_zero_and_the_first_one_is_found() -> None:
    reference = draw(900, 16, 6, shift=3)
    reference[700:] = reference[:200]
    queries = reference[torch.randperm(900, generator=torch.Generator().manual_seed(7))[:300]]
    assert_equals_naive(queries, reference, 3)
    distances, _ = nearest_neighbors(FeatureTable.from_tensor(queries), FeatureTable.from_tensor(reference))
    assert (distances == 0).all()
    assert_equals_naive(reference, reference, 2, exclude_self=True)


def test_many_copies_and_rows_that_float32_cannot_distinguish() -> None:
    """More equal rows than candidates, so that the more precise searches are needed."""
    reference = draw(1300, 16, 8)
    reference[100:140] = reference[700]
    reference[200:260] = reference[600] * (1 + 1e-6 * torch.arange(60).float()[:, None])
    queries = torch.cat([reference[[700, 600, 100, 230]], reference[[700, 600]] + 0.01, draw(20, 16, 9)])
    assert_equals_naive(queries, reference, 3)
    assert_equals_naive(reference, reference, 5, exclude_self=True)


def test_equals_the_naive_loop_on_a_grid_with_many_ties() -> None:
    assert_equals_naive(draw(200, 4, 10, scale=2).round(), draw(800, 4, 11, scale=2).round(), 4)


def test_equals_the_naive_loop_with_an_outlier() -> None:
    assert_equals_naive(draw(50, 8, 12), torch.cat([draw(600, 8, 13), draw(1, 8, 14, scale=1e6)]), 3)


def test_nearest_other_neighbors_of_some_rows() -> None:
    rows = np.array([5, 800, 5, 13])
    table = FeatureTable.from_tensor(draw(1000, 8, 15))
    all_distances, all_indices = nearest_neighbors(table, table, 2, exclude_self=True)
    distances, indices = nearest_other_neighbors(table, rows, 2)
    np.testing.assert_array_equal(distances, all_distances[rows])
    np.testing.assert_array_equal(indices, all_indices[rows])


def test_k_may_be_the_number_of_available_rows() -> None:
    assert_equals_naive(draw(4, 3, 16), draw(6, 3, 17), 6)
    assert_equals_naive(draw(6, 3, 17), draw(6, 3, 17), 5, exclude_self=True)


def test_invalid_searches_are_refused() -> None:
    table = FeatureTable.from_tensor(draw(6, 3, 18))
    with pytest.raises(BadInput, match="6 nearest items cannot be searched among 5"):
        nearest_neighbors(table, table, 6, exclude_self=True)
    with pytest.raises(BadInput, match="one feature network"):
        nearest_neighbors(table, FeatureTable.from_tensor(draw(6, 4, 18)))
    invalid = FeatureTable.from_tensor(torch.full((6, 3), torch.nan))
    with pytest.raises(BadInput, match="not finite"):
        nearest_neighbors(table, invalid)
    with pytest.raises(BadInput):
        nearest_neighbors(invalid, table)
