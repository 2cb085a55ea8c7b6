"""Clusters and bins: found where they are, and the statistics against scipy and their own false-alarm rates."""

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from scipy.stats import chi2_contingency, norm

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.modes import (
    MissingMode,
    ModeCounts,
    _update_centers,
    assign_clusters,
    compare_mode_counts,
    fit_kmeans,
)

PLACES = torch.tensor([[20.0 * math.cos(i), 20.0 * math.sin(i), 5.0 * i, 100.0] for i in range(10)])


def draw(rows: int, seed: int, places: torch.Tensor = PLACES, width: float = 0.5) -> FeatureTable:
    """Points around ten places, equally often."""
    random = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(places), (rows,), generator=random)
    return FeatureTable.from_tensor(places[chosen] + width * torch.randn(rows, places.shape[1], generator=random))


def counted(table: FeatureTable, centres: torch.Tensor) -> np.ndarray:
    return np.bincount(assign_clusters(table, centres)[0], minlength=len(centres))


def test_clusters_are_found_where_they_are() -> None:
    """With two centres a place, as k-means++ may well leave one of as many centres as places without its own."""
    centres = fit_kmeans(draw(2000, 1), 20)
    nearest = torch.cdist(PLACES.double(), centres).amin(1)
    assert centres.shape == (20, 4)
    assert centres.dtype == torch.float64
    assert (nearest < 1).all()


def test_centres_are_the_means_of_their_rows() -> None:
    table = draw(900, 2, width=0.1)
    centres = fit_kmeans(table, 10, seed=3)
    labels, rows = assign_clusters(table, centres)[0], torch.cat(list(table.blocks())).double()
    for label in range(10):
        torch.testing.assert_close(centres[label], rows[labels == label].mean(0), rtol=0, atol=1e-4)


def test_the_seed_alone_decides() -> None:
    table = draw(900, 4)
    assert torch.equal(fit_kmeans(table, 7, seed=1), fit_kmeans(table, 7, seed=1))
    assert not torch.equal(fit_kmeans(table, 7, seed=1), fit_kmeans(table, 7, seed=2))


def test_many_rows_are_sampled() -> None:
    centres = fit_kmeans(draw(10_600, 5), 20)
    assert (torch.cdist(PLACES.double(), centres).amin(1) < 1).all()


def test_of_few_distinct_rows_there_are_few_centres() -> None:
    centres = fit_kmeans(FeatureTable.from_tensor(PLACES[:3].repeat(200, 1)), 8)
    torch.testing.assert_close(centres[centres[:, 2].argsort()].float(), PLACES[:3])


def test_an_empty_cluster_moves_to_the_farthest_row() -> None:
    rows = torch.tensor([[0.0, 0.0], [2.0, 0.0], [9.0, 0.0]])
    labels, apart = torch.tensor([0, 0, 0]), torch.tensor([1.0, 1.0, 64.0])
    found = _update_centers(rows, labels, apart, 2)
    torch.testing.assert_close(found, torch.tensor([[11 / 3, 0.0], [9.0, 0.0]]))


def test_assigning_is_the_naive_loop() -> None:
    table, centres = draw(1100, 6), draw(30, 7)
    centres = torch.cat(list(centres.blocks())).double()
    labels, distances = assign_clusters(table, centres)
    between = torch.cdist(
        torch.cat(list(table.blocks())).double(), centres, compute_mode="donot_use_mm_for_euclid_dist"
    )
    np.testing.assert_array_equal(labels, between.argmin(1).numpy())
    np.testing.assert_allclose(distances, between.amin(1).numpy(), rtol=1e-9)


def test_the_z_test_is_scipys() -> None:
    """z^2 is the chi-squared statistic of the two-by-two table without correction."""
    random = np.random.default_rng(8)
    for _ in range(30):
        a, b = random.integers(5, 60, 12), random.integers(5, 60, 12)
        p_values = [
            chi2_contingency([[a[i], a.sum() - a[i]], [b[i], b.sum() - b[i]]], correction=False).pvalue
            for i in range(12)
        ]
        assert compare_mode_counts(a, b).ndb == sum(p < 0.05 for p in p_values)


