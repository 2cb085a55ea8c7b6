"""Looks: shapes, distances against a double loop, and the chance of being above against closed forms."""

import math
from statistics import NormalDist

import numpy as np
import pytest
import torch

from zerosum.evaluation.metrics.thumbnails import (
    THUMBNAIL_SIZE,
    EmbeddingSet,
    auc,
    cohens_d,
    energy_distance,
    mean_pairwise_distance,
    median_nn_distance,
    near_duplicate_rate,
    nearest_distances,
    thumbnail_features,
)


def draw(n: int, features: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, features)).astype(np.float32))


def apart(rows: torch.Tensor) -> np.ndarray:
    """(N, N) distances by a double loop in float64; infinite from a row to itself."""
    values, found = rows.double().numpy(), np.full((len(rows), len(rows)), np.inf)
    for i in range(len(rows)):
        for j in range(len(rows)):
            if i != j:
                found[i, j] = math.dist(values[i], values[j])
    return found


@pytest.mark.parametrize(
    ("shape", "numbers"), [((5, 2), 2), ((5, 3, 8, 8), 192), ((5, 1, 16, 16), 256), ((5, 3, 24, 24), 768)]
)
def test_a_look_is_a_row(shape: tuple[int, ...], numbers: int) -> None:
    rows = thumbnail_features(torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    assert rows.shape == (5, numbers)
    assert rows.dtype == torch.float32


def test_what_is_small_is_left_as_it_is_and_what_is_large_is_averaged() -> None:
    small = draw(2, 3 * 16 * 16).view(2, 3, 16, 16)
    assert torch.equal(thumbnail_features(small), small.flatten(1))
    large = draw(2, 3 * 64 * 64).view(2, 3, 64, 64)
    blocks = large.view(2, 3, THUMBNAIL_SIZE, 4, THUMBNAIL_SIZE, 4).mean((3, 5))
    np.testing.assert_allclose(thumbnail_features(large).numpy(), blocks.flatten(1).numpy(), atol=1e-6)


def test_a_look_keeps_no_graph() -> None:
    assert not thumbnail_features(draw(3).requires_grad_(True)).requires_grad


@pytest.mark.parametrize("n", [2, 7, 40])
def test_distances_are_those_of_a_double_loop(n: int) -> None:
    rows = draw(n)
    expected = apart(rows)
    assert mean_pairwise_distance(rows) == pytest.approx(expected[np.isfinite(expected)].mean(), rel=1e-5)
    np.testing.assert_allclose(nearest_distances(rows).numpy(), expected.min(1), rtol=1e-5)


def test_distances_of_equal_rows_are_nothing_at_all() -> None:
    rows = draw(1).repeat(64, 1) * 100
    assert mean_pairwise_distance(rows) == 0
    assert not nearest_distances(rows).any()


def test_how_far_is_the_median_to_the_nearest_of_others() -> None:
    rows, among = torch.tensor([[0.0, 0.0], [5.0, 0.0], [9.0, 0.0]]), torch.tensor([[0.0, 1.0], [5.0, 3.0], [9.0, 9.0]])
    assert median_nn_distance(rows, among) == 3
    assert median_nn_distance(rows, torch.cat([among, torch.tensor([[5.0, 0.5]])])) == 1


def test_how_far_is_exact_far_from_the_origin_too() -> None:
    """There a product of float32 rows errs by more than these points are apart."""
    among, others = 100 + 0.02 * draw(300, 2), 100 + 0.02 * draw(60, 2, seed=1)
    assert median_nn_distance(among[:60], among) == 0
    distances = np.linalg.norm(others.double().numpy()[:, None] - among.double().numpy(), axis=2)
    assert median_nn_distance(others, among) == pytest.approx(float(np.sort(distances.min(1))[29]), rel=1e-3)


def test_chances_of_being_above() -> None:
    low = torch.arange(10.0)
    assert auc(low + 10, low) == 1
    assert auc(low - 10, low) == 0
    assert auc(low, low) == 0.5
    assert auc(torch.zeros(4), torch.zeros(7)) == 0.5
    # 3 is above 1 and 2, equal to one 3 and below 4; 0 is above none
    assert auc(torch.tensor([3.0, 0.0]), torch.tensor([4.0, 1.0, 3.0, 2.0])) == (2.5 / 4 + 0) / 2


def test_two_gaussians_a_deviation_apart() -> None:
    """Phi(1 / sqrt 2). An auc's deviation is below sqrt(1 / (4 min(N, M))) = 0.008: false alarms 1 in 10^6 at five."""
    high, low = draw(4_000, 1, seed=1)[:, 0] + 1, draw(4_000, 1, seed=2)[:, 0]
    assert abs(auc(high, low) - NormalDist().cdf(1 / math.sqrt(2))) < 5 * 0.008
    assert auc(high, low) + auc(low, high) == pytest.approx(1, abs=1e-12)
    # the separation's deviation is about sqrt(2 / N) = 0.022
    assert abs(cohens_d(high, low) - 1) < 5 * 0.025


def test_separation_in_common_deviations() -> None:
    low = torch.tensor([-1.0, 1.0])  # variance 2
    high = torch.tensor([9.0, 11.0])
    assert cohens_d(high, low) == pytest.approx(10 / math.sqrt(2))
    assert cohens_d(low, high) == pytest.approx(-10 / math.sqrt(2))
    # only the mean of the two variances counts: 2 and 8
    assert cohens_d(torch.tensor([3.0, 7.0]), low) == pytest.approx(5 / math.sqrt(5))


@pytest.mark.parametrize("copied", [0, 10, 32])
def test_an_echo_is_the_share_of_samples_with_a_copy(copied: int) -> None:
    """Points of a grid two apart; so many pairs of them are moved together to an eighth of that."""
    grid = torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0)) * 2
    real = EmbeddingSet.from_features(grid)
    rows = grid.clone()
    rows[1 : 2 * copied : 2] = rows[0 : 2 * copied : 2] + torch.tensor([0.25, 0.0])
    assert near_duplicate_rate(EmbeddingSet.from_features(rows), real) == 2 * copied / 64
    # half as near as that is far enough
    rows[1 : 2 * copied : 2] = rows[0 : 2 * copied : 2] + torch.tensor([0.6, 0.0])
    assert near_duplicate_rate(EmbeddingSet.from_features(rows), real) == 0


