"""Nearest rows against a naive loop, to the last bit of the order."""

import numpy as np
import pytest
import torch

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.nearest_neighbors import nearest_neighbors, nearest_other_neighbors


def draw(rows: int, width: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn(rows, width, generator=random) * scale + shift


def naive(queries: torch.Tensor, among: torch.Tensor, k: int, same: bool) -> tuple[np.ndarray, np.ndarray]:
    distances, indices = [], []
    x, y = queries.double().numpy(), among.double().numpy()
    for i, row in enumerate(x):
        squares = ((y - row) ** 2).sum(1)
        if same:
            squares[i] = np.inf
        order = np.argsort(squares, kind="stable")[:k]
        distances.append(np.sqrt(squares[order]))
        indices.append(order)
    return np.array(distances), np.array(indices)


def check(queries: torch.Tensor, among: torch.Tensor, k: int, same: bool = False) -> None:
    distances, indices = nearest_neighbors(FeatureTable.from_tensor(queries), FeatureTable.from_tensor(among), k, same)
    wanted_distances, wanted_indices = naive(queries, among, k, same)
    np.testing.assert_array_equal(indices, wanted_indices)
    # float64 sums, whose order is the processor's: some 1e-15 a term
    np.testing.assert_allclose(distances, wanted_distances, rtol=1e-12, atol=0)
    assert distances.dtype == np.float64
    assert indices.dtype == np.int64


@pytest.mark.parametrize("k", [1, 3, 12])
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_is_the_naive_loop(k: int, shift: float) -> None:
    """Far from zero, too, where float32 products of the rows as they are would know nothing."""
    check(draw(150, 20, 1, shift=shift), draw(700, 20, 2, shift=shift), k)


def test_over_many_blocks() -> None:
    check(draw(2100, 3, 3), draw(1700, 3, 4), 2)
    check(draw(1100, 3, 5), draw(1100, 3, 5), 2, same=True)


def test_copies_are_at_zero_and_the_first_one_is_found() -> None:
    among = draw(900, 16, 6, shift=3)
    among[700:] = among[:200]
    queries = among[torch.randperm(900, generator=torch.Generator().manual_seed(7))[:300]]
    check(queries, among, 3)
    assert (nearest_neighbors(FeatureTable.from_tensor(queries), FeatureTable.from_tensor(among))[0] == 0).all()
    check(among, among, 2, same=True)


def test_many_copies_and_rows_that_float32_cannot_tell_apart() -> None:
    """More equal candidates than are kept, so that the searches that are sure must step in."""
    among = draw(1300, 16, 8)
    among[100:140] = among[700]
    among[200:260] = among[600] * (1 + 1e-6 * torch.arange(60).float()[:, None])
    queries = torch.cat([among[[700, 600, 100, 230]], among[[700, 600]] + 0.01, draw(20, 16, 9)])
    check(queries, among, 3)
    check(among, among, 5, same=True)


def test_on_a_grid_where_ties_are_the_rule() -> None:
    check(draw(200, 4, 10, scale=2).round(), draw(800, 4, 11, scale=2).round(), 4)


def test_one_far_row_spoils_nothing() -> None:
    check(draw(50, 8, 12), torch.cat([draw(600, 8, 13), draw(1, 8, 14, scale=1e6)]), 3)


def test_some_rows_others() -> None:
    rows = np.array([5, 800, 5, 13])
    table = FeatureTable.from_tensor(draw(1000, 8, 15))
    distances, indices = nearest_neighbors(table, table, 2, exclude_self=True)
    found_distances, found_indices = nearest_other_neighbors(table, rows, 2)
    np.testing.assert_array_equal(found_distances, distances[rows])
    np.testing.assert_array_equal(found_indices, indices[rows])


def test_all_there_is_can_be_asked_for() -> None:
    check(draw(4, 3, 16), draw(6, 3, 17), 6)
    check(draw(6, 3, 17), draw(6, 3, 17), 5, same=True)


def test_refuses_what_cannot_be_found() -> None:
    table = FeatureTable.from_tensor(draw(6, 3, 18))
    with pytest.raises(BadInput, match="5 images to find 6"):
        nearest_neighbors(table, table, 6, exclude_self=True)
    with pytest.raises(BadInput, match="one feature network"):
        nearest_neighbors(table, FeatureTable.from_tensor(draw(6, 4, 18)))
    for pair in (
        (table, FeatureTable.from_tensor(torch.full((6, 3), torch.nan))),
        (FeatureTable.from_tensor(torch.full((6, 3), torch.nan)), table),
    ):
        with pytest.raises(BadInput, match="not finite"):
            nearest_neighbors(*pair)
