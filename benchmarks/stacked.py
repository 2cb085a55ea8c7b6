"""StackedMNIST: count how many of 1000 modes each recipe generates, and how evenly.

    python benchmarks/stacked.py FOLDER MNIST [--budget 30m] [--only r3gan ...] [--seeds 0]

An image holds three random digits of MNIST, one in each color channel (Metz et al. 2016, arXiv:1611.02163): 1000 modes,
equally frequent. The protocol is the usual one since Lin et al. 2017 (arXiv:1712.04086): 26,000 samples, each channel
classified by a classifier of digits trained on real ones; the number of modes that occur, and the reverse KL divergence
of their frequencies from those of as many real stacks under the same classifier. The 60,000 training stacks are made
from the train part of MNIST alone, by a fixed seed. Every recipe trains at size nano for the same time on the same
machine. Runs that exist in FOLDER are not trained again. Results go to benchmarks/stacked.json, the table to
benchmarks/stacked.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import zerosum
from zerosum.data.dataset import Dataset, as_tensor
from zerosum.data.images.load import load_source
from zerosum.data.images.pixels import bytes_to_unit
from zerosum.evaluation.features.classifier import ClassifierFeatures, load_or_train_classifier
from zerosum.evaluation.metrics import class_counts
from zerosum.media.raster import as_images
from zerosum.run_folder import Row, RunFolder

HERE = Path(__file__).parent
RESULT = HERE / "stacked.json"
NUM_STACKS, NUM_SAMPLES, BLOCK_SIZE, NUM_MODES = 60_000, 26_000, 500, 1000
RECIPES = ("r3gan", "auto", "dcgan", "wgan-gp")


def stack_digits(digits: Dataset, count: int, seed: int) -> NDArray[np.uint8]:
    """Return images of three random training digits each: (count, H, W, 3)."""
    indices = np.random.default_rng(seed).choice(digits.train, (count, 3))
    channels = [as_images(digits.items(indices[:, channel]))[..., 0] for channel in range(3)]
    return np.stack(channels, -1)


def classify(classifier: ClassifierFeatures, images: Tensor) -> NDArray[np.int64]:
    """Return the mode of each image, (N, 3, H, W) in [-1, 1] to (N,): 0 to 999."""
    digits = []
    for channel in range(3):
        probabilities = classifier(images[:, channel : channel + 1]).probabilities
        assert probabilities is not None, "a classifier has a head"
        digits.append(probabilities.argmax(1).numpy())
    modes: NDArray[np.int64] = (digits[0] * 100 + digits[1] * 10 + digits[2]).astype(np.int64)
    return modes


def count_modes(classifier: ClassifierFeatures, batches: Iterable[Tensor]) -> NDArray[np.int64]:
    """Return the number of images of each mode: (1000,)."""
    counts = np.zeros(NUM_MODES, np.int64)
    for batch in batches:
        counts += class_counts.count_classes(classify(classifier, batch), NUM_MODES)
    return counts


def generated_batches(run: Path) -> Iterator[Tensor]:
    """Yield the samples of a run in batches (N, 3, H, W)."""
    generator = zerosum.load(run)
    for first in range(0, NUM_SAMPLES, BLOCK_SIZE):
        yield as_tensor(generator.sample(BLOCK_SIZE, seed=0, first=first))


def real_batches(digits: Dataset, count: int, first_seed: int, seed_step: int = 1) -> Iterator[Tensor]:
    """Yield `count` batches (N, 3, H, W) of new stacks of digits, each by a seed of its own."""
    for index in range(count):
        yield bytes_to_unit(torch.from_numpy(stack_digits(digits, BLOCK_SIZE, first_seed + index * seed_step)))


def train(run: Path, data: Path, recipe: str, budget: str, seed: int) -> None:
    """Train a recipe, unless its run is complete."""
    if RunFolder(run).read_json("status.json").get("state") in ("done", "diverged"):
        return
    arguments = ["train", str(data), "--recipe", recipe, "--budget", budget, "--seed", str(seed), "--run", str(run)]
    arguments += ["--size", "nano", "--evaluation.features", "none"]
    process = subprocess.run([sys.executable, "-m", "zerosum", *arguments], check=False, stdout=subprocess.DEVNULL)
    if process.returncode != 3:  # 3: a severe finding is active, or it diverged: results too
        process.check_returncode()


def table(results: Row) -> str:
    """Return the page as Markdown, made from the results alone."""
    floor = results["real"]
    lines = [
        "# StackedMNIST", "", "Made by `python benchmarks/stacked.py` from `benchmarks/stacked.json`.", "",
        f"{NUM_SAMPLES:,} samples. As many real stacks: {floor['modes']} modes, reverse KL {floor['kl']:.4f}. The "
        f"accuracy of the classifier on held-out digits is {results['classifier']:.1%}. {results['threads']} "
        "thread(s), no GPU.", "",
        "| recipe | seed | training | examples | modes of 1000 | reverse KL |", "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for run in results["runs"].values():
        cells = [
            run["recipe"], str(run["seed"]), f"{run['seconds'] / 60:.1f} min", f"{run['examples']:,}",
            str(run["modes"]), f"{run['kl']:.3f}",
        ]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("mnist")
    parser.add_argument("--budget", default="30m")
    parser.add_argument("--only", nargs="*", default=list(RECIPES), metavar="RECIPE")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    return parser.parse_args()


def main() -> None:
    """Make the data, train and evaluate the recipes, and write the results and the table."""
    options = parse_arguments()
    options.folder.mkdir(parents=True, exist_ok=True)
    digits = load_source(options.mnist, 32, 1, "pad")
    data = options.folder / "stacked.npy"
    if not data.exists():
        np.save(data, stack_digits(digits, NUM_STACKS, 0))
    classifier = load_or_train_classifier(digits, torch.device("cpu"), lambda done, total: None)
    expected = count_modes(classifier, real_batches(digits, 200, 50_000))
    results = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {"runs": {}}
    floor = count_modes(classifier, real_batches(digits, NUM_SAMPLES // BLOCK_SIZE, 10_000, BLOCK_SIZE))
    results["real"] = {"modes": int((floor > 0).sum()), "kl": class_counts.class_kl_divergence(floor, expected)}
    results |= {"classifier": classifier.accuracy, "threads": torch.get_num_threads()}
    for recipe in options.only:
        for seed in options.seeds:
            run = options.folder / f"{recipe}-{options.budget}-{seed}"
            train(run, data, recipe, options.budget, seed)
            counts = count_modes(classifier, generated_batches(run))
            status = RunFolder(run).read_json("status.json")
            results["runs"][run.name] = {
                "recipe": recipe, "seed": seed, "seconds": status["seconds"], "examples": status["examples"],
                "modes": int((counts > 0).sum()), "kl": class_counts.class_kl_divergence(counts, expected),
            }  # fmt: skip
            RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
            (HERE / "stacked.md").write_text(table(results), "utf8")
            print(run.name, results["runs"][run.name], flush=True)


if __name__ == "__main__":
    main()
