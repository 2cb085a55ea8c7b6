"""The recipe `r3gan` with its MLP networks covers every mode of ring and grid, for every seed."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from zerosum.data.points.kind import POINTS
from zerosum.data.points.mixtures import MIXTURES

WORKER = Path(__file__).with_name("mode_coverage_worker.py")
SEEDS = range(2)
"""`python tests/recipes/mode_coverage_worker.py 0 1 2 3 4 5 6 7 8 9` runs more of them, which take a minute each."""
HANG_SECONDS = 4 * 3600
"""Only against workers that hang: they take minutes."""


def test_all_modes_are_covered_for_all_seeds() -> None:
    """Each mode has more than 2% of 10,000 samples within three standard deviations of its center."""
    halves = [[str(seed) for seed in SEEDS if seed % 2 == parity] for parity in (0, 1)]
    workers = [
        subprocess.Popen(
            [sys.executable, str(WORKER), *seeds], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for seeds in halves
    ]
    rows = []
    for worker in workers:
        out, err = worker.communicate(timeout=HANG_SECONDS)
        assert worker.returncode == 0, err
        rows += [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 2 * len(SEEDS)
    missed = [row for row in rows if row["min"] <= 0.02]
    assert not missed, missed


def test_mode_fractions_detect_missing_modes() -> None:
    """Neither uniform samples nor samples of half of the modes cover all modes."""
    grid = MIXTURES["grid"]
    uniform = np.random.default_rng(0).uniform(-5, 5, (10_000, 2)).astype(np.float32)
    assert grid.mode_fractions(uniform).max() < 0.02
    samples = grid.sample(10_000, 0)
    assert grid.mode_fractions(samples).min() > 0.03
    assert grid.mode_fractions(samples[samples[:, 0] < 1]).min() == 0


@pytest.mark.parametrize("name", ["ring", "grid"])
def test_modes_have_equal_fractions(name: str) -> None:
    fractions = MIXTURES[name].mode_fractions(MIXTURES[name].sample(50_000, 1))
    # within 3 sd of a 2-D Gaussian: 1 - exp(-4.5) = .989; binomial bounds at 5.5 standard deviations
    expected = 0.989 / len(fractions)
    assert abs(fractions - expected).max() < 5.5 * (expected / 50_000) ** 0.5


def test_builtin_names_are_those_of_the_mixtures() -> None:
    assert set(POINTS.builtin) == set(MIXTURES)
