"""Two-dimensional toys: mixtures of Gaussians, so that samples can be judged against the exact density."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POINT_COUNT = 50_000
"""How many points are drawn to make a data set."""
DATA_SEED = 0
"""The seed they are drawn with, so that everyone's `ring` is the same."""
_CHUNK_POINTS = 4_096  # points whose distances to every mode are held at once: 4,096 x 200 float64 is 7 MB


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """An even mixture of round Gaussians in the plane."""

    name: str
    modes: NDArray[np.float64]
    """(K, 2) centres."""
    std: float
    """The standard deviation of each Gaussian along each axis."""

    def sample(self, n: int, seed: int) -> NDArray[np.float32]:
        """So many independent points (n, 2), the same for the same seed."""
        random = np.random.default_rng(seed)
        centres = self.modes[random.integers(len(self.modes), size=n)]
        return (centres + self.std * random.standard_normal((n, 2))).astype(np.float32)

    def log_density(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """The natural logarithm of the density at the points (n, 2): (n,) float64, finite everywhere."""
        chunks = [self._log_density(points[i : i + _CHUNK_POINTS]) for i in range(0, len(points), _CHUNK_POINTS)]
        return np.concatenate(chunks) if chunks else np.zeros(0)

    def mode_fractions(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """How much of the samples (n, 2) each mode holds: (K,) float64, adding up to at most 1.

        A mode holds the points to which it is the nearest mode, at most 3 sd away (98.9% of a lone
        Gaussian). Of the ring's 8 and the grid's 25, a mode counts as found when it holds more than 2% of
        the samples; the spiral's 200 are waypoints, each due 0.5%.
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
    """Eight Gaussians of sd 0.02 on a circle of radius 2."""
    angles = np.arange(8) * (2 * np.pi / 8)
    return GaussianMixture("ring", 2.0 * np.stack([np.cos(angles), np.sin(angles)], axis=1), std=0.02)


def make_grid_mixture() -> GaussianMixture:
    """Twenty-five Gaussians of sd 0.05 at {-4, -2, 0, 2, 4}^2."""
    side = np.arange(-4.0, 5.0, 2.0)
    return GaussianMixture("grid", np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2), std=0.05)


def make_spiral_mixture() -> GaussianMixture:
    """Two arms of Archimedes' spiral, one turn each, from radius 0.4 to 2, opposite each other.

    The density is exactly a mixture of 100 Gaussians an arm, of sd 0.06, spaced evenly along its length.
    They stand 1.4 sd apart, at which the density along the arm ripples by less than 0.1%: to the eye a
    smooth noisy curve.
    """
    turn = np.linspace(0.0, 2 * np.pi, 10_001)
    radius = 0.4 + 1.6 * turn / (2 * np.pi)
    curve = radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    evenly = np.linspace(0.0, length[-1], 100)
    arm = np.stack([np.interp(evenly, length, curve[:, axis]) for axis in (0, 1)], axis=1)
    return GaussianMixture("spiral", np.concatenate([arm, -arm]), std=0.06)


MIXTURES = {toy.name: toy for toy in (make_ring_mixture(), make_grid_mixture(), make_spiral_mixture())}
"""The toys by the names they are asked for."""


def _squared_distances(points: NDArray[np.floating], modes: NDArray[np.float64]) -> NDArray[np.float64]:
    offsets = points.astype(np.float64)[:, None, :] - modes[None, :, :]
    squared: NDArray[np.float64] = np.einsum("nkd,nkd->nk", offsets, offsets)
    return squared
