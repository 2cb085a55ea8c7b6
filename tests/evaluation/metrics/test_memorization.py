"""Copies are found, and honest samples are not accused more often than stated."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.memorization import mann_whitney_z, measure_memorization


def draw(rows: int, seed: int, scale: float = 1.0, width: int = 6) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return scale * torch.randn(rows, width, generator=random)


TRAIN, HELD = draw(600, 1), draw(500, 2)


def test_the_z_score_is_scipys() -> None:
    """On values with and without ties; scipy gives U and a p-value, one-sided that of its z-score."""
    random = np.random.default_rng(3)
    for digits in (1, 15):
        a, b = random.normal(size=40).round(digits), (random.normal(size=70) + 0.2).round(digits)
        z = mann_whitney_z(a, b)
        theirs = mannwhitneyu(a, b, alternative="less", use_continuity=False, method="asymptotic").pvalue
        assert (1 + math.erf(z / math.sqrt(2))) / 2 == pytest.approx(theirs, rel=1e-9)
    assert mann_whitney_z(np.ones(30), np.ones(20)) == 0


def test_training_images_as_samples_are_copies() -> None:
    found = measure_memorization(
        FeatureTable.from_tensor(TRAIN), FeatureTable.from_tensor(HELD), FeatureTable.from_tensor(TRAIN[100:])
    )
    assert found.c_t < -10
    assert found.authenticity == (0, 0)
    assert found.num_exact_copies == 500
    np.testing.assert_array_equal(found.neighbor_indices[:, 0], np.arange(100, 600))
    assert (found.neighbor_distances[:, 0] == 0).all()


def test_copies_of_training_twins_are_not_authentic() -> None:
    train = TRAIN.repeat(2, 1)
    found = measure_memorization(
        FeatureTable.from_tensor(train), FeatureTable.from_tensor(HELD), FeatureTable.from_tensor(TRAIN)
    )
    assert found.authenticity.value == 0
    assert found.num_exact_copies == 600


def test_slightly_changed_copies_are_found() -> None:
    found = measure_memorization(
        FeatureTable.from_tensor(TRAIN),
        FeatureTable.from_tensor(HELD),
        FeatureTable.from_tensor(TRAIN[:500] + draw(500, 4, 0.05)),
    )
    assert found.c_t < -10
    assert found.authenticity.value < 0.05
    assert found.num_exact_copies == 0


def test_half_copies_are_found() -> None:
    fakes = torch.cat([TRAIN[:250], draw(250, 5)])
    found = measure_memorization(
        FeatureTable.from_tensor(TRAIN), FeatureTable.from_tensor(HELD), FeatureTable.from_tensor(fakes)
    )
    assert found.c_t < -3
    assert found.num_exact_copies == 250
    assert found.authenticity.value < 0.7 * found.authenticity_floor.value
    assert not found.is_authentic[:250].any()


def test_samples_that_stay_away_are_underfit() -> None:
    found = measure_memorization(
        FeatureTable.from_tensor(TRAIN), FeatureTable.from_tensor(HELD), FeatureTable.from_tensor(draw(500, 6, 2.0))
    )
    assert found.c_t > 3
    assert found.authenticity.value > found.authenticity_floor.value


def test_honest_samples_are_not_accused() -> None:
    """C_T of one cell is as good as normal, of four cells half as wide: as wide as stated, to 8% for 80 draws.

    One of 20 with one cell lies beyond 3 in 5 of 100 seeds. The shares of authentic rows agree within 4 errors of
    their difference but for one seed in 15,000.
    """
    for cells, error in [(1, 1.0), (4, 0.5)]:
        found = [
            measure_memorization(
                *(FeatureTable.from_tensor(draw(n, 3 * seed + i, width=3)) for i, n in enumerate((300, 200, 220))),
                num_cells=cells,
            )
            for seed in range(80)
        ]
        scores = np.array([each.c_t for each in found])
        assert np.mean([each.c_t_error for each in found]) == pytest.approx(error, rel=0.1)
        assert 0.68 * error < np.sqrt(np.mean(scores**2)) < 1.32 * error
        assert (abs(scores[:20]) < 3).all()
        assert abs(scores.mean()) < 4 * error / math.sqrt(80)
        apart = np.array([each.authenticity.value - each.authenticity_floor.value for each in found])
        assert abs(apart.mean()) < 4 * apart.std() / math.sqrt(80)


def test_cells_weigh_by_their_held_out_reals_and_count_if_they_hold_enough() -> None:
    """Three places far apart; at the third there are 19 fakes only, and 60 of them copy at the first."""
    place = torch.tensor([[0.0] * 6, [100.0] * 6, [-100.0] * 6])
    train = torch.cat([draw(200, i) + place[i] for i in range(3)])
    held = torch.cat([draw(n, 7 + i) + place[i] for i, n in enumerate((100, 50, 70))])
    fakes = torch.cat([train[:60], draw(80, 10) + place[1], draw(19, 11) + place[2]])
    found = measure_memorization(
        FeatureTable.from_tensor(train), FeatureTable.from_tensor(held), FeatureTable.from_tensor(fakes), num_cells=3
    )
    to_train = torch.cdist(torch.cat([fakes, held]).double(), train.double()).amin(1).numpy()
    to_train[:60] = 0
    first, second = (
        mann_whitney_z(to_train[:60], to_train[159:259]),
        mann_whitney_z(to_train[60:140], to_train[259:309]),
    )
    assert sorted(found.cell_z_scores) == pytest.approx(sorted([first, second]))
    assert found.c_t == pytest.approx((100 * first + 50 * second) / 150)
    assert found.c_t_error == pytest.approx(math.hypot(100, 50) / 150)


def test_authentic_by_hand() -> None:
    """On a line: the training images at 1 and 3 are 2 apart, so only a fake at that distance or more is its own."""
    train = torch.tensor([[1.0, 0.0], [3.0, 0.0], [30.0, 0.0]])
    fakes = torch.tensor([[0.0, 0.0], [-1.0, 0.0], [-2.0, 0.0], [31.0, 0.0], [3.0, 0.0]])
    found = measure_memorization(
        FeatureTable.from_tensor(train), FeatureTable.from_tensor(fakes), FeatureTable.from_tensor(fakes)
    )
    assert found.is_authentic.tolist() == [False, True, True, False, False]
    assert found.authenticity == found.authenticity_floor == (pytest.approx(0.4), pytest.approx(math.sqrt(0.06)))
    assert found.neighbor_distances[0] == pytest.approx([1, 3, 30])
    assert found.held_out_distances == pytest.approx([1, 2, 3, 1, 0])
    assert math.isnan(found.c_t)
    assert found.cell_z_scores == ()


def test_refuses_too_few() -> None:
    with pytest.raises(BadInput, match="at least 2 training images"):
        measure_memorization(
            FeatureTable.from_tensor(TRAIN[:1]), FeatureTable.from_tensor(HELD), FeatureTable.from_tensor(HELD)
        )
    with pytest.raises(BadInput, match="one feature network"):
        measure_memorization(
            FeatureTable.from_tensor(TRAIN), FeatureTable.from_tensor(HELD), FeatureTable.from_tensor(HELD[:, :4])
        )
