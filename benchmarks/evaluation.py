"""Compare a complete evaluation with torchmetrics' classes, and measure memory as the number of images grows.

    python benchmarks/evaluation.py time RUN [--num-samples 10000] [--rounds 3]    # a run on Fashion-MNIST
    python benchmarks/evaluation.py memory RUN --num-samples 2500                  # one line; repeat with other numbers

`time` computes the Fréchet distance, the kernel distance and the Inception Score of `lite0` features, for
`--num-samples` samples of the run and as many real images. Both sides use the same network, images and threads, and
alternate. torchmetrics runs in two variants: its classes as usually used, where each has the network to itself, and
through FeatureShare, which passes each image through the network once. Zerosum also computes precision, recall, density
and coverage, and starts without a cache.
"""

import argparse
import importlib.util
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

if importlib.util.find_spec("torchvision") is None:  # torchmetrics imports it, but uses nothing of it here
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "evaluation"))
    import conftest  # noqa: F401

import zerosum
from zerosum.data.codec import Items
from zerosum.evaluation.evaluator import feature_network, open_feature_extractor
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.metrics.base import Comparison
from zerosum.evaluation.metrics.pairwise import compute_pairwise_scores
from zerosum.evaluation.metrics.registry import compute_metrics, find_metrics
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet
from zerosum.inference.load import read_recipe
from zerosum.reporter import SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.workflows.run_data import read_run_data

CPU = torch.device("cpu")
MAX_DISTINCT_SAMPLES = 10_000
"""Samples that are generated; larger sets repeat them, so that memory holds no more."""


class TorchmetricsNetwork(torch.nn.Module):
    """A feature network in the form that torchmetrics expects: uint8 images to features, or to log probabilities."""

    num_features = 1280

    def __init__(self, network: FeatureNetwork, returns_log_probabilities: bool) -> None:
        super().__init__()
        self.network, self.returns_log_probabilities = network, returns_log_probabilities

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map (N, C, H, W) uint8 to (N, D) features or (N, K) log probabilities."""
        features, probabilities = self.network(images.float() / 127.5 - 1)
        if not self.returns_log_probabilities:
            return features
        assert probabilities is not None, "lite0 has a head"
        return probabilities.log()


def evaluate_with_zerosum(generated: GeneratedSet, real: RealSet, network: FeatureNetwork) -> dict[str, float]:
    """Return all scores."""
    with open_feature_extractor(network, real.dataset, CPU) as extractor:
        real_features, generated_features = (extractor.extract(sample_set) for sample_set in (real, generated))
        pairwise = compute_pairwise_scores(real_features.features, generated_features.features, neighbors=5)
        scores = compute_metrics(find_metrics(), Comparison(real_features, generated_features, pairwise, neighbors=5))
        return {name: score.value for name, score in scores.items()}


def evaluate_with_torchmetrics(
    generated: GeneratedSet, real: RealSet, network: FeatureNetwork, share_features: bool
) -> dict[str, float]:
    """Compute three of the scores, and return two: the Fréchet distance and the Inception Score."""
    from torchmetrics import MetricCollection
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.inception import InceptionScore
    from torchmetrics.image.kid import KernelInceptionDistance
    from torchmetrics.wrappers import FeatureShare

    fid = FrechetInceptionDistance(feature=TorchmetricsNetwork(network, False))
    kid = KernelInceptionDistance(feature=TorchmetricsNetwork(network, False), subsets=100, subset_size=1000)
    distances = FeatureShare([fid, kid]) if share_features else MetricCollection([fid, kid])
    inception_score = InceptionScore(feature=TorchmetricsNetwork(network, True), splits=10)
    for sample_set, is_real in ((real, True), (generated, False)):
        for first in range(0, len(sample_set), 64):
            rows = np.arange(first, min(first + 64, len(sample_set)))
            images = torch.from_numpy(sample_set.take(rows)).permute(0, 3, 1, 2)
            distances.update(images, real=is_real)
            if not is_real:
                inception_score.update(images)
    values = distances.compute()
    return {"fd": float(values["FrechetInceptionDistance"]), "is": float(inception_score.compute()[0])}


def load_sets(run: Path, num_samples: int) -> tuple[GeneratedSet, RealSet]:
    """Return samples of a run, and as many of its training images."""
    folder = RunFolder.open(run)
    dataset = read_run_data(folder, read_recipe(folder), SilentReporter())
    real = RealSet.from_dataset(dataset, dataset.train, "real").head(num_samples)
    generator = zerosum.load(run)
    images = generator.decode(generator.sample(min(num_samples, MAX_DISTINCT_SAMPLES), batch_size=256))

    def sample(start: int, count: int) -> Items:
        return images[(start + np.arange(count)) % len(images)]

    return GeneratedSet(sample, num_samples, "samples"), real


def peak_mib() -> float:
    """Return the peak resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure_memory(generated: GeneratedSet, real: RealSet, network: FeatureNetwork) -> None:
    """Print the peak memory before and after an evaluation, and its duration."""
    before, start_time = peak_mib(), time.perf_counter()
    evaluate_with_zerosum(generated, real, network)
    seconds = round(time.perf_counter() - start_time, 1)
    line = {"num_samples": len(generated), "MiB_before": round(before), "MiB_peak": round(peak_mib())}
    print(json.dumps(line | {"seconds": seconds}))


def measure_time(generated: GeneratedSet, real: RealSet, network: FeatureNetwork, rounds: int) -> None:
    """Print the durations of all variants, which alternate, and their ratios to Zerosum's."""
    variants: dict[str, Callable[[], dict[str, float]]] = {
        "zerosum": lambda: evaluate_with_zerosum(generated, real, network),
        "torchmetrics": lambda: evaluate_with_torchmetrics(generated, real, network, share_features=False),
        "torchmetrics, FeatureShare": lambda: evaluate_with_torchmetrics(generated, real, network, share_features=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    values = {}
    for _ in range(rounds):
        for name, evaluate in variants.items():
            start_time = time.perf_counter()
            values[name] = evaluate()
            seconds[name].append(round(time.perf_counter() - start_time, 1))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ratios = {name: round(medians[name] / medians["zerosum"], 2) for name in variants}
    line = {"num_samples": len(generated), "threads": torch.get_num_threads(), "cores": os.cpu_count()}
    print(json.dumps(line | {"seconds": seconds, "ratios": ratios, "values": values}))


def main() -> None:
    """Measure time or memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("quantity", choices=["time", "memory"])
    parser.add_argument("run", type=Path)
    parser.add_argument("--num-samples", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    generated, real = load_sets(options.run, options.num_samples)
    network = feature_network("lite0", real.dataset, CPU, SilentReporter())
    if options.quantity == "memory":
        measure_memory(generated, real, network)
    else:
        measure_time(generated, real, network, options.rounds)


if __name__ == "__main__":
    main()
