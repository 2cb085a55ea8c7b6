"""k-means and mode counts: known clusters are found, and statistics equal scipy's and have documented error rates."""

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

MODES = torch.tensor([[20.0 * math.cos(i), 20.0 * math.sin(i), 5.0 * i, 100.0] for i in range(10)])


def draw(rows: int, seed: int, modes: torch.Tensor = MODES, deviation: float = 0.5) -> FeatureTable:
    """Points around the modes, each equally likely."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(len(modes), (rows,), generator=generator)
    return FeatureTable.from_tensor(modes[labels] + deviation * torch.randn(rows, modes.shape[1], generator=generator))


def count_rows(table: FeatureTable, centers: torch.Tensor) -> np.ndarray:
    return np.bincount(assign_clusters(table, centers)[0], minlength=len(centers))


def test_kmeans_finds_all_modes() -> None:
    """With two centers per mode, since k-means++ with one per mode may leave a mode without its own."""
    centers = fit_kmeans(draw(2000, 1), 20)
    nearest = torch.cdist(MODES.double(), centers).amin(1)
    assert centers.shape == (20, 4)
    assert centers.dtype == torch.float64
    assert (nearest < 1).all()


def test_centers_are_the_means_of_their_rows() -> None:
    table = draw(900, 2, deviation=0.1)
    centers = fit_kmeans(table, 10, seed=3)
    labels, rows = assign_clusters(table, centers)[0], torch.cat(list(table.blocks())).double()
    for label in range(10):
        torch.testing.assert_close(centers[label], rows[labels == label].mean(0), rtol=0, atol=1e-4)


def test_kmeans_is_reproducible_by_its_seed() -> None:
    table = draw(900, 4)
    assert torch.equal(fit_kmeans(table, 7, seed=1), fit_kmeans(table, 7, seed=1))
    assert not torch.equal(fit_kmeans(table, 7, seed=1), fit_kmeans(table, 7, seed=2))


def test_kmeans_subsamples_many_rows() -> None:
    centers = fit_kmeans(draw(10_600, 5), 20)
    assert (torch.cdist(MODES.double(), centers).amin(1) < 1).all()


def test_few_distinct_rows_give_few_centers() -> None:
    centers = fit_kmeans(FeatureTable.from_tensor(MODES[:3].repeat(200, 1)), 8)
    torch.testing.assert_close(centers[centers[:, 2].argsort()].float(), MODES[:3])


def test_an_empty_cluster_moves_to_the_farthest_row() -> None:
    rows = torch.tensor([[0.0, 0.0], [2.0, 0.0], [9.0, 0.0]])
    labels, squared_distances = torch.tensor([0, 0, 0]), torch.tensor([1.0, 1.0, 64.0])
    centers = _update_centers(rows, labels, squared_distances, 2)
    torch.testing.assert_close(centers, torch.tensor([[11 / 3, 0.0], [9.0, 0.0]]))


def test_assign_clusters_equals_exact_distances() -> None:
    table, centers = draw(1100, 6), torch.cat(list(draw(30, 7).blocks())).double()
    labels, distances = assign_clusters(table, centers)
    expected = torch.cdist(
        torch.cat(list(table.blocks())).double(), centers, compute_mode="donot_use_mm_for_euclid_dist"
    )
    np.testing.assert_array_equal(labels, expected.argmin(1).numpy())
    np.testing.assert_allclose(distances, expected.amin(1).numpy(), rtol=1e-9)


def test_ndb_equals_scipys_chi_squared_test() -> None:
    """z^2 is the chi-squared statistic of the two-by-two table without correction."""
    rng = np.random.default_rng(8)
    for _ in range(30):
        a, b = rng.integers(5, 60, 12), rng.integers(5, 60, 12)
        p_values = [
            chi2_contingency([[a[i], a.sum() - a[i]], [b[i], b.sum() - b[i]]], correction=False).pvalue
            for i in range(12)
        ]
        assert compare_mode_counts(a, b).ndb == sum(p < 0.05 for p in p_values)


def test_js_divergence_equals_scipy() -> None:
    a, b = np.array([0, 10, 20, 3]), np.array([7, 0, 100, 3])
    assert compare_mode_counts(a, b).js_divergence == pytest.approx(jensenshannon(a, b) ** 2, rel=1e-12)
    assert compare_mode_counts(np.array([5, 0]), np.array([0, 9])).js_divergence == pytest.approx(math.log(2))
    assert compare_mode_counts(a, 3 * a).js_divergence == pytest.approx(0, abs=1e-15)


def test_missing_modes_by_hand() -> None:
    """Mode 1: p = .1, q = .01, pooled .055, z = .09 / sqrt(.055 x .945 x 2 / 1000) = 8.8, and 100 fakes are expected.

    Mode 3 has a third of its expected fakes: it is different but not missing.
    """
    result = compare_mode_counts(np.array([750, 100, 50, 90, 10]), np.array([916, 10, 11, 30, 33]))
    assert result.missing == (MissingMode(1, 100, 100.0, 10), MissingMode(2, 50, 50.0, 11))
    assert result.ndb == 5


def test_significance_level_of_a_missing_mode_is_divided_by_the_number_of_modes() -> None:
    """6 reals and no fakes of 1,000: z = .006 / sqrt(.003 x .997 x 2 / 1000) = 2.453."""
    assert norm.ppf(1 - 0.05 / 5) < 2.453 < norm.ppf(1 - 0.05 / 10)
    for num_modes, num_missing in [(5, 1), (10, 0)]:
        empty = [0] * (num_modes - 2)
        result = compare_mode_counts(np.array([6, 994, *empty]), np.array([0, 1000, *empty]))
        assert len(result.missing) == num_missing


def test_a_dropped_mode_is_found() -> None:
    centers = fit_kmeans(draw(1500, 9), 15)
    fakes = draw(1000, 11, MODES[torch.arange(10) != 4])
    result = compare_mode_counts(count_rows(draw(1000, 10), centers), count_rows(fakes, centers))
    dropped = set(assign_clusters(draw(200, 12, MODES[4:5]), centers)[0].tolist())
    assert {m.mode for m in result.missing} == dropped
    assert sum(m.expected for m in result.missing) > 60  # 100 on average, minus 4 standard deviations
    assert all(m.num_generated == 0 for m in result.missing)


def compare_draws_of_one_distribution(width: int) -> list[ModeCounts]:
    """Compare two sets of one distribution 40 times, with clusters fitted to a third."""
    results = []
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        fitted, reals, fakes = (
            FeatureTable.from_tensor(torch.randn(600, width, generator=generator)) for _ in range(3)
        )
        centers = fit_kmeans(fitted, 15, seed)
        results.append(compare_mode_counts(count_rows(reals, centers), count_rows(fakes, centers)))
    return results


@pytest.mark.parametrize("width", [2, 60])
def test_false_alarm_rates_of_one_distribution_are_as_documented(width: int) -> None:
    """5% of 600 modes differ, somewhat fewer where modes are small: 2% to 8.5% is four standard deviations.

    In less than 5% of 40 comparisons = 2 any mode is missing; more than 4 have a probability of at most 5%, and of less
    than 1% since a missing mode must also have less than a quarter of the expected fakes.
    """
    results = compare_draws_of_one_distribution(width)
    assert 0.02 < np.mean([result.ndb / result.num_modes for result in results]) < 0.085
    assert sum(bool(result.missing) for result in results) <= 4


def test_equal_counts_have_no_missing_modes() -> None:
    reals = np.array([50, 60, 70])
    assert compare_mode_counts(reals, reals) == ModeCounts(3, 0, 0.0, ())
    assert compare_mode_counts(np.array([9, 0]), np.array([5, 0])) == ModeCounts(2, 0, 0.0, ())


def test_invalid_inputs_are_refused() -> None:
    with pytest.raises(BadInput, match="into 6 clusters"):
        fit_kmeans(FeatureTable.from_tensor(MODES[:5]), 6)
    with pytest.raises(BadInput, match="same modes"):
        compare_mode_counts(np.array([1, 2]), np.array([1, 2, 3]))
    with pytest.raises(BadInput, match="no items"):
        compare_mode_counts(np.array([1, 2]), np.array([0, 0]))
    with pytest.raises(BadInput, match="one feature network"):
        assign_clusters(FeatureTable.from_tensor(MODES), torch.zeros(3, 5, dtype=torch.float64))
