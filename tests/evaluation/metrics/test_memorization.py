"""Memorization is found, and its false-alarm rate for samples that are not copies is as documented."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.memorization import MemorizationResult, mann_whitney_z, measure_memorization


def draw(rows: int, seed: int, scale: float = 1.0, width: int = 6) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(rows, width, generator=generator)


def measure(
    train: torch.Tensor, held_out: torch.Tensor, fakes: torch.Tensor, num_cells: int | None = None
) -> MemorizationResult:
    return measure_memorization(*(FeatureTable.from_tensor(rows) for rows in (train, held_out, fakes)), num_cells)


TRAIN, HELD_OUT = draw(600, 1), draw(500, 2)


def test_mann_whitney_z_equals_scipy() -> None:
    """On values with and without ties; scipy returns the one-sided p-value of its z-score."""
    rng = np.random.default_rng(3)
    for digits in (1, 15):
        a, b = rng.normal(size=40).round(digits), (rng.normal(size=70) + 0.2).round(digits)
        z = mann_whitney_z(a, b)
        expected = mannwhitneyu(a, b, alternative="less", use_continuity=False, method="asymptotic").pvalue
        assert (1 + math.erf(z / math.sqrt(2))) / 2 == pytest.approx(expected, rel=1e-9)
    assert mann_whitney_z(np.ones(30), np.ones(20)) == 0


def test_training_images_as_samples_are_copies() -> None:
    result = measure(TRAIN, HELD_OUT, TRAIN[100:])
    assert result.c_t < -10
    assert result.authenticity == (0, 0)
    assert result.num_exact_copies == 500
    np.testing.assert_array_equal(result.neighbor_indices[:, 0], np.arange(100, 600))
    assert (result.neighbor_distances[:, 0] == 0).all()


def test_copies_of_duplicate_training_images_are_not_authentic() -> None:
    result = measure(TRAIN.repeat(2, 1), HELD_OUT, TRAIN)
    assert result.authenticity.value == 0
    assert result.num_exact_copies == 600


def test_slightly_changed_copies_are_found() -> None:
    result = measure(TRAIN, HELD_OUT, TRAIN[:500] + draw(500, 4, 0.05))
    assert result.c_t < -10
    assert result.authenticity.value < 0.05
    assert result.num_exact_copies == 0


def test_copies_among_half_of_the_samples_are_found() -> None:
    result = measure(TRAIN, HELD_OUT, torch.cat([TRAIN[:250], draw(250, 5)]))
    assert result.c_t < -3
    assert result.num_exact_copies == 250
    assert result.authenticity.value < 0.7 * result.authenticity_floor.value
    assert not result.is_authentic[:250].any()


def test_samples_far_from_the_training_images_are_underfit() -> None:
    result = measure(TRAIN, HELD_OUT, draw(500, 6, 2.0))
    assert result.c_t > 3
    assert result.authenticity.value > result.authenticity_floor.value


def test_false_alarm_rate_of_c_t_is_as_documented() -> None:
    """C_T of one cell is nearly normal, of four cells half as wide: as wide as documented, to 8% for 80 draws.

    One of 20 with one cell lies beyond 3 in 5 of 100 seeds. The fractions of authentic rows agree within 4 errors of
    their difference for all but one seed in 15,000.
    """
    for num_cells, error in [(1, 1.0), (4, 0.5)]:
        results = [
            measure(*(draw(n, 3 * seed + i, width=3) for i, n in enumerate((300, 200, 220))), num_cells=num_cells)
            for seed in range(80)
        ]
        c_t = np.array([result.c_t for result in results])
        assert np.mean([result.c_t_error for result in results]) == pytest.approx(error, rel=0.1)
        assert 0.68 * error < np.sqrt(np.mean(c_t**2)) < 1.32 * error
        assert (abs(c_t[:20]) < 3).all()
        assert abs(c_t.mean()) < 4 * error / math.sqrt(80)
        differences = np.array([result.authenticity.value - result.authenticity_floor.value for result in results])
        assert abs(differences.mean()) < 4 * differences.std() / math.sqrt(80)


def test_cells_are_weighted_by_held_out_reals_and_count_if_they_hold_enough_images() -> None:
    """Three centers far apart; only 19 fakes are at the third, and the 60 at the first are copies."""
    centers = torch.tensor([[0.0] * 6, [100.0] * 6, [-100.0] * 6])
    train = torch.cat([draw(200, i) + centers[i] for i in range(3)])
    held_out = torch.cat([draw(n, 7 + i) + centers[i] for i, n in enumerate((100, 50, 70))])
    fakes = torch.cat([train[:60], draw(80, 10) + centers[1], draw(19, 11) + centers[2]])
    result = measure(train, held_out, fakes, num_cells=3)
    distances = torch.cdist(torch.cat([fakes, held_out]).double(), train.double()).amin(1).numpy()
    distances[:60] = 0
    first = mann_whitney_z(distances[:60], distances[159:259])
    second = mann_whitney_z(distances[60:140], distances[259:309])
    assert sorted(result.cell_z_scores) == pytest.approx(sorted([first, second]))
    assert result.c_t == pytest.approx((100 * first + 50 * second) / 150)
    assert result.c_t_error == pytest.approx(math.hypot(100, 50) / 150)


def test_authenticity_by_hand() -> None:
    """On a line: the training images at 1 and 3 are 2 apart, so only a fake at least that far away is authentic."""
    train = torch.tensor([[1.0, 0.0], [3.0, 0.0], [30.0, 0.0]])
    fakes = torch.tensor([[0.0, 0.0], [-1.0, 0.0], [-2.0, 0.0], [31.0, 0.0], [3.0, 0.0]])
    result = measure(train, fakes, fakes)
    assert result.is_authentic.tolist() == [False, True, True, False, False]
    assert result.authenticity == result.authenticity_floor == (pytest.approx(0.4), pytest.approx(math.sqrt(0.06)))
    assert result.neighbor_distances[0] == pytest.approx([1, 3, 30])
    assert result.held_out_distances == pytest.approx([1, 2, 3, 1, 0])
    assert math.isnan(result.c_t)
    assert result.cell_z_scores == ()


def test_too_few_images_and_unequal_features_are_refused() -> None:
    with pytest.raises(BadInput, match="at least 2 training items"):
        measure(TRAIN[:1], HELD_OUT, HELD_OUT)
    with pytest.raises(BadInput):
        measure(TRAIN, HELD_OUT, HELD_OUT[:, :4])
