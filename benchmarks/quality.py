"""Time to quality: compare the default recipe with the peers' on the same data, machine, time and scores.

    python benchmarks/quality.py FOLDER mnist=PATH emoji=PATH@15m [--budget 5m] [--seeds 0 1 2] [--only zerosum ...]
    python benchmarks/quality.py FOLDER --draw            # only the table and the images

A contender is a recipe in Zerosum's training loop: a peer's networks, objective and optimizer get our loop's speed, so
this compares the methods, not the code (benchmarks/step.py compares the code). Precision is part of the method: peers
train in float32, as their code does, and our default uses bfloat16 where it is faster on this machine. Not matched:
peers draw uniform latents, sngan takes one discriminator step a round, and both use the same fakes for both players, as
pytorch/examples does. A peer whose networks and losses are no recipe of ours has a loop of its own, on our data and
with the same time (benchmarks/lightweight.py). Every contender is evaluated during training, as often as 4% of the time
allows (kernel distance of 512 samples), and at the end: 10,000 samples against the held-out images of the train part of
the data, never its test part. OMP_NUM_THREADS sets the number of threads.

Results go to benchmarks/quality.json, the table to benchmarks/quality.md, and for each dataset an image of the curves
to benchmarks/quality-NAME.png and one of samples to benchmarks/quality-NAME-samples.png. Runs that exist in FOLDER are
not trained or evaluated again.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightweight
import numpy as np
import quality_images
import torch
from numpy.typing import NDArray
from torch import Tensor

import zerosum
from zerosum.data.dataset import Dataset
from zerosum.data.images.codec import ImageCodec
from zerosum.evaluation import evaluator, request
from zerosum.evaluation.sample_sets import RealSet
from zerosum.inference.load import read_recipe
from zerosum.media.raster import as_images
from zerosum.reporter import SilentReporter
from zerosum.run_folder import Row, RunFolder
from zerosum.units import parse_seconds
from zerosum.workflows.run_data import read_run_data

HERE = Path(__file__).parent
RESULT = HERE / "quality.json"
NUM_SAMPLES = 64
"""Samples of each contender in the image."""
OURS, TENTH = "zerosum", "zerosum-tenth"


# ---------------------------------------------------------------------- contenders


@dataclass(frozen=True)
class Recipe:
    """A recipe with settings, trained by Zerosum."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    budget_fraction: float = 1.0
    """Fraction of the budget that it trains for."""

    def train(self, run: Path, data: str, budget: float, seed: int) -> None:
        """Train, unless the run is complete."""
        state = RunFolder(run).read_json("status.json").get("state")
        if state in ("done", "diverged"):
            return
        shutil.rmtree(run, ignore_errors=True)  # an interrupted run
        seconds = f"{budget * self.budget_fraction:g}s"
        arguments = ["train", data, "--recipe", self.name, "--budget", seconds, "--seed", str(seed)]
        for name, value in self.settings.items():
            arguments += [f"--{name}", json.dumps(value).strip('"')]
        _run_python("-m", "zerosum", *arguments, "--run", str(run))

    def evaluate(self, run: Path, data: str) -> Row:
        """Return the outcome of a run with its curve; evaluate it unless it has been."""
        folder = RunFolder(run)
        rows = [row for row in folder.rows("scores.jsonl") if row.get("mode") == "offline"]
        row = rows[-1] if rows else zerosum.evaluate(run, reporter=SilentReporter())
        ticks = [(tick["examples"], tick["seconds"]) for tick in folder.rows()]
        curve = [
            (min(ticks, key=lambda tick: abs(tick[0] - online["examples"]))[1], online["distance"])
            for online in folder.rows("scores.jsonl")
            if online.get("mode") == "online"
        ]
        return _outcome(folder.read_json("status.json"), row, curve)

    def samples(self, run: Path) -> NDArray[np.uint8]:
        """Return the first samples of seed 0: (64, H, W, C)."""
        generator = zerosum.load(run)
        return as_images(generator.decode(generator.sample(NUM_SAMPLES, seed=0)))


