"""Does the generator make its training images again?

Data-copying test: Meehan, Chaudhuri, Dasgupta 2020, arXiv:2004.05675. Authenticity: Alaa et al. 2022,
arXiv:2102.08921.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.class_counts import mean_score
from zerosum.evaluation.metrics.modes import assign_clusters, fit_kmeans
from zerosum.evaluation.metrics.nearest_neighbors import nearest_neighbors, nearest_other_neighbors
from zerosum.evaluation.metrics.score import Score

NEIGHBORS = 3
"""Nearest training images kept for each fake."""
MIN_IMAGES_PER_CELL = 20
"""Images of either kind that a cell must hold: from there on the test's statistic is as good as normal."""
IMAGES_PER_CELL, MAX_CELLS = 100, 20
"""Images of either kind for each cell, and cells at most, where their number is not given."""
EXACT_COPY_FRACTION = 1e-3
"""A fake nearer to a training image than this share of the held-out images' median distance is that image."""


@dataclass(frozen=True, eq=False)
class MemorizationResult:
    """How near N fakes come to training images, beside held-out reals, which are what honest samples look like."""

    c_t: float
    """Mean over cells of the z-score of fakes' distances to training images against held-out reals': well below 0
    where fakes copy, well above where they stay away (underfitting); NaN where no cell holds enough."""
    c_t_error: float
    """Standard deviation of `c_t` by chance alone, for fakes like the held-out reals: 1 / sqrt(cells) or more."""
    cell_z_scores: tuple[float, ...]
    """The z-score in each cell that counts."""
    authenticity: Score
    """Share of the fakes that do not lie nearer to a training image than its own nearest other one."""
    authenticity_floor: Score
    """The same of the held-out reals."""
    is_authentic: NDArray[np.bool_]
    """(N,) Which fakes these are."""
    neighbor_distances: NDArray[np.float64]
    """(N, 3) To the nearest training images, in rising order; fewer columns of fewer training images."""
    neighbor_indices: NDArray[np.int64]
    """(N, 3) Rows of these training images."""
    held_out_distances: NDArray[np.float64]
    """(M,) Of each held-out real to its nearest training image."""
    num_exact_copies: int
    """Fakes that are a training image, but for a thousandth of a held-out real's median distance."""


def measure_memorization(
    train: FeatureTable, held_out: FeatureTable, fakes: FeatureTable, num_cells: int | None = None, seed: int = 0
) -> MemorizationResult:
    """Compare N fakes' distances to the training images with those of M held-out reals.

    The cells are k-means clusters of the training images. In the paper a cell counts if it holds enough fakes; here it
    must hold 20 of the fakes and 20 of the held-out reals, and distances are those to the nearest training image
    anywhere, also beyond the cell. Cells are weighted by their held-out reals.

    Args:
        train: (T, D) features of what the generator was trained on.
        held_out: (M, D) features of other reals of the same distribution.
        fakes: (N, D) features.
        num_cells: how many; None for one for each 100 of the held-out reals or fakes, whichever are fewer, at most 20.
        seed: of the clusters.

    Raises:
        BadInput: fewer than 2 training images, none of the others, other widths, or more cells than training images.
    """
    _check_set_sizes(len(train), len(held_out), len(fakes))
    distances, indices = nearest_neighbors(fakes, train, min(NEIGHBORS, len(train)))
    held_nearest, held_rows = nearest_neighbors(held_out, train)
    held_distances, held_indices = held_nearest[:, 0], held_rows[:, 0]
    if num_cells is None:
        num_cells = max(1, min(len(held_out) // IMAGES_PER_CELL, len(fakes) // IMAGES_PER_CELL, MAX_CELLS, len(train)))
    centres = fit_kmeans(train, num_cells, seed)
    places, held_places = assign_clusters(fakes, centres)[0], assign_clusters(held_out, centres)[0]
    zs, weights = _cell_z_scores(places, distances[:, 0], held_places, held_distances)
    authentic, held_authentic = _authenticity_masks(
        train, (distances[:, 0], indices[:, 0]), (held_distances, held_indices)
    )
    return MemorizationResult(
        c_t=float(zs @ weights) if len(zs) else math.nan,
        c_t_error=math.sqrt(float(weights @ weights)) if len(zs) else math.nan,
        cell_z_scores=tuple(zs.tolist()),
        authenticity=mean_score(authentic),
        authenticity_floor=mean_score(held_authentic),
        is_authentic=authentic,
        neighbor_distances=distances,
        neighbor_indices=indices,
        held_out_distances=held_distances,
        num_exact_copies=int((distances[:, 0] <= EXACT_COPY_FRACTION * np.median(held_distances)).sum()),
    )


def mann_whitney_z(values: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """The z-score of the Mann-Whitney U test, below 0 where values (N,) tend to be smaller than others (M,).

    Equal values get the mean of their ranks, and the variance is corrected for them; 0 where all are equal. Without
    correction for continuity.
    """
    n, m = len(values), len(others)
    _, place, times = np.unique(np.concatenate([values, others]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(times) - (times - 1) / 2)[place]
    u = ranks[:n].sum() - n * (n + 1) / 2
    ties = float((times.astype(np.float64) ** 3 - times).sum()) / ((n + m) * (n + m - 1))
    variance = n * m / 12 * (n + m + 1 - ties)
    return float((u - n * m / 2) / math.sqrt(variance)) if variance > 0 else 0.0


def _check_set_sizes(num_train: int, num_held_out: int, num_fakes: int) -> None:
    if num_train < 2 or not num_held_out or not num_fakes:
        raise BadInput(
            "To look for copies there must be at least 2 training images, 1 held-out image and 1 sample; "
            f"there are {num_train}, {num_held_out} and {num_fakes}."
        )


def _cell_z_scores(
    cells: NDArray[np.int64],
    distances: NDArray[np.float64],
    held_out_cells: NDArray[np.int64],
    held_out_distances: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The z-scores of the cells that hold enough, and their weights, which add up to 1."""
    zs, counts = [], []
    for cell in np.unique(held_out_cells):
        mine, held = distances[cells == cell], held_out_distances[held_out_cells == cell]
        if min(len(mine), len(held)) >= MIN_IMAGES_PER_CELL:
            zs.append(mann_whitney_z(mine, held))
            counts.append(len(held))
    return np.array(zs), np.array(counts) / max(sum(counts), 1)


def _authenticity_masks(
    train: FeatureTable,
    fake_neighbors: tuple[NDArray[np.float64], NDArray[np.int64]],
    held_out_neighbors: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which fakes and which held-out reals are authentic, by distance to and row of the nearest training image.

    An exact copy is not, even of a training image that has a twin.
    """
    rows, place = np.unique(np.concatenate([fake_neighbors[1], held_out_neighbors[1]]), return_inverse=True)
    between = nearest_other_neighbors(train, rows)[0][place, 0]
    distances = np.concatenate([fake_neighbors[0], held_out_neighbors[0]])
    authentic = (distances >= between) & (distances > 0)
    return authentic[: len(fake_neighbors[0])], authentic[len(fake_neighbors[0]) :]
