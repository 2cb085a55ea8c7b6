"""Time to quality: the default recipe against the peers', the same data, clock, machine and judge.

    python benchmarks/quality.py FOLDER mnist=PATH emoji=PATH@15m [--budget 5m] [--seeds 0 1 2] [--only zerosum ...]
    python benchmarks/quality.py FOLDER --draw            # the table and the pictures alone

A contender is a recipe played by our loop: a peer's networks, objective and optimizer get our loop's speed, so what is
compared is the choice, not the code (benchmarks/step.py compares the code). Precision is part of the choice: peers play
in float32, as their code does, and our default takes bfloat16 where this machine is faster in it. Not matched: peers
draw uniform latents, sngan moves its discriminator once a round, and both share fakes between the players as
pytorch/examples does. One whose networks
and losses are no recipe of ours has a loop of its own, on our data and clock (benchmarks/lightweight.py). Everyone is
judged in passing, as often as fits in 4% of the time (kernel distance of 512 samples), and at the end: 10,000 samples
against the held-out images of the data's train part, never its test part. Threads are as OMP_NUM_THREADS says.

Results go to benchmarks/quality.json, the table to benchmarks/quality.md, and for each data set a picture of the curves
and one of samples beside it. Runs in FOLDER are neither made nor judged again.
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
from zerosum.evaluation import evaluator, request
from zerosum.evaluation.sample_sets import RealSet
from zerosum.inference.load import read_recipe
from zerosum.media.images import to_uint8
from zerosum.reporter import SilentReporter
from zerosum.run_folder import Row, RunFolder
from zerosum.units import parse_seconds
from zerosum.workflows.evaluate import load_run_dataset

HERE = Path(__file__).parent
RESULT = HERE / "quality.json"
SHOWN = 64
"""Samples of each contender in the picture."""
OURS, TENTH = "zerosum", "zerosum-tenth"


# ---------------------------------------------------------------------- contenders


@dataclass(frozen=True)
class Recipe:
    """A recipe of ours with settings, played by our loop."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    share: float = 1.0
    """Of the budget that it may use."""

    def play(self, run: Path, data: str, budget: float, seed: int) -> None:
        """One run, unless it is there and done."""
        state = RunFolder(run).read_json("status.json").get("state")
        if state in ("done", "diverged"):
            return
        shutil.rmtree(run, ignore_errors=True)  # one that was cut off
        words = ["train", data, "--recipe", self.name, "--budget", f"{budget * self.share:g}s", "--seed", str(seed)]
        for name, value in self.settings.items():
            words += [f"--{name}", json.dumps(value).strip('"')]
        _command("-m", "zerosum", *words, "--run", str(run))

    def judged(self, run: Path, data: str) -> Row:
        """How it ended, and its curve; judged once."""
        folder = RunFolder(run)
        asked = [row for row in folder.rows("scores.jsonl") if row.get("when") == "asked"]
        row = asked[-1] if asked else zerosum.evaluate(run, reporter=SilentReporter())
        ticks = [(tick["images"], tick["seconds"]) for tick in folder.rows()]
        curve = [
            (min(ticks, key=lambda tick: abs(tick[0] - each["images"]))[1], each["distance"])
            for each in folder.rows("scores.jsonl")
            if each.get("when") == "training"
        ]
        return _found(folder.read_json("status.json"), row, curve)

    def samples(self, run: Path) -> NDArray[np.uint8]:
        """The first samples of seed 0, (64, H, W, C)."""
        return to_uint8(zerosum.load(run).sample(SHOWN, seed=0))


@dataclass(frozen=True)
class Lightweight:
    """FastGAN in its own loop."""

    width: int

    def play(self, run: Path, data: str, budget: float, seed: int) -> None:
        """One run, unless it is there."""
        if (run / "samples.json").exists():
            return
        run.mkdir(parents=True, exist_ok=True)
        script = str(HERE / "lightweight.py")
        _command(script, data, str(run / "samples.npz"), "--budget", f"{budget:g}s", "--seed", str(seed),
                 "--width", str(self.width), "--judge-every", "auto")  # fmt: skip

    def judged(self, run: Path, data: str) -> Row:
        """How it ended, and its curve; judged once."""
        info = json.loads((run / "samples.json").read_text("utf8"))
        folder = RunFolder(run)
        rows = list(folder.rows("scores.jsonl"))
        if not rows:
            rows = [scored(_saved(run), lightweight.intake(data)[0]) | {"images": info["images"]}]
            folder.append("scores.jsonl", rows[0])
        return _found(info, rows[-1], info["curve"])

    def samples(self, run: Path) -> NDArray[np.uint8]:
        """The first samples, (64, H, W, C)."""
        return _saved(run)[:SHOWN]