@dataclass(frozen=True)
class Lightweight:
    """FastGAN in a training loop of its own."""

    width: int

    def train(self, run: Path, data: str, budget: float, seed: int) -> None:
        """Train, unless the run is complete."""
        if (run / "samples.json").exists():
            return
        run.mkdir(parents=True, exist_ok=True)
        script = str(HERE / "lightweight.py")
        _run_python(script, data, str(run / "samples.npz"), "--budget", f"{budget:g}s", "--seed", str(seed),
                    "--width", str(self.width), "--evaluate-every", "auto")  # fmt: skip

    def evaluate(self, run: Path, data: str) -> Row:
        """Return the outcome of a run with its curve; evaluate it unless it has been."""
        info = json.loads((run / "samples.json").read_text("utf8"))
        folder = RunFolder(run)
        rows = list(folder.rows("scores.jsonl"))
        if not rows:
            rows = [score_images(_load_samples(run), lightweight.load_data(data)) | {"examples": info["examples"]}]
            folder.append("scores.jsonl", rows[0])
        return _outcome(info, rows[-1], info["curve"])

    def samples(self, run: Path) -> NDArray[np.uint8]:
        """Return the first samples: (64, H, W, C)."""
        return _load_samples(run)[:NUM_SAMPLES]


def _run_python(*arguments: str) -> None:
    process = subprocess.run([sys.executable, *arguments], check=False, stdout=subprocess.DEVNULL)
    if process.returncode != 3:  # 3: a severe finding is active, or it diverged: results too
        process.check_returncode()


def _load_samples(run: Path) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] = np.load(run / "samples.npz")["images"]
    return images


def _outcome(status: Row, row: Row, curve: Sequence[tuple[float, float]]) -> Row:
    """Return the result of a run; its curve ends with the score of the finished run."""
    end = (status["seconds"], row["scores"]["kid_lite0"]["value"])
    return {
        "examples": status["examples"], "seconds": status["seconds"],
        "protocol_description": row["protocol_description"], "scores": row["scores"], "curve": [*curve, end],
    }  # fmt: skip


NO_AUGMENT = {"augment.kind": "none"}
WIDTH_64 = {"generator.width": 64, "discriminator.width": 64, **NO_AUGMENT}
CRITIC = {"game.discriminator_steps": 5, "optimizer.lr": 1e-4, "ema.half_life": 500, "training.batch_size": 64}
"""The WGAN-GP paper's settings, at every width."""
SNGAN = {**NO_AUGMENT, "discriminator.norm": "none", "discriminator.spectral_norm": True, "objective.kind": "hinge",
         "optimizer.beta1": 0.0, "optimizer.beta2": 0.9, "training.batch_size": 64, "generator.init": "kaiming",
         "discriminator.init": "kaiming"}  # fmt: skip
CONTENDERS: dict[str, Recipe | Lightweight] = {
    OURS: Recipe("auto"),
    TENTH: Recipe("auto", budget_fraction=0.1),
    "dcgan-64": Recipe("dcgan", {**WIDTH_64, "training.batch_size": 64}),
    "dcgan-24": Recipe("dcgan", {**NO_AUGMENT, "training.batch_size": 64}),
    "wgan-gp-64": Recipe("wgan-gp", WIDTH_64 | CRITIC),
    "wgan-gp-24": Recipe("wgan-gp", NO_AUGMENT | CRITIC),
    "sngan-64": Recipe("dcgan", {**WIDTH_64, **SNGAN}),
    "sngan-24": Recipe("dcgan", SNGAN),
    "lightweight-64": Lightweight(64),
    "lightweight-16": Lightweight(16),
}
"""The default recipe, the same with a tenth of the time, and the usual alternatives: at the width of their code, and at
a width that suits the budget."""


# ---------------------------------------------------------------------- scores of stored samples


