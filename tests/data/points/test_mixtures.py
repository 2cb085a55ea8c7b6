"""The toys' densities are those of their draws: every bound states how often chance would break it."""

import numpy as np
import pytest

from zerosum.data.points.mixtures import MIXTURES, GaussianMixture

EACH = pytest.mark.parametrize("toy", MIXTURES.values(), ids=MIXTURES)


def cells(toy: GaussianMixture, side: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Midpoints (M, 2) of a square grid over [-side, side]^2 and the mass of each cell by the midpoint rule."""
    middle = np.arange(-side + width / 2, side, width)
    points = np.stack(np.meshgrid(middle, middle, indexing="ij"), axis=-1).reshape(-1, 2)
    return points, np.exp(toy.log_density(points)) * width**2


@EACH
def test_the_density_integrates_to_one(toy: GaussianMixture) -> None:
    """At cells of half an sd the midpoint rule errs by less than 1e-8 on a Gaussian; float64 by less."""
    near = np.abs(toy.modes).max() + 8 * toy.std
    total = sum(
        np.exp(toy.log_density(np.stack(np.meshgrid(strip, whole, indexing="ij"), axis=-1).reshape(-1, 2))).sum()
        for whole in [np.arange(-near, near, toy.std / 2)]
        for strip in np.array_split(whole, 8)
    )
    assert total * (toy.std / 2) ** 2 == pytest.approx(1.0, abs=1e-6)


@EACH
def test_the_density_is_the_histogram_of_the_draws(toy: GaussianMixture) -> None:
    """Pearson's statistic over bins of 10 expected points or more; 6 sd off its mean is rarer than 1 in 500,000."""
    n, width = 50_000, 1.5 * toy.std
    middle = np.arange(-1.5, 1.5) * width  # nine bins around each mode that no other mode's bins meet
    few = toy.modes[:: 8 if toy.name == "spiral" else 1]
    points = toy.sample(n, seed=1)
    statistic, bins = 0.0, 0
    for mode in few:
        offsets = (points - mode) / width + 1.5
        inside = offsets[((offsets >= 0) & (offsets < 3)).all(axis=1)].astype(int)
        found = np.bincount(inside[:, 0] * 3 + inside[:, 1], minlength=9)
        expected = n * cell_masses(toy, mode, middle, width)
        assert expected.min() > 10
        statistic += ((found - expected) ** 2 / expected).sum()
        bins += 9
    assert abs(statistic - bins) < 6 * np.sqrt(2 * bins)


def cell_masses(toy: GaussianMixture, mode: np.ndarray, middle: np.ndarray, width: float) -> np.ndarray:
    fine = np.concatenate([centre + width * (np.arange(12) + 0.5) / 12 for centre in middle])
    grid = mode + np.stack(np.meshgrid(fine, fine, indexing="ij"), axis=-1).reshape(-1, 2)
    mass = np.exp(toy.log_density(grid)) * (width / 12) ** 2
    return mass.reshape(3, 12, 3, 12).sum(axis=(1, 3)).reshape(9)


@EACH
def test_draws_are_repeatable_and_points(toy: GaussianMixture) -> None:
    first = toy.sample(1000, seed=3)
    assert first.dtype == np.float32
    assert first.shape == (1000, 2)
    assert (first == toy.sample(1000, seed=3)).all()
    assert (first != toy.sample(1000, seed=4)).any()
    assert toy.sample(0, seed=0).shape == (0, 2)
    assert toy.log_density(np.zeros((0, 2))).shape == (0,)


def test_the_density_is_finite_far_away() -> None:
    assert np.isfinite(MIXTURES["ring"].log_density(np.array([[1e6, -1e6]]))).all()


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25)])
def test_a_good_sample_is_held_by_every_mode_and_a_collapsed_one_by_one(name: str, modes: int) -> None:
    """Each share is binomial; 6 sd from its mean is passed once in 5e8."""
    toy, n = MIXTURES[name], 20_000
    share = (1 - np.exp(-4.5)) / modes  # a Gaussian in the plane has exp(-4.5) of its mass beyond 3 sd
    held = toy.mode_fractions(toy.sample(n, seed=0))
    assert held.shape == (modes,)
    assert np.abs(held - share).max() < 6 * np.sqrt(share / n)
    assert (held > 0.02).sum() == modes
    collapsed = np.tile(toy.modes[3], (100, 1))
    assert toy.mode_fractions(collapsed).tolist() == [1.0 if k == 3 else 0.0 for k in range(modes)]
    assert toy.mode_fractions(np.full((10, 2), 50.0)).sum() == 0
    assert toy.mode_fractions(np.zeros((0, 2))).sum() == 0


def test_the_places_of_the_modes() -> None:
    assert np.linalg.norm(MIXTURES["ring"].modes, axis=1) == pytest.approx(np.full(8, 2.0))
    assert sorted(map(tuple, MIXTURES["grid"].modes)) == [(x, y) for x in range(-4, 5, 2) for y in range(-4, 5, 2)]


def test_the_spiral_is_smooth_along_its_arms() -> None:
    spiral = MIXTURES["spiral"]
    arm = spiral.modes[:100]
    steps = np.linalg.norm(np.diff(arm, axis=0), axis=1)
    assert steps.max() / steps.min() < 1.01
    ridge = spiral.log_density(np.concatenate([arm[20:80], (arm[20:79] + arm[21:80]) / 2]))
    assert np.ptp(ridge) < 0.01
    assert (spiral.modes[100:] == -arm).all()
