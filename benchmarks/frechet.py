"""Compare two ways to compute a Fréchet distance: Zerosum's (Cholesky and eigvalsh), and scipy's matrix square root.

    python benchmarks/frechet.py [--width 2048] [--rows 5000] [--rounds 5]

Both start from the same moments in float64, and alternate. Prints each duration, the medians and their ratio as JSON.
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


def scipy_frechet_distance(a: Moments, b: Moments) -> float:
    """Return the Fréchet distance by `scipy.linalg.sqrtm`, as most implementations do."""
    root = linalg.sqrtm(a.covariance.numpy() @ b.covariance.numpy()).real
    gap = (a.mean - b.mean).numpy()
    return float(gap @ gap + np.trace(a.covariance.numpy()) + np.trace(b.covariance.numpy()) - 2 * np.trace(root))


def make_features(rows: int, width: int, seed: int) -> FeatureTable:
    """Return features (rows, width) like those of a network: nonnegative, correlated, of very different scales."""
    torch.manual_seed(7)
    mix = torch.randn(width, width) * torch.logspace(0, -2, width)
    torch.manual_seed(seed)
    return FeatureTable.from_tensor((torch.randn(rows, width) @ mix).relu() + 0.05 * seed * torch.rand(width))


def main() -> None:
    """Time both methods alternately."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    a, b = (Moments.from_features(make_features(options.rows, options.width, seed)) for seed in (1, 2))
    methods = {"zerosum": frechet_distance_from_moments, "scipy": scipy_frechet_distance}
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    values = {}
    for _ in range(options.rounds):
        for name, method in methods.items():
            start_time = time.perf_counter()
            values[name] = method(a, b)
            seconds[name].append(round(time.perf_counter() - start_time, 3))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ratio = round(medians["scipy"] / medians["zerosum"], 2)
    difference = abs(values["zerosum"] / values["scipy"] - 1)
    line = {"seconds": seconds, "median": medians, "ratio": ratio, "value": values, "relative_difference": difference}
    print(json.dumps(line))


if __name__ == "__main__":
    main()