class StoredSamples:
    """Samples (N, H, W, C) with the interface of a generator, so that they are evaluated as a run is."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        _, height, width, channels = images.shape
        self.images, self.codec = images, ImageCodec((channels, height, width))

    def sample(self, num_samples: int, *, seed: int = 0, truncation: float = math.inf, first: int = 0) -> Tensor:
        """Return samples `first` to `first + num_samples - 1` as images (num_samples, C, H, W) in [-1, 1].

        The conversion is exact: they become the same bytes again.
        """
        samples = self.images[first : first + num_samples]
        return torch.from_numpy(samples).permute(0, 3, 1, 2).float().div(127.5).sub(1)

    def draw_labels(self, num_samples: int, seed: int = 0) -> None:
        """Return None: the samples have no classes."""


def score_images(images: NDArray[np.uint8], dataset: Dataset, num_samples: int | None = None) -> Row:
    """Return the scores of samples (N, H, W, C) of any origin, by the protocol of `zerosum.evaluate`."""
    options = request.EvaluationOptions(
        "lite0", num_samples, 0, math.inf, "held-out", request.DEFAULT_COPY_CANDIDATES, 5, "ema"
    )
    task = request.build_run_task(StoredSamples(images), dataset, None, options)  # type: ignore[arg-type]
    device = torch.device("cpu")
    network = evaluator.feature_network("lite0", dataset, device, SilentReporter())
    with evaluator.open_feature_extractor(network, dataset, device) as extractor:
        result, _ = evaluator.run_evaluation(task, options, extractor, None, SilentReporter())
    return result.as_row(0)


# ---------------------------------------------------------------------- the table


def above_floor(score: Mapping[str, Any]) -> float:
    """Return a Fréchet distance minus its floor: real images are not at 0."""
    return float(score["value"]) - float(score["floor"])


def seconds_to_reach(runs: Mapping[str, Any], target: float) -> float:
    """Return the seconds until the median over the runs of their latest kernel distance is at most the target.

    Infinite if it never is. A distance is kept until the next evaluation, so this is an upper bound, as accurate as
    evaluations are frequent.
    """
    curves = [run["curve"] for run in runs.values()]
    for time in sorted(seconds for curve in curves for seconds, _ in curve):
        latest = [[value for seconds, value in curve if seconds <= time][-1:] for curve in curves]
        if statistics.median(values[0] if values else math.inf for values in latest) <= target:
            return float(time)
    return math.inf


COLUMNS = ["contender", "seeds", "examples", "seconds", "fd_lite0 above its floor", "kid_lite0", "coverage",
           "times zerosum's fd", "fraction of the budget until zerosum's kid is as good"]  # fmt: skip


def table(results: Mapping[str, Any]) -> str:
    """Return the page as Markdown, made from the results alone."""
    lines = ["# Time to quality", "", "Made by `python benchmarks/quality.py` from `benchmarks/quality.json`.", ""]
    for data, contenders in results["data"].items():
        if OURS not in contenders:
            continue
        budget = results["budgets"][data]
        lines += [f"## {data}, {budget}, {results['threads'][data]} thread(s) a run", ""]
        lines += [_line(COLUMNS), _line(["---"] * len(COLUMNS))]
        lines += [_line(_cells(name, contenders, float(parse_seconds(budget)))) for name in contenders]
        first = next(iter(contenders[OURS].values()))
        floor = first["scores"]
        lines += ["", f"Floors: fd {floor['fd_lite0']['floor']:.1f}, coverage {floor['coverage']['floor']:.3f}. "
                  f"Protocol: {first['protocol_description']}. The last column: when the median of {OURS}'s "
                  f"evaluations first was at most the best final kid_lite0 of the contender; there are "
                  f"{_num_evaluations(contenders[OURS])} evaluations a run, so it is an upper bound.", "",
                  f"![curves](quality-{data}.png)", "", f"![samples](quality-{data}-samples.png)", ""]  # fmt: skip
    return "\n".join(lines)


def _cells(name: str, contenders: Mapping[str, Any], budget: float) -> list[str]:
    """Return the row of a contender."""
    runs = contenders[name]
    scores = [run["scores"] for run in runs.values()]
    distances, kids = [above_floor(run["fd_lite0"]) for run in scores], [run["kid_lite0"]["value"] for run in scores]
    ours = statistics.median(above_floor(run["scores"]["fd_lite0"]) for run in contenders[OURS].values())
    fraction = seconds_to_reach(contenders[OURS], min(kids)) / budget
    return [
        name, str(len(runs)), f"{statistics.median(run['examples'] for run in runs.values()):,.0f}",
        _format_range([run["seconds"] for run in runs.values()]), _format_range(distances), _format_range(kids),
        _format_range([run["coverage"]["value"] for run in scores]), f"{statistics.median(distances) / ours:.1f}",
        "" if name == OURS else f"{fraction:.3f}" if math.isfinite(fraction) else "never",
    ]  # fmt: skip


def _num_evaluations(runs: Mapping[str, Any]) -> int:
    return min(len(run["curve"]) for run in runs.values())


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _format_range(values: Sequence[float]) -> str:
    median = f"{statistics.median(values):.4g}"
    return median if len(values) == 1 else f"{median} ({min(values):.4g} to {max(values):.4g})"


# ---------------------------------------------------------------------- command line


def sample_images(folder: Path, data: str, contenders: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """Return images by name: real held-out ones, then samples of each contender's run of seed 0 in the folder."""
    runs = {name: folder / f"{data}-{name}-0" for name in contenders}
    images = {name: CONTENDERS[name].samples(run) for name, run in runs.items() if run.exists()}
    if OURS not in images:
        return images
    folder_of_ours = RunFolder.open(runs[OURS])
    dataset = read_run_data(folder_of_ours, read_recipe(folder_of_ours), SilentReporter())
    real = RealSet.from_dataset(dataset, dataset.held_out, "held-out images").head(NUM_SAMPLES)
    return {"real, held out": as_images(real.take(np.arange(len(real)))), **images}


