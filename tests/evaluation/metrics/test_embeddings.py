"""Thumbnails: shapes and distances against a double loop."""

import math

import numpy as np
import pytest
import torch

from zerosum.data.images.thumbnails import THUMBNAIL_SIZE, thumbnail_features
from zerosum.evaluation.metrics.embeddings import (
    EmbeddingSet,
    mean_pairwise_distance,
    median_nn_distance,
    near_duplicate_rate,
    nearest_distances,
)


def draw(n: int, features: int = 3, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((n, features)).astype(np.float32))


def naive_distances(rows: torch.Tensor) -> np.ndarray:
    """(N, N) distances by a double loop in float64; infinite from a row to itself."""
    values, distances = rows.double().numpy(), np.full((len(rows), len(rows)), np.inf)
    for i in range(len(rows)):
        for j in range(len(rows)):
            if i != j:
                distances[i, j] = math.dist(values[i], values[j])
    return distances


@pytest.mark.parametrize(
    ("shape", "num_features"), [((5, 2), 2), ((5, 3, 8, 8), 192), ((5, 1, 16, 16), 256), ((5, 3, 24, 24), 768)]
)
def test_thumbnail_features_are_float32_rows(shape: tuple[int, ...], num_features: int) -> None:
    rows = thumbnail_features(torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    assert rows.shape == (5, num_features)
    assert rows.dtype == torch.float32


def test_small_images_are_unchanged_and_large_ones_are_averaged() -> None:
    small = draw(2, 3 * 16 * 16).view(2, 3, 16, 16)
    assert torch.equal(thumbnail_features(small), small.flatten(1))
    large = draw(2, 3 * 64 * 64).view(2, 3, 64, 64)
    blocks = large.view(2, 3, THUMBNAIL_SIZE, 4, THUMBNAIL_SIZE, 4).mean((3, 5))
    np.testing.assert_allclose(thumbnail_features(large).numpy(), blocks.flatten(1).numpy(), atol=1e-6)


def test_thumbnail_features_are_detached() -> None:
    assert not thumbnail_features(draw(3).requires_grad_(True)).requires_grad


@pytest.mark.parametrize("n", [2, 7, 40])
def test_distances_equal_a_double_loop(n: int) -> None:
    rows = draw(n)
    expected = naive_distances(rows)
    assert mean_pairwise_distance(rows) == pytest.approx(expected[np.isfinite(expected)].mean(), rel=1e-5)
    np.testing.assert_allclose(nearest_distances(rows).numpy(), expected.min(1), rtol=1e-5)


def test_distances_of_equal_rows_are_exactly_zero() -> None:
    rows = draw(1).repeat(64, 1) * 100
    assert mean_pairwise_distance(rows) == 0
    assert not nearest_distances(rows).any()


def test_median_nn_distance_by_hand() -> None:
    rows = torch.tensor([[0.0, 0.0], [5.0, 0.0], [9.0, 0.0]])
    reference = torch.tensor([[0.0, 1.0], [5.0, 3.0], [9.0, 9.0]])
    assert median_nn_distance(rows, reference) == 3
    assert median_nn_distance(rows, torch.cat([reference, torch.tensor([[5.0, 0.5]])])) == 1


def test_median_nn_distance_is_exact_far_from_the_origin() -> None:
    """There products of float32 rows have a larger error than the distances of these points."""
    reference, rows = 100 + 0.02 * draw(300, 2), 100 + 0.02 * draw(60, 2, seed=1)
    assert median_nn_distance(reference[:60], reference) == 0
    distances = np.linalg.norm(rows.double().numpy()[:, None] - reference.double().numpy(), axis=2)
    assert median_nn_distance(rows, reference) == pytest.approx(float(np.sort(distances.min(1))[29]), rel=1e-3)


@pytest.mark.parametrize("num_copies", [0, 10, 32])
def test_near_duplicate_rate_is_the_fraction_of_samples_with_a_copy(num_copies: int) -> None:
    """Points of a grid with spacing 2, where some pairs are moved together to an eighth of it."""
    grid = torch.cartesian_prod(torch.arange(8.0), torch.arange(8.0)) * 2
    real = EmbeddingSet.from_features(grid)
    rows = grid.clone()
    rows[1 : 2 * num_copies : 2] = rows[0 : 2 * num_copies : 2] + torch.tensor([0.25, 0.0])
    assert near_duplicate_rate(EmbeddingSet.from_features(rows), real) == 2 * num_copies / 64
    # at 0.6, above a quarter of the spacing, they are not near duplicates
    rows[1 : 2 * num_copies : 2] = rows[0 : 2 * num_copies : 2] + torch.tensor([0.6, 0.0])
    assert near_duplicate_rate(EmbeddingSet.from_features(rows), real) == 0


def test_embedding_set_has_its_mean_distance_and_radii() -> None:
    rows = draw(30)
    embeddings, expected = EmbeddingSet.from_features(rows), naive_distances(rows)
    assert embeddings.mean_pairwise_distance == pytest.approx(expected[np.isfinite(expected)].mean(), rel=1e-5)
    squared_radii = np.sort(expected, axis=1)[:, 4] ** 2
    np.testing.assert_allclose(embeddings.self_distances.squared_radii.numpy(), squared_radii, rtol=1e-5)
