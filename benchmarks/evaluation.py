"""A whole evaluation: ours against torchmetrics' classes, and memory as the number of images grows.

    python benchmarks/evaluation.py time RUN [--num-samples 10000] [--rounds 3]   # a run on Fashion-MNIST
    python benchmarks/evaluation.py memory RUN --num-samples 2500                  # one line; repeat with other numbers

Time: n samples of the run and n real images, Fréchet and kernel distance and Inception Score of `lite0` features. The
same network, images and threads on both sides; they take turns. torchmetrics is asked in two ways: as its classes are
usually used, each with the network to itself, and through FeatureShare, which sees each image once. Ours works out
precision, recall, density and coverage as well, and starts without a cache.
"""

import argparse
import importlib.util
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

if importlib.util.find_spec("torchvision") is None:  # torchmetrics imports it where nothing of it is used
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "evaluation"))
    import conftest  # noqa: F401

import zerosum
from zerosum.data.dataset import images_to_uint8
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.extract import FeatureExtractor
from zerosum.evaluation.features.registry import load_feature_network
from zerosum.evaluation.result import compute_scores
from zerosum.evaluation.sample_sets import GeneratedSet, RealSet
from zerosum.inference.load import read_recipe
from zerosum.run_folder import RunFolder
from zerosum.workflows.evaluate import load_run_dataset

CPU = torch.device("cpu")


class Eye(torch.nn.Module):
    """Our network as a module of torchmetrics': uint8 images to features, or to the logs of class probabilities."""

    num_features = 1280

    def __init__(self, network: FeatureNetwork, classes: bool) -> None:
        super().__init__()
        self.network, self.classes = network, classes

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        seen = self.network(images.float() / 127.5 - 1)
        return seen.probabilities.log() if self.classes else seen.features


def ours(fakes: GeneratedSet, reals: RealSet, network: FeatureNetwork) -> dict[str, float]:
    """Everything."""
    with tempfile.TemporaryDirectory() as scratch:
        observer = FeatureExtractor(network, CPU, Path(scratch))
        seen = [observer.extract(items) for items in (reals, fakes)]
        return {name: score.value for name, score in compute_scores(*seen, neighbors=5).items()}


def theirs(fakes: GeneratedSet, reals: RealSet, network: FeatureNetwork, share: bool) -> dict[str, float]:
    """Three of them."""
    from torchmetrics import MetricCollection
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.inception import InceptionScore
    from torchmetrics.image.kid import KernelInceptionDistance
    from torchmetrics.wrappers import FeatureShare

    fd = FrechetInceptionDistance(feature=Eye(network, False))
    kid = KernelInceptionDistance(feature=Eye(network, False), subsets=100, subset_size=1000)
    both = FeatureShare([fd, kid]) if share else MetricCollection([fd, kid])
    score = InceptionScore(feature=Eye(network, True), splits=10)
    for items, real in ((reals, True), (fakes, False)):
        for first in range(0, len(items), 64):
            rows = np.arange(first, min(first + 64, len(items)))
            images = torch.from_numpy(items.take(rows)).permute(0, 3, 1, 2)
            both.update(images, real=real)
            if not real:
                score.update(images)
    found = both.compute()
    return {"fd": float(found["FrechetInceptionDistance"]), "is": float(score.compute()[0])}


def main() -> None:
    """Take turns, or measure memory."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["time", "memory"])
    parser.add_argument("run", type=Path)
    parser.add_argument("--num-samples", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    generator, network = zerosum.load(asked.run), load_feature_network("lite0", 32, CPU)
    folder = RunFolder.open(asked.run)
    dataset = load_run_dataset(folder, read_recipe(folder), zerosum.api.Silent())
    reals = RealSet.from_dataset(dataset, dataset.train, "real").head(asked.n)
    samples = images_to_uint8(generator.sample(min(asked.n, 10_000), batch_size=256))
    fakes = GeneratedSet(lambda first, n: dataset.scale(torch.from_numpy(samples[(first + np.arange(n)) % len(samples)])),
                 asked.n, "samples")  # fmt: skip
    if asked.what == "memory":
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        began = time.perf_counter()
        ours(fakes, reals, network)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        seconds = round(time.perf_counter() - began, 1)
        print(json.dumps({"n": asked.n, "MiB_before": round(before), "MiB_peak": round(peak), "seconds": seconds}))
        return
    ways = {
        "zerosum": lambda: ours(fakes, reals, network),
        "torchmetrics": lambda: theirs(fakes, reals, network, share=False),
        "torchmetrics, FeatureShare": lambda: theirs(fakes, reals, network, share=True),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    values = {}
    for _ in range(asked.rounds):
        for name, way in ways.items():
            began = time.perf_counter()
            values[name] = way()
            seconds[name].append(round(time.perf_counter() - began, 1))
    middle = {name: statistics.median(times) for name, times in seconds.items()}
    ratios = {name: round(middle[name] / middle["zerosum"], 2) for name in ways}
    print(json.dumps({"n": asked.n, "threads": torch.get_num_threads(), "cores": os.cpu_count(), "seconds": seconds,
                      "ratios": ratios, "values": values}))  # fmt: skip


if __name__ == "__main__":
    main()
