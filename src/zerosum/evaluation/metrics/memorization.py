"""Memorization: whether the generator reproduces its training items.

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
from zerosum.evaluation.metrics.base import MetricInfo
from zerosum.evaluation.metrics.modes import assign_clusters, fit_kmeans
from zerosum.evaluation.metrics.nearest_neighbors import nearest_neighbors, nearest_other_neighbors
from zerosum.evaluation.metrics.score import Score, mean_score

NEIGHBORS = 3
"""Number of nearest training items kept for each fake."""
MIN_ITEMS_PER_CELL = 20
"""Fakes and held-out reals that a cell must hold at least, so that the test statistic is nearly normal."""
ITEMS_PER_CELL, MAX_CELLS = 100, 20
"""Default number of fakes and held-out reals per cell, and maximum number of cells."""
EXACT_COPY_FRACTION = 1e-3
"""A fake is an exact copy if it is nearer to a training item than this fraction of the median held-out distance."""


@dataclass(frozen=True, eq=False)
class MemorizationResult:
    """Distances of N fakes to the training items, compared with those of M held-out reals, which are not copies."""

    c_t: float
    """Mean over cells of the z-score of the fakes' distances to training items against those of held-out reals: well
    below 0 if fakes are copies, well above 0 if they stay away (underfitting); NaN if no cell holds enough items."""
    c_t_error: float
    """Standard deviation of `c_t` by chance, for fakes of the held-out reals' distribution: 1 / sqrt(cells) or more."""
    cell_z_scores: tuple[float, ...]
    """The z-score of each cell that holds enough items."""
    authenticity: Score
    """Fraction of the fakes that are not nearer to their nearest training item than its nearest other one is."""
    authenticity_floor: Score
    """The same fraction of the held-out reals."""
    is_authentic: NDArray[np.bool_]
    """(N,) whether each fake is authentic."""
    neighbor_distances: NDArray[np.float64]
    """(N, 3) distances to the nearest training items, ascending; fewer columns if there are fewer training items."""
    neighbor_indices: NDArray[np.int64]
    """(N, 3) rows of these training items."""
    held_out_distances: NDArray[np.float64]
    """(M,) distance of each held-out real to its nearest training item."""
    num_exact_copies: int
    """Number of fakes that equal a training item, up to a thousandth of the median held-out distance."""

    @property
    def nearest_ratio(self) -> float:
        """Median distance of fakes to the nearest training item over that of held-out reals; NaN where that is 0."""
        held_out = float(np.median(self.held_out_distances))
        return float(np.median(self.neighbor_distances[:, 0])) / held_out if held_out else math.nan


