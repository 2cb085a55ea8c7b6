"""Two-dimensional mixtures of Gaussians, whose exact density is known, so that samples can be evaluated against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POINT_COUNT = 50_000
"""Number of points in a dataset."""
DATA_SEED = 0
"""Seed of the points, so that a dataset such as `ring` is the same everywhere."""
_CHUNK_POINTS = 4_096  # points whose distances to all modes are in memory at once: 4,096 x 200 float64 is 7 MB


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """A mixture of isotropic Gaussians in the plane, all of the same weight and standard deviation.

    Example:
        >>> ring = make_ring_mixture()
        >>> ring.sample(1000, seed=0).shape
        (1000, 2)
    """

    name: str
    modes: NDArray[np.float64]
    """(K, 2) means of the Gaussians."""
    std: float
    """The standard deviation of each Gaussian along each axis."""

    def sample(self, n: int, seed: int) -> NDArray[np.float32]:
        """Draw `n` independent points (n, 2); the same seed gives the same points."""
        rng = np.random.default_rng(seed)
        means = self.modes[rng.integers(len(self.modes), size=n)]
        return (means + self.std * rng.standard_normal((n, 2))).astype(np.float32)

    def log_density(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Compute the natural logarithm of the density at the points (n, 2): (n,) float64, finite everywhere."""
        chunks = [self._log_density(points[i : i + _CHUNK_POINTS]) for i in range(0, len(points), _CHUNK_POINTS)]
        return np.concatenate(chunks) if chunks else np.zeros(0)

    def mode_fractions(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Compute the fraction of the points (n, 2) that belong to each mode: (K,) float64, adding up to at most 1.

        A point belongs to its nearest mode if it is at most 3 standard deviations away (98.9% of a single Gaussian).
        For the 8 modes of the ring and the 25 of the grid, a mode is covered if it has more than 2% of the points; each
        of the 200 modes of the spiral is expected to have 0.5%.
        """
        nearest, distance = self._nearest_modes(points)
        within = nearest[distance <= 3 * self.std]
        counts = np.bincount(within, minlength=len(self.modes))
        return counts.astype(np.float64) / max(len(points), 1)

    def _log_density(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        exponents = -_squared_distances(points, self.modes) / (2 * self.std**2)
        peak = exponents.max(axis=1)
        total = np.log(np.exp(exponents - peak[:, None]).sum(axis=1)) + peak
        density: NDArray[np.float64] = total - np.log(len(self.modes) * 2 * np.pi * self.std**2)
        return density

    def _nearest_modes(self, points: NDArray[np.floating]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        nearest, distance = np.zeros(len(points), np.int64), np.zeros(len(points))
        for i in range(0, len(points), _CHUNK_POINTS):
            squared = _squared_distances(points[i : i + _CHUNK_POINTS], self.modes)
            nearest[i : i + _CHUNK_POINTS] = squared.argmin(axis=1)
            distance[i : i + _CHUNK_POINTS] = np.sqrt(squared.min(axis=1))
        return nearest, distance


def make_ring_mixture() -> GaussianMixture:
    """Return eight Gaussians of standard deviation 0.02 on a circle of radius 2."""
    angles = np.arange(8) * (2 * np.pi / 8)
    return GaussianMixture("ring", 2.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1), std=0.02)


def make_grid_mixture() -> GaussianMixture:
    """Return twenty-five Gaussians of standard deviation 0.05 at {-4, -2, 0, 2, 4}^2."""
    side = np.arange(-4.0, 5.0, 2.0)
    return GaussianMixture("grid", np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2), std=0.05)


def make_spiral_mixture() -> GaussianMixture:
    """Return two opposite arms of an Archimedean spiral, one turn each, from radius 0.4 to radius 2.

    The density is exactly a mixture of 100 Gaussians per arm, of standard deviation 0.06, spaced evenly along the arm.
    They are 1.4 standard deviations apart, so that the density along the arm varies by less than 0.1%.
    """
    turn = np.linspace(0.0, 2 * np.pi, 10_001)
    radius = 0.4 + 1.6 * turn / (2 * np.pi)
    curve = radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    even_lengths = np.linspace(0.0, length[-1], 100)
    arm = np.stack([np.interp(even_lengths, length, curve[:, axis]) for axis in (0, 1)], axis=1)
    return GaussianMixture("spiral", np.concatenate([arm, -arm]), std=0.06)


MIXTURES = {mixture.name: mixture for mixture in (make_ring_mixture(), make_grid_mixture(), make_spiral_mixture())}
"""The built-in mixtures by name."""


def _squared_distances(points: NDArray[np.floating], modes: NDArray[np.float64]) -> NDArray[np.float64]:
    offsets = points.astype(np.float64)[:, None, :] - modes[None, :, :]
    squared: NDArray[np.float64] = np.einsum("nkd,nkd->nk", offsets, offsets)
    return squared