def _command(*words: str) -> None:
    ended = subprocess.run([sys.executable, *words], check=False, stdout=subprocess.DEVNULL)
    if ended.returncode != 3:  # 3: a severe finding stands, or it diverged: results too
        ended.check_returncode()


def _saved(run: Path) -> NDArray[np.uint8]:
    images: NDArray[np.uint8] = np.load(run / "samples.npz")["images"]
    return images


def _found(status: Row, row: Row, curve: Sequence[tuple[float, float]]) -> Row:
    """What is kept of a run; its curve ends in the judgement at its end."""
    end = (status["seconds"], row["scores"]["kid_lite0"]["value"])
    return {"images": status["images"], "seconds": status["seconds"], "line": row["line"], "scores": row["scores"],
            "curve": [*curve, end]}  # fmt: skip


PLAIN = {"augment.kind": "none"}
BIG = {"generator.width": 64, "discriminator.width": 64, **PLAIN}
CRITIC = {"game.discriminator_steps": 5, "optimizer.lr": 1e-4, "ema.half_life": 500, "training.batch_size": 64}
"""Its paper's, whatever size the networks have."""
SNGAN = {**PLAIN, "discriminator.norm": "none", "discriminator.spectral_norm": True, "objective.kind": "hinge",
         "optimizer.beta1": 0.0, "optimizer.beta2": 0.9, "training.batch_size": 64, "generator.init": "scaled",
         "discriminator.init": "scaled"}  # fmt: skip
CONTENDERS: dict[str, Recipe | Lightweight] = {
    OURS: Recipe("auto"),
    TENTH: Recipe("auto", share=0.1),
    "dcgan-64": Recipe("dcgan", {**BIG, "training.batch_size": 64}),
    "dcgan-24": Recipe("dcgan", {**PLAIN, "training.batch_size": 64}),
    "wgan-gp-64": Recipe("wgan-gp", BIG | CRITIC),
    "wgan-gp-24": Recipe("wgan-gp", PLAIN | CRITIC),
    "sngan-64": Recipe("dcgan", {**BIG, **SNGAN}),
    "sngan-24": Recipe("dcgan", SNGAN),
    "lightweight-64": Lightweight(64),
    "lightweight-16": Lightweight(16),
}
"""Our default, the same in a tenth of the time, and what people would otherwise run: at the width of their code and at
one that suits the budget."""


# ---------------------------------------------------------------------- any sampler, judged as a run is


