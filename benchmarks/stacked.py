"""StackedMNIST: of 1000 kinds of pictures, how many does each recipe make, and how evenly?

    python benchmarks/stacked.py FOLDER MNIST [--budget 30m] [--only r3gan ...] [--seeds 0]

Three random digits of MNIST, one in each colour (Metz et al. 2016, arXiv:1611.02163): 1000 kinds, equally many of each.
Protocol as usual since Lin et al. 2017 (arXiv:1712.04086): 26,000 samples, each colour read by a classifier of digits
trained on real ones; the modes found, and the reverse KL of their shares from those of as many real stacks, read by the
same classifier. The stacks are made from the train part of MNIST alone, 60,000 of them, by a fixed seed. Every recipe
trains at size nano for the same time on the same machine. Runs in FOLDER are neither made nor judged again. Results go
to benchmarks/stacked.json, the table to benchmarks/stacked.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import zerosum
from zerosum.data.dataset import Dataset
from zerosum.data.images.load import load_source
from zerosum.evaluation.features.classifier import ClassifierFeatures, load_or_train_classifier
from zerosum.evaluation.metrics import class_counts
from zerosum.run_folder import Row, RunFolder

HERE = Path(__file__).parent
RESULT = HERE / "stacked.json"
STACKS, SAMPLES, BLOCK = 60_000, 26_000, 500
RECIPES = ("r3gan", "auto", "dcgan", "wgan-gp")


def stacks(digits: Dataset, count: int, seed: int) -> NDArray[np.uint8]:
    """Three random training digits each, (count, H, W, 3)."""
    chosen = np.random.default_rng(seed).choice(digits.train, (count, 3))
    planes = [digits.take(chosen[:, color]).numpy()[..., 0] for color in range(3)]
    return np.stack(planes, -1)


def kinds(classifier: ClassifierFeatures, pictures: Tensor) -> NDArray[np.int64]:
    """Which of the 1000 kinds each picture is, (N, 3, H, W) in [-1, 1] to (N,)."""
    read_as = []
    for color in range(3):
        chances = classifier(pictures[:, color : color + 1]).probabilities
        assert chances is not None, "a classifier has a head"
        read_as.append(chances.argmax(1).numpy())
    return (read_as[0] * 100 + read_as[1] * 10 + read_as[2]).astype(np.int64)


def tally(classifier: ClassifierFeatures, blocks: Iterator[Tensor]) -> NDArray[np.int64]:
    """How many pictures there are of each kind."""
    return sum(
        (class_counts.count_classes(kinds(classifier, block), 1000) for block in blocks), np.zeros(1000, np.int64)
    )


def made(run: Path) -> Iterator[Tensor]:
    """The samples of a run, a block at a time."""
    generator = zerosum.load(run)
    for first in range(0, SAMPLES, BLOCK):
        yield generator.sample(BLOCK, seed=0, first=first)


def real(digits: Dataset) -> Iterator[Tensor]:
    """As many fresh stacks of digits."""
    for first in range(0, SAMPLES, BLOCK):
        yield digits_scaled(digits, stacks(digits, BLOCK, 10_000 + first))


def digits_scaled(digits: Dataset, pixels: NDArray[np.uint8]) -> Tensor:
    """Bytes (N, H, W, 3) as networks see them."""
    return digits.scale(torch.from_numpy(pixels))


def play(run: Path, data: Path, recipe: str, budget: str, seed: int) -> None:
    """One run, unless it is there and over."""
    if RunFolder(run).read_json("status.json").get("state") in ("done", "diverged"):
        return
    words = ["train", str(data), "--recipe", recipe, "--budget", budget, "--seed", str(seed), "--run", str(run)]
    words += ["--size", "nano", "--evaluation.features", "none"]
    ended = subprocess.run([sys.executable, "-m", "zerosum", *words], check=False, stdout=subprocess.DEVNULL)
    if ended.returncode != 3:  # 3: a severe finding stands, or it diverged: results too
        ended.check_returncode()


def table(results: Row) -> str:
    """Markdown, all of it from the results."""
    floor = results["real"]
    lines = [
        "# StackedMNIST", "", "Made by `python benchmarks/stacked.py` from `benchmarks/stacked.json`.", "",
        f"{SAMPLES:,} samples. As many real stacks: {floor['modes']} modes, reverse KL {floor['kl']:.4f}. The "
        f"classifier knows {results['classifier']:.1%} of held-out digits. {results['threads']} thread(s), no GPU.", "",
        "| recipe | seed | training | images | modes of 1000 | reverse KL |", "| --- | --- | --- | --- | --- | --- |",
    ]  # fmt: skip
    for run in results["runs"].values():
        minutes = f"{run['seconds'] / 60:.1f} min"
        cells = [run["recipe"], str(run["seed"]), minutes, f"{run['images']:,}", str(run["modes"]), f"{run['kl']:.3f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Make the data, play, judge, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("mnist")
    parser.add_argument("--budget", default="30m")
    parser.add_argument("--only", nargs="*", default=list(RECIPES))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    digits = load_source(asked.mnist, 32, 1, "pad")
    data = asked.folder / "stacked.npy"
    if not data.exists():
        np.save(data, stacks(digits, STACKS, 0))
    classifier = load_or_train_classifier(digits, torch.device("cpu"), lambda done, total: None)
    expected = tally(classifier, (digits_scaled(digits, stacks(digits, BLOCK, 50_000 + n)) for n in range(200)))
    results = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {"runs": {}}
    fresh = tally(classifier, real(digits))
    results["real"] = {"modes": int((fresh > 0).sum()), "kl": class_counts.class_kl_divergence(fresh, expected)}
    results |= {"classifier": classifier.accuracy, "threads": torch.get_num_threads()}
    for recipe in asked.only:
        for seed in asked.seeds:
            run = asked.folder / f"{recipe}-{asked.budget}-{seed}"
            play(run, data, recipe, asked.budget, seed)
            found = tally(classifier, made(run))
            status = RunFolder(run).read_json("status.json")
            results["runs"][run.name] = {
                "recipe": recipe, "seed": seed, "seconds": status["seconds"], "images": status["images"],
                "modes": int((found > 0).sum()), "kl": class_counts.class_kl_divergence(found, expected),
            }  # fmt: skip
            RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
            (HERE / "stacked.md").write_text(table(results), "utf8")
            print(run.name, results["runs"][run.name], flush=True)


if __name__ == "__main__":
    main()