def measure_memorization(
    train: FeatureTable, held_out: FeatureTable, fakes: FeatureTable, num_cells: int | None = None, seed: int = 0
) -> MemorizationResult:
    """Compare the distances of N fakes to the training items with those of M held-out reals.

    Cells are k-means clusters of the training items. In the paper a cell counts if it holds enough fakes; here it must
    hold 20 of the fakes and 20 of the held-out reals, and the nearest training item may lie in another cell. Cells are
    weighted by their held-out reals.

    Args:
        train: (T, D) features of the items the generator was trained on.
        held_out: (M, D) features of other reals of the same distribution.
        fakes: (N, D) features.
        num_cells: number of cells; None: one per 100 held-out reals or fakes, whichever are fewer, at most 20.
        seed: seed of the clusters.

    Raises:
        BadInput: there are fewer than 2 training items, no held-out reals or no fakes, the numbers of features differ,
            or there are more cells than training items.
    """
    _check_set_sizes(len(train), len(held_out), len(fakes))
    distances, indices = nearest_neighbors(fakes, train, min(NEIGHBORS, len(train)))
    all_held_out_distances, all_held_out_indices = nearest_neighbors(held_out, train)
    held_out_distances, held_out_indices = all_held_out_distances[:, 0], all_held_out_indices[:, 0]
    if num_cells is None:
        num_cells = max(1, min(len(held_out) // ITEMS_PER_CELL, len(fakes) // ITEMS_PER_CELL, MAX_CELLS, len(train)))
    centers = fit_kmeans(train, num_cells, seed)
    cells, held_out_cells = assign_clusters(fakes, centers)[0], assign_clusters(held_out, centers)[0]
    z_scores, weights = _cell_z_scores(cells, distances[:, 0], held_out_cells, held_out_distances)
    is_authentic, is_held_out_authentic = _authenticity_masks(
        train, (distances[:, 0], indices[:, 0]), (held_out_distances, held_out_indices)
    )
    return MemorizationResult(
        c_t=float(z_scores @ weights) if len(z_scores) else math.nan,
        c_t_error=math.sqrt(float(weights @ weights)) if len(z_scores) else math.nan,
        cell_z_scores=tuple(z_scores.tolist()),
        authenticity=mean_score(is_authentic),
        authenticity_floor=mean_score(is_held_out_authentic),
        is_authentic=is_authentic,
        neighbor_distances=distances,
        neighbor_indices=indices,
        held_out_distances=held_out_distances,
        num_exact_copies=int((distances[:, 0] <= EXACT_COPY_FRACTION * np.median(held_out_distances)).sum()),
    )


def mann_whitney_z(values: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Return the z-score of the Mann-Whitney U test, below 0 if values (N,) tend to be smaller than others (M,).

    Ties get the mean of their ranks, and the variance is corrected for ties; 0 if all values are equal. There is no
    continuity correction.
    """
    n, m = len(values), len(others)
    _, inverse, counts = np.unique(np.concatenate([values, others]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    u = ranks[:n].sum() - n * (n + 1) / 2
    ties = float((counts.astype(np.float64) ** 3 - counts).sum()) / ((n + m) * (n + m - 1))
    variance = n * m / 12 * (n + m + 1 - ties)
    return float((u - n * m / 2) / math.sqrt(variance)) if variance > 0 else 0.0


def _check_set_sizes(num_train: int, num_held_out: int, num_fakes: int) -> None:
    if num_train < 2 or not num_held_out or not num_fakes:
        raise BadInput(
            "measuring memorization needs at least 2 training items, 1 held-out item and 1 sample, and there "
            f"are {num_train}, {num_held_out} and {num_fakes}: add items"
        )


def _cell_z_scores(
    cells: NDArray[np.int64],
    distances: NDArray[np.float64],
    held_out_cells: NDArray[np.int64],
    held_out_distances: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the z-scores of the cells that hold enough items, and their weights, which add up to 1."""
    z_scores, counts = [], []
    for cell in np.unique(held_out_cells):
        in_cell, held_out_in_cell = distances[cells == cell], held_out_distances[held_out_cells == cell]
        if min(len(in_cell), len(held_out_in_cell)) >= MIN_ITEMS_PER_CELL:
            z_scores.append(mann_whitney_z(in_cell, held_out_in_cell))
            counts.append(len(held_out_in_cell))
    return np.array(z_scores), np.array(counts) / max(sum(counts), 1)


def _authenticity_masks(
    train: FeatureTable,
    fake_neighbors: tuple[NDArray[np.float64], NDArray[np.int64]],
    held_out_neighbors: tuple[NDArray[np.float64], NDArray[np.int64]],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which fakes and which held-out reals are authentic, from distance and row of their nearest training item.

    An exact copy is not authentic, even of a training item that has a duplicate.
    """
    rows, inverse = np.unique(np.concatenate([fake_neighbors[1], held_out_neighbors[1]]), return_inverse=True)
    train_distances = nearest_other_neighbors(train, rows)[0][inverse, 0]
    distances = np.concatenate([fake_neighbors[0], held_out_neighbors[0]])
    is_authentic = (distances >= train_distances) & (distances > 0)
    return is_authentic[: len(fake_neighbors[0])], is_authentic[len(fake_neighbors[0]) :]


AUTHENTICITY = MetricInfo(
    "authenticity",
    "fraction of samples that are not copies of training {noun}s",
    lower_is_better=False,
    depends_on_sample_size=False,  # the floor is that of the held-out items
    depends_on_training_set=True,
    position=60,
)
DESCRIBED_SCORES = (AUTHENTICITY,)
