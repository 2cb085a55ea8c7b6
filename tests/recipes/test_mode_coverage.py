"""The recipe `r3gan` on its MLP pair finds every mode of ring and grid, whatever the seed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

WORKER = Path(__file__).with_name("mode_coverage_worker.py")
SEEDS = range(10)


def test_all_modes_in_10_of_10_seeds() -> None:
    """Each mode holds more than 2% of 10,000 samples within three standard deviations of its centre."""
    halves = [[str(s) for s in SEEDS if s % 2 == side] for side in (0, 1)]
    workers = [
        subprocess.Popen(
            [sys.executable, str(WORKER), *half], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for half in halves
    ]
    rows = []
    for worker in workers:
        out, err = worker.communicate(timeout=1200)
        assert worker.returncode == 0, err
        rows += [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 2 * len(SEEDS)
    missed = [row for row in rows if row["least"] <= 0.02]
    assert not missed, missed


def test_the_measure_can_fail() -> None:
    """Samples spread evenly, or on half of the modes, hold no full set of modes."""
    import numpy as np

    from zerosum.data.points.mixtures import MIXTURES

    grid = MIXTURES["grid"]
    spread = np.random.default_rng(0).uniform(-5, 5, (10_000, 2)).astype(np.float32)
    assert grid.mode_fractions(spread).max() < 0.02
    half = grid.sample(10_000, 0)
    assert grid.mode_fractions(half).min() > 0.03
    assert grid.mode_fractions(half[half[:, 0] < 1]).min() == 0


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_modes_have_equal_shares(name: str) -> None:
    from zerosum.data.points.mixtures import MIXTURES

    shares = MIXTURES[name].mode_fractions(MIXTURES[name].sample(50_000, 1))
    # within 3 sd of a 2-D Gaussian: 1 - exp(-4.5) = .989; binomial bounds at 5.5 standard deviations
    expected = 0.989 / len(shares)
    assert abs(shares - expected).max() < 5.5 * (expected / 50_000) ** 0.5


def test_names_of_point_sets() -> None:
    from zerosum.data.builtin import POINT_DATASETS
    from zerosum.data.points.mixtures import MIXTURES

    assert set(POINT_DATASETS) == set(MIXTURES)
