"""Fréchet distance of the same features: ours (Cholesky and eigvalsh) against scipy's square root of a matrix.

    python benchmarks/frechet.py [--width 2048] [--rows 5000] [--rounds 5]

Both are given the moments in float64, and take turns; prints each time, the medians and their ratio as JSON.
"""

import argparse
import json
import statistics
import time

import numpy as np
import torch
from scipy import linalg

from zerosum.evaluation.features.table import FeatureTable
from zerosum.evaluation.metrics.frechet import Moments, frechet_distance_from_moments


def scipys(a: Moments, b: Moments) -> float:
    """As the field usually writes it."""
    root = linalg.sqrtm(a.covariance.numpy() @ b.covariance.numpy()).real
    gap = (a.mean - b.mean).numpy()
    return float(gap @ gap + np.trace(a.covariance.numpy()) + np.trace(b.covariance.numpy()) - 2 * np.trace(root))


def features(rows: int, width: int, seed: int) -> FeatureTable:
    """Features as a network's are: above zero, dependent, of very different sizes."""
    torch.manual_seed(7)
    mix = torch.randn(width, width) * torch.logspace(0, -2, width)
    torch.manual_seed(seed)
    return FeatureTable.from_tensor((torch.randn(rows, width) @ mix).relu() + 0.05 * seed * torch.rand(width))


def main() -> None:
    """Take turns."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    a, b = (Moments.from_features(features(asked.rows, asked.width, seed)) for seed in (1, 2))
    ways = {"zerosum": frechet_distance_from_moments, "scipy": scipys}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values = {}
    for _ in range(asked.rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            values[name] = way(a, b)
            seconds[name].append(round(time.perf_counter() - began, 3))
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    ratio = round(middle["scipy"] / middle["zerosum"], 2)
    apart = abs(values["zerosum"] / values["scipy"] - 1)
    print(json.dumps({"seconds": seconds, "median": middle, "ratio": ratio, "value": values, "apart": apart}))


if __name__ == "__main__":
    main()