def test_the_divergence_is_scipys() -> None:
    a, b = np.array([0, 10, 20, 3]), np.array([7, 0, 100, 3])
    assert compare_mode_counts(a, b).js_divergence == pytest.approx(jensenshannon(a, b) ** 2, rel=1e-12)
    assert compare_mode_counts(np.array([5, 0]), np.array([0, 9])).js_divergence == pytest.approx(math.log(2))
    assert compare_mode_counts(a, 3 * a).js_divergence == pytest.approx(0, abs=1e-15)


def test_missing_by_hand() -> None:
    """Bin 1: p = .1, q = .01, pooled .055, z = .09 / sqrt(.055 x .945 x 2 / 1000) = 8.8, and 100 fakes expected.

    Bin 3 has a third of its expected fakes, which is different but not missing.
    """
    found = compare_mode_counts(np.array([750, 100, 50, 90, 10]), np.array([916, 10, 11, 30, 33]))
    assert found.missing == (MissingMode(1, 100, 100.0, 10), MissingMode(2, 50, 50.0, 11))
    assert found.ndb == 5


def test_a_bin_is_missing_at_a_level_shared_by_all_bins() -> None:
    """6 reals and no fakes of 1,000: z = .006 / sqrt(.003 x .997 x 2 / 1000) = 2.453."""
    assert norm.ppf(1 - 0.05 / 5) < 2.453 < norm.ppf(1 - 0.05 / 10)
    for count, missing in [(5, 1), (10, 0)]:
        empty = [0] * (count - 2)
        assert len(compare_mode_counts(np.array([6, 994, *empty]), np.array([0, 1000, *empty])).missing) == missing


def test_a_dropped_place_is_found() -> None:
    centres = fit_kmeans(draw(1500, 9), 15)
    kept = draw(1000, 11, PLACES[torch.arange(10) != 4])
    found = compare_mode_counts(counted(draw(1000, 10), centres), counted(kept, centres))
    lost = set(assign_clusters(draw(200, 12, PLACES[4:5]), centres)[0].tolist())
    assert {m.mode for m in found.missing} == lost
    assert sum(m.expected for m in found.missing) > 60  # 100 but for chance, 4 standard deviations
    assert all(m.num_generated == 0 for m in found.missing)


def same_distribution(width: int) -> list[ModeCounts]:
    """Bins by other rows than are counted, 40 times."""
    found = []
    for seed in range(40):
        random = torch.Generator().manual_seed(seed)
        fit, reals, fakes = (FeatureTable.from_tensor(torch.randn(600, width, generator=random)) for _ in range(3))
        centres = fit_kmeans(fit, 15, seed)
        found.append(compare_mode_counts(counted(reals, centres), counted(fakes, centres)))
    return found


@pytest.mark.parametrize("width", [2, 60])
def test_one_distribution_seems_different_as_often_as_stated(width: int) -> None:
    """5% of 600 bins, somewhat less where bins hold few: 2% to 8.5% is four standard deviations.

    A bin of 40 times 15 is missing with chance below 5% of 40 = 2; more than 4 such tables have chance 5% at most,
    and as a quarter of the expected must be found besides, less than 1%.
    """
    found = same_distribution(width)
    assert 0.02 < np.mean([b.ndb / b.num_modes for b in found]) < 0.085
    assert sum(bool(b.missing) for b in found) <= 4


def test_no_bins_are_missing_where_nothing_is() -> None:
    reals = np.array([50, 60, 70])
    assert compare_mode_counts(reals, reals) == ModeCounts(3, 0, 0.0, ())
    assert compare_mode_counts(np.array([9, 0]), np.array([5, 0])) == ModeCounts(2, 0, 0.0, ())


def test_refuses_what_cannot_be_counted() -> None:
    with pytest.raises(BadInput, match="into 6 clusters"):
        fit_kmeans(FeatureTable.from_tensor(PLACES[:5]), 6)
    with pytest.raises(BadInput, match="same bins"):
        compare_mode_counts(np.array([1, 2]), np.array([1, 2, 3]))
    with pytest.raises(BadInput, match="no images"):
        compare_mode_counts(np.array([1, 2]), np.array([0, 0]))
    with pytest.raises(BadInput, match="one feature network"):
        assign_clusters(FeatureTable.from_tensor(PLACES), torch.zeros(3, 5, dtype=torch.float64))