class Stored:
    """Samples (N, H, W, C) as a generator, so that they are asked about as a run is."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self.images = images

    def sample(self, n: int, *, seed: int = 0, truncation: float = math.inf, first: int = 0) -> Tensor:
        """Samples `first` to `first + n - 1` as images (n, C, H, W) in [-1, 1], which become the same bytes again."""
        return torch.from_numpy(self.images[first : first + n]).permute(0, 3, 1, 2).float().div(127.5).sub(1)

    def labels(self, n: int, seed: int = 0) -> None:
        """It knows no classes."""


def scored(images: NDArray[np.uint8], examples: Dataset, n: int | None = None) -> Row:
    """The scores of samples (N, H, W, C) of any origin, by the protocol of `zerosum.evaluate`."""
    asked = request.EvaluationOptions(
        "lite0", n, 0, math.inf, "held-out", request.DEFAULT_COPY_CANDIDATES, 5, "averaged"
    )
    about = request.build_run_task(Stored(images), examples, None, asked)  # type: ignore[arg-type]
    device = torch.device("cpu")
    with evaluator.open_feature_extractor(
        evaluator.feature_network("lite0", examples, device, SilentReporter()), device
    ) as watching:
        result, _ = evaluator.run_evaluation(about, asked, watching, None, SilentReporter())
    return result.as_row(0)


# ---------------------------------------------------------------------- the table


def above(score: Mapping[str, Any]) -> float:
    """A Fréchet distance above its floor: real images are not at 0."""
    return float(score["value"]) - float(score["floor"])


def passed(runs: Mapping[str, Any], target: float) -> float:
    """Seconds until the median over the runs of their newest kernel distances is at most the target; inf: never.

    A distance holds until the next judgement, so this is an upper bound, as fine as judgements are dense.
    """
    curves = [run["curve"] for run in runs.values()]
    for moment in sorted(when for curve in curves for when, _ in curve):
        newest = [[value for when, value in curve if when <= moment][-1:] for curve in curves]
        if statistics.median(each[0] if each else math.inf for each in newest) <= target:
            return moment
    return math.inf


HEAD = ["contender", "seeds", "images", "seconds", "fd_lite0 above its floor", "kid_lite0", "coverage",
        "times zerosum's fd", "share of the budget until zerosum's kid is as good"]  # fmt: skip


def table(results: Mapping[str, Any]) -> str:
    """Markdown, all of it from the results."""
    lines = ["# Time to quality", "", "Made by `python benchmarks/quality.py` from `benchmarks/quality.json`.", ""]
    for data, contenders in results["data"].items():
        if OURS not in contenders:
            continue
        budget = results["budgets"][data]
        lines += [
            f"## {data}, {budget}, {results['threads'][data]} thread(s) a run",
            "",
            _line(HEAD),
            _line(["---"] * len(HEAD)),
        ]
        lines += [_line(_cells(name, contenders, float(parse_seconds(budget)))) for name in contenders]
        first = next(iter(contenders[OURS].values()))
        floor = first["scores"]
        lines += ["", f"Floors: fd {floor['fd_lite0']['floor']:.1f}, coverage {floor['coverage']['floor']:.3f}. "
                  f"Protocol: {first['line']}. The last column: when the median of {OURS}'s judgements first was at "
                  f"most the contender's best final kid_lite0; judged {_judged(contenders[OURS])} times a run, so an "
                  f"upper bound.", "", f"![curves](quality-{data}.png)", "", f"![samples](quality-{data}-samples.png)",
                  ""]  # fmt: skip
    return "\n".join(lines)


def _cells(name: str, contenders: Mapping[str, Any], budget: float) -> list[str]:
    """A contender's row."""
    runs = contenders[name]
    each = [run["scores"] for run in runs.values()]
    distances, kids = [above(scores["fd_lite0"]) for scores in each], [s["kid_lite0"]["value"] for s in each]
    ours = statistics.median(above(run["scores"]["fd_lite0"]) for run in contenders[OURS].values())
    share = passed(contenders[OURS], min(kids)) / budget
    return [
        name, str(len(runs)), f"{statistics.median(run['images'] for run in runs.values()):,.0f}",
        _range([run["seconds"] for run in runs.values()]), _range(distances), _range(kids),
        _range([scores["coverage"]["value"] for scores in each]), f"{statistics.median(distances) / ours:.1f}",
        "" if name == OURS else f"{share:.3f}" if math.isfinite(share) else "never",
    ]  # fmt: skip


def _judged(runs: Mapping[str, Any]) -> int:
    return min(len(run["curve"]) for run in runs.values())


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _range(values: Sequence[float]) -> str:
    middle = f"{statistics.median(values):.4g}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.4g} to {max(values):.4g})"


# ---------------------------------------------------------------------- the command


def sheet(folder: Path, data: str, contenders: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """Images by name: real held-out ones, then samples of each contender's run of seed 0 that is in the folder."""
    runs = {name: folder / f"{data}-{name}-0" for name in contenders}
    images = {name: CONTENDERS[name].samples(run) for name, run in runs.items() if run.exists()}
    if OURS not in images:
        return images
    ours = RunFolder.open(runs[OURS])
    dataset = load_run_dataset(ours, read_recipe(ours), SilentReporter())
    real = RealSet.from_dataset(dataset, dataset.held_out, "held-out images").head(SHOWN)
    return {"real, held out": real.take(np.arange(len(real))), **images}


def placed(word: str, budget: str) -> tuple[str, str, str]:
    """`name=path` or `name=path@budget` as name, path, budget."""
    name, _, place = word.partition("=")
    path, at, own = place.rpartition("@")
    return (name, path, own) if at else (name, place, budget)


def main() -> None:
    """Play, judge, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS))
    parser.add_argument("--draw", action="store_true")
    asked = parser.parse_args()
    results = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {"budgets": {}, "threads": {}, "data": {}}
    for name, path, budget in (placed(word, asked.budget) for word in asked.data if not asked.draw):
        results["budgets"][name], results["threads"][name] = budget, torch.get_num_threads()
        for seed in asked.seeds:
            for contender in asked.only:
                run = asked.folder / f"{name}-{contender}-{seed}"
                CONTENDERS[contender].play(run, path, float(parse_seconds(budget)), seed)
                found = CONTENDERS[contender].judged(run, path)
                results["data"].setdefault(name, {}).setdefault(contender, {})[str(seed)] = found
                RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
                print(run.name, f"{above(found['scores']['fd_lite0']):.1f}", flush=True)
    for name, contenders in results["data"].items():
        quality_images.curves(contenders, HERE / f"quality-{name}.png")
        if images := sheet(asked.folder, name, list(contenders)):
            quality_images.samples(images, HERE / f"quality-{name}-samples.png")
    (HERE / "quality.md").write_text(table(results), "utf8")


if __name__ == "__main__":
    main()