def parse_data_argument(argument: str, default_budget: str) -> tuple[str, str, str]:
    """Split `name=path` or `name=path@budget` into name, path and budget."""
    name, _, location = argument.partition("=")
    path, separator, budget = location.rpartition("@")
    return (name, path, budget) if separator else (name, location, default_budget)


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", nargs="*", metavar="NAME=PATH[@BUDGET]")
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS), metavar="CONTENDER")
    parser.add_argument("--draw", action="store_true", help="only write the table and the images")
    return parser.parse_args()


def main() -> None:
    """Train and evaluate the contenders, and write the results, the table and the images."""
    options = parse_arguments()
    results = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {"budgets": {}, "threads": {}, "data": {}}
    for argument in options.data if not options.draw else ():
        name, path, budget = parse_data_argument(argument, options.budget)
        results["budgets"][name], results["threads"][name] = budget, torch.get_num_threads()
        for seed in options.seeds:
            for contender in options.only:
                run = options.folder / f"{name}-{contender}-{seed}"
                CONTENDERS[contender].train(run, path, float(parse_seconds(budget)), seed)
                outcome = CONTENDERS[contender].evaluate(run, path)
                results["data"].setdefault(name, {}).setdefault(contender, {})[str(seed)] = outcome
                RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
                print(run.name, f"{above_floor(outcome['scores']['fd_lite0']):.1f}", flush=True)
    for name, contenders in results["data"].items():
        quality_images.draw_curves(contenders, HERE / f"quality-{name}.png")
        if images := sample_images(options.folder, name, list(contenders)):
            quality_images.draw_samples(images, HERE / f"quality-{name}-samples.png")
    (HERE / "quality.md").write_text(table(results), "utf8")


if __name__ == "__main__":
    main()