def test_a_crowd_knows_its_own_spread_and_neighbours() -> None:
    rows = draw(30)
    crowd, expected = EmbeddingSet.from_features(rows), apart(rows)
    assert crowd.mean_pairwise_distance == pytest.approx(expected[np.isfinite(expected)].mean(), rel=1e-5)
    fifth = np.sort(expected, axis=1)[:, 4] ** 2
    np.testing.assert_allclose(crowd.self_distances.squared_radii.numpy(), fifth, rtol=1e-5)


def test_the_energy_distance_of_two_points_is_twice_their_distance() -> None:
    here, there = torch.zeros(5, 3), torch.zeros(7, 3) + torch.tensor([3.0, 4.0, 0.0])
    assert energy_distance(here, 0.0, there, 0.0) == pytest.approx(10.0)


def test_the_energy_distance_is_nothing_on_average_between_draws_of_the_same() -> None:
    """200 pairs of draws: the mean is within four of its standard errors, a false alarm in 16,000."""
    found = []
    for number in range(200):
        one, other = draw(40, seed=2 * number), draw(40, seed=2 * number + 1)
        found.append(energy_distance(one, mean_pairwise_distance(one), other, mean_pairwise_distance(other)))
    assert abs(np.mean(found)) < 4 * np.std(found) / math.sqrt(len(found))


def test_the_energy_distance_of_shifted_normals() -> None:
    """In one dimension E|x - y| of normals with means m apart is sqrt(2) E|z + m / sqrt(2)|, a folded normal's mean."""
    m, normal = 1.5, NormalDist()
    folded = math.sqrt(2 / math.pi) * math.exp(-(m**2) / 4) + m / math.sqrt(2) * (1 - 2 * normal.cdf(-m / math.sqrt(2)))
    expected = 2 * math.sqrt(2) * folded - 2 * 2 / math.sqrt(math.pi)
    one, other = draw(3000, 1), draw(3000, 1, seed=1) + m
    assert energy_distance(one, mean_pairwise_distance(one), other, mean_pairwise_distance(other)) == pytest.approx(
        expected, abs=0.06
    )
