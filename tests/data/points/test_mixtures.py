"""The density of each mixture matches its samples: every bound says how often chance would break it."""

import numpy as np
import pytest

from zerosum.data.points.mixtures import MIXTURES, GaussianMixture

EACH_MIXTURE = pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)


@EACH_MIXTURE
def test_the_density_integrates_to_one(mixture: GaussianMixture) -> None:
    """At cells of half a std the error of the midpoint rule on a Gaussian is below 1e-8, that of float64 is smaller."""
    limit = np.abs(mixture.modes).max() + 8 * mixture.std
    coordinates = np.arange(-limit, limit, mixture.std / 2)
    total = sum(
        np.exp(
            mixture.log_density(np.stack(np.meshgrid(strip, coordinates, indexing="ij"), axis=-1).reshape(-1, 2))
        ).sum()
        for strip in np.array_split(coordinates, 8)
    )
    assert total * (mixture.std / 2) ** 2 == pytest.approx(1.0, abs=1e-6)


@EACH_MIXTURE
def test_the_density_matches_the_histogram_of_samples(mixture: GaussianMixture) -> None:
    """Pearson's statistic over bins of 10 expected points or more; 6 std off its mean is rarer than 1 in 500,000."""
    n, width = 50_000, 1.5 * mixture.std
    bin_starts = np.arange(-1.5, 1.5) * width  # nine bins around each mode that do not overlap those of other modes
    tested_modes = mixture.modes[:: 8 if mixture.name == "spiral" else 1]
    points = mixture.sample(n, seed=1)
    statistic, bins = 0.0, 0
    for mode in tested_modes:
        offsets = (points - mode) / width + 1.5
        inside = offsets[((offsets >= 0) & (offsets < 3)).all(axis=1)].astype(int)
        observed = np.bincount(inside[:, 0] * 3 + inside[:, 1], minlength=9)
        expected = n * bin_masses(mixture, mode, bin_starts, width)
        assert expected.min() > 10
        statistic += ((observed - expected) ** 2 / expected).sum()
        bins += 9
    assert abs(statistic - bins) < 6 * np.sqrt(2 * bins)


def bin_masses(mixture: GaussianMixture, mode: np.ndarray, bin_starts: np.ndarray, width: float) -> np.ndarray:
    """Integrate the density over 3 x 3 bins by the midpoint rule on 12 x 12 cells per bin."""
    fine = np.concatenate([start + width * (np.arange(12) + 0.5) / 12 for start in bin_starts])
    grid = mode + np.stack(np.meshgrid(fine, fine, indexing="ij"), axis=-1).reshape(-1, 2)
    mass = np.exp(mixture.log_density(grid)) * (width / 12) ** 2
    return mass.reshape(3, 12, 3, 12).sum(axis=(1, 3)).reshape(9)


@EACH_MIXTURE
def test_samples_are_reproducible(mixture: GaussianMixture) -> None:
    first = mixture.sample(1000, seed=3)
    assert first.dtype == np.float32
    assert first.shape == (1000, 2)
    assert (first == mixture.sample(1000, seed=3)).all()
    assert (first != mixture.sample(1000, seed=4)).any()
    assert mixture.sample(0, seed=0).shape == (0, 2)
    assert mixture.log_density(np.zeros((0, 2))).shape == (0,)


def test_the_density_is_finite_far_away() -> None:
    assert np.isfinite(MIXTURES["ring"].log_density(np.array([[1e6, -1e6]]))).all()


@pytest.mark.parametrize(("name", "modes"), [("ring", 8), ("grid", 25)])
def test_mode_fractions_of_good_and_of_collapsed_samples(name: str, modes: int) -> None:
    """Each count is binomial; 6 std from its mean is exceeded once in 5e8."""
    mixture, n = MIXTURES[name], 20_000
    expected = (1 - np.exp(-4.5)) / modes  # a Gaussian in the plane has exp(-4.5) of its mass beyond 3 std
    fractions = mixture.mode_fractions(mixture.sample(n, seed=0))
    assert fractions.shape == (modes,)
    assert np.abs(fractions - expected).max() < 6 * np.sqrt(expected / n)
    assert (fractions > 0.02).sum() == modes
    collapsed = np.tile(mixture.modes[3], (100, 1))
    assert mixture.mode_fractions(collapsed).tolist() == [1.0 if k == 3 else 0.0 for k in range(modes)]
    assert mixture.mode_fractions(np.full((10, 2), 50.0)).sum() == 0
    assert mixture.mode_fractions(np.zeros((0, 2))).sum() == 0


def test_the_positions_of_the_modes() -> None:
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
