"""Pictures turned into others: each recipe against the same network without a game, and against the peers' loops.

    python benchmarks/translation.py FOLDER DATA [--only relief season ...] [--budget 15m] [--threads 1]
                                                 [--ways game alone peers]

DATA holds bluemarble/, emoji/paired/, foods/, photos/, rally/paired/ and solar/ as plain folders with train/ and test/
in them. Every run is made on train/ and judged on test/, which nothing else has seen; runs in FOLDER are not made
again, so that two calls may train the ways of an experiment side by side, and a third judge both. With the way `peers`
the written-out loops of benchmarks/references_translation.py are given the same data, time and threads.
Results go to benchmarks/translation.json, from which docs/make_translation.py makes the page and its pictures.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import zerosum
from zerosum.evaluation.features.registry import load_feature_network
from zerosum.evaluation.metrics.class_counts import mean_score
from zerosum.evaluation.metrics.paired import PairedMetrics
from zerosum.inference import writers
from zerosum.inference.load import read_recipe
from zerosum.inference.translator import batch_ranges
from zerosum.networks.perceptual import PerceptualDistance
from zerosum.reporter import SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.units import parse_seconds as parse_seconds
from zerosum.workflows.evaluate_pairs import load_translation_data

HERE = Path(__file__).parent
RESULT = HERE / "translation.json"
Row = dict[str, Any]
ALONE = {"game.adversarial_weight": 0}
"""The same network, data and time, taught by the terms alone."""


@dataclass(frozen=True)
class Experiment:
    """A recipe on some data, and the same without a game."""

    data: str
    """Below DATA: a folder with train/ and test/."""
    recipe: str
    about: str
    settings: Row = field(default_factory=dict)
    alone: Row | None = field(default_factory=lambda: dict(ALONE))
    """What makes a twin without a game; None: no twin."""
    features: str = "lite0"
    share: float = 1.0
    """Of the budget."""
    peers: tuple[str, ...] = ()
    paired: bool = False
    """Trained without pairs, and judged by the pairs that are kept from it."""
    both: bool = False
    """Judged on the way back too."""
    note: str = ""
    """What a reader of the figures must know."""
    tiled: bool = False
    """Peers are asked for the tiles that ours is judged by."""


EXPERIMENTS = {
    "relief": Experiment(
        "bluemarble", "pix2pix", "relief to the Earth in August", {"data.input": "C", "data.target": "B"},
        share=3.0, peers=("pix2pix", "l1"),
    ),
    "emoji": Experiment("emoji/paired", "pix2pix", "Noto's emoji to Twemoji's", {"data.hflip": False}, share=1.4),
    "rally": Experiment("rally/paired", "map", "terrain labels to aerial maps", alone=None, share=0.6),
    "season": Experiment(
        "seasons", "season", "January to August and back, from longitudes that never meet", alone=None, share=3.0,
        paired=True, both=True, peers=("cyclegan",),
    ),
    "two-ways": Experiment(
        "emoji/paired", "cyclegan", "Noto's emoji to Twemoji's and back, as if nobody knew the pairs",
        {"data.hflip": False}, alone=None, share=0.4, paired=True, both=True,
    ),
    "one-way": Experiment("seasons", "cut", "January to August, one way only", alone=None, share=0.4, paired=True),
    "large": Experiment(
        "photos", "esrgan", "four times larger", features="pixels", share=3.6, peers=("esrgan",), tiled=True,
        alone=ALONE | {"terms.perceptual.weight": 0, "terms.l1.weight": 1},
    ),
    "enlarged": Experiment("photos", "srgan", "four times larger", features="pixels", alone=None, share=0.4),
    "holes": Experiment("solar", "inpaint", "holes filled"),
    "colours": Experiment(
        "foods", "colorize", "grey pictures coloured",
        note="The recipe's U-Net was given a map at the picture's own size after an earlier figure of these same test "
        "pictures had been seen (docs/log.md), so these are not of unseen pictures.",
    ),
    "sketches": Experiment("foods", "sketch", "sketches to pictures", alone=None, share=0.4),
    "old": Experiment("foods", "restore", "old pictures made whole", alone=None, share=0.4),
}  # fmt: skip


def seasons(data: Path, folder: Path) -> Path:
    """January from some bands of longitude and August from the others, to train on; pairs of both to be judged by."""
    place = folder / "data/seasons"
    if place.exists():
        return place
    for side, odd in (("A", 0), ("B", 1)):
        for path in sorted((data / "bluemarble/train" / side).iterdir()):
            if int(path.stem.partition("-")[0]) // BAND % 2 == odd:
                target = place / "train" / side / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        shutil.copytree(data / "bluemarble/test" / side, place / "test" / side)
    return place


def tiles(name: str, experiment: Experiment, place: Path, folder: Path) -> Path:
    """The same training pictures, and the tiles that our run of this name is judged by as test pictures."""
    there, draft = folder / f"data/{name}-tiles", folder / f"data/{name}-tiles-draft"
    if not there.exists():
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(place / "train", draft / "train")
        run = RunFolder.open(folder / f"{name}-game")
        _, asking = load_translation_data(
            run, read_recipe(run), str(place / "test"), experiment.paired, False, SilentReporter()
        )
        writers.write_samples(asking.targets(range(len(asking.indices))), draft / "test")
        (draft / "test/sheet.png").unlink()
        draft.rename(there)
    return there


BAND = 256
"""How wide a band of longitude is, in the numbers that the crops' names begin with; crops cross no border."""


def place_of(experiment: Experiment, data: Path, folder: Path) -> Path:
    """The folder of its data."""
    return seasons(data, folder) if experiment.data == "seasons" else data / experiment.data


def play(name: str, way: str, experiment: Experiment, place: Path, folder: Path, seconds: float) -> Row:
    """Train one run, or find it trained, and judge it on the test pictures."""
    path = folder / f"{name}-{way}"
    settings = experiment.settings | ((experiment.alone or {}) if way == "alone" else {})
    if not (path / "status.json").exists() or json.loads((path / "status.json").read_text())["state"] != "done":
        shutil.rmtree(path, ignore_errors=True)
        zerosum.train(
            place / "train", recipe=experiment.recipe, run=path, budget=seconds * experiment.share,
            settings={"evaluation.features": "none"} | settings,
        )  # fmt: skip
    log = [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
    row: Row = {
        "experiment": name, "variant": way, "recipe": experiment.recipe, "about": experiment.about, "run": str(path.name),
        "images": log[-1]["examples"], "seconds": log[-1]["seconds"], "threads": _threads(path),
        "settings": settings,
    }  # fmt: skip
    for back in (False, True) if experiment.both else (False,):
        judged = zerosum.evaluate(
            path, data=place / "test", features=experiment.features, paired=experiment.paired, reverse=back
        )
        row |= {("back " if back else "") + key: value for key, value in about(judged).items()}
    findings = [finding.name for finding in zerosum.diagnose(path)]
    return row | {"findings": findings}


def _threads(run: Path) -> int:
    """What it was trained on: a call that only judges may have others. Written down when it is first asked for."""
    file = run / "threads.txt"
    if not file.exists():
        file.write_text(str(torch.get_num_threads()))
    return int(file.read_text())


def about(judged: Row) -> Row:
    """What of a judgement is kept."""
    kept = {
        name: score for name, score in judged["scores"].items() if name.partition("_")[0] in ("kid", "fd", "recall")
    }
    return {"paired_metrics": judged.get("paired_metrics"), "scores": kept, "protocol": judged["protocol_description"]}


# ---------------------------------------------------------------------- things to beat


def colour_transfer(place: Path, given: str, wanted: str) -> Row:
    """Every channel brought to the wanted kind's mean and deviation (Reinhard et al. 2001, in RGB): no network."""
    train = {side: _read(place / "train" / side) for side in (given, wanted)}
    mean, deviation = ({side: f(x, axis=(0, 1, 2)) for side, x in train.items()} for f in (np.mean, np.std))
    test, truth = (_read(place / "test" / side) for side in (given, wanted))
    made = (test - mean[given]) / deviation[given] * deviation[wanted] + mean[wanted]
    return _scores(np.clip(np.round(made), 0, 255), truth)


def _read(folder: Path) -> np.ndarray:
    def opaque(path: Path) -> Image.Image:
        image = Image.open(path).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")

    return np.stack([np.asarray(opaque(path), np.float32) for path in sorted(folder.iterdir())])


def _scores(made: np.ndarray, wanted: np.ndarray) -> Row:
    both, likeness = [_scaled(each) for each in (made, wanted)], PairedMetrics()
    likeness.update(*both)
    eyes = PerceptualDistance(both[0].shape[-1]).eval()
    with torch.no_grad():
        seen = torch.cat([eyes(*each) for each in zip(*(x.split(64) for x in both), strict=True)]).double().numpy()
    scores = likeness.compute() | {"perceptual_lite0": mean_score(seen)}
    return {"paired_metrics": {name: {"value": score.value, "error": score.error} for name, score in scores.items()}}


def _scaled(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).contiguous() / 127.5 - 1


def peer(name: str, which: str, experiment: Experiment, place: Path, folder: Path, seconds: float) -> Row:
    """A written-out loop on the same data, time and threads, judged by the same scores."""
    out = folder / f"{name}-peer-{which}"
    sides = [experiment.settings.get(f"data.{side}", usual) for side, usual in (("given", "A"), ("wanted", "B"))]
    if not (out / "about.json").exists():
        command = [
            sys.executable, str(HERE / "references_translation.py"), which, str(place), str(out), "--budget",
            f"{seconds * experiment.share:.0f}s", "--given", sides[0], "--wanted", sides[1], "--threads",
            str(torch.get_num_threads()),
        ]  # fmt: skip
        subprocess.run(command, check=True)
    conditioning = json.loads((out / "about.json").read_text())
    made, wanted = _read(out / "made"), _read(place / "test" / ("" if experiment.tiled else sides[1]))
    value, without = answered(*(features(_scaled(each), experiment.features) for each in (made, wanted)))
    kernel = {"value": value, "error": jackknifed(without), "floor": None}
    return {
        "experiment": name, "variant": f"peer {which}", "recipe": which, "examples": conditioning["examples"],
        "seconds": conditioning["seconds"], "threads": conditioning["threads"], "scores": {f"kid_{experiment.features}": kernel},
    } | _scores(made, wanted)  # fmt: skip


# ---------------------------------------------------------------------- is the game's kernel distance lower for sure


def answered(made: Tensor, wanted: Tensor) -> tuple[float, NDArray[np.float64]]:
    """The kernel distance of answers, as `zerosum evaluate` has it, and the same without each pair: (N,).

    Args:
        made: (N, D) features of what was made.
        wanted: (N, D) features of what was wanted of each.
    """
    n = len(made)

    def kernels(x: Tensor, y: Tensor) -> NDArray[np.float64]:
        both: Tensor = (x.double() @ y.double().T / x.shape[1] + 1) ** 3
        return both.fill_diagonal_(0).numpy()

    own = kernels(made, made) + kernels(wanted, wanted)
    mixed = kernels(made, wanted)
    pairs = own.sum(1) - mixed.sum(0) - mixed.sum(1)
    without = (pairs.sum() - 2 * pairs) / ((n - 1) * (n - 2))
    return float(pairs.sum() / (n * (n - 1))), without


def features(pictures: Tensor, name: str) -> Tensor:
    """(N, 3, H, W) in [-1, 1] to (N, D), by the network of that name that `zerosum evaluate` uses."""
    eyes = load_feature_network(name, max(pictures.shape[2:]), torch.device("cpu"))
    with torch.no_grad():
        return eyes(pictures).features


def jackknifed(without: NDArray[np.float64]) -> float:
    """The standard error of a value, from the values without each picture."""
    return math.sqrt((len(without) - 1) * float(without.var()))


def lead(name: str, experiment: Experiment, place: Path, folder: Path) -> Row:
    """How much lower the game's kernel distance is than its network's alone, on the same pictures: both share the
    pictures' chances, so the difference is surer than either. Its error by the jackknife that leaves out each picture.
    """
    found = {}
    for way in ("game", "alone"):
        run = RunFolder.open(folder / f"{name}-{way}")
        _, asking = load_translation_data(
            run, read_recipe(run), str(place / "test"), experiment.paired, False, SilentReporter()
        )
        translator = zerosum.load_translator(run.path)
        rows = batch_ranges(len(asking.indices), 64)
        made, wanted = zip(*((translator(asking.inputs(each)), asking.targets(each)) for each in rows), strict=True)
        as_files = torch.cat(made).add(1).mul(127.5).round().clamp(0, 255).div(127.5).sub(1)
        found[way] = answered(*(features(each, experiment.features) for each in (as_files, torch.cat(wanted))))
    value = found["alone"][0] - found["game"][0]
    return {"value": value, "error": jackknifed(found["alone"][1] - found["game"][1])}


# ---------------------------------------------------------------------- all of it


def put(rows: Sequence[Row]) -> None:
    """Write rows down, in place of those of the same name."""
    before = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else []
    found = {(row["experiment"], row["variant"]): row for row in [*before, *rows]}
    RESULT.write_text(json.dumps([found[key] for key in sorted(found)], indent=1) + "\n", "utf8")


def main() -> None:
    """Play, judge, write down."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", default=list(EXPERIMENTS))
    parser.add_argument("--budget", default="15m")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--ways", nargs="*", default=["game", "alone"])
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    seconds = parse_seconds(asked.budget)
    for name in asked.only:
        experiment = EXPERIMENTS[name]
        place = place_of(experiment, asked.data, asked.folder)
        ways = ["game", *(["alone"] if experiment.alone else [])]
        for way in [way for way in ways if way in asked.ways]:
            put([row := play(name, way, experiment, place, asked.folder, seconds)])
            print(name, way, row["examples"], row["paired_metrics"], row["scores"], flush=True)
        if experiment.alone and experiment.features == "lite0" and {"game", "alone"} <= {*asked.ways}:
            put([row := {"experiment": name, "variant": "lead"} | lead(name, experiment, place, asked.folder)])
            print(row, flush=True)
        if experiment.paired and "game" in asked.ways:
            sides = {"": ("A", "B")} | ({"back ": ("B", "A")} if experiment.both else {})
            transfers = {way: colour_transfer(place, *each) for way, each in sides.items()}
            row = {f"{way}pairs": each["paired_metrics"] for way, each in transfers.items()}
            put([{"experiment": name, "variant": "colour transfer"} | row])
        for which in experiment.peers if "peers" in asked.ways else ():
            there = tiles(name, experiment, place, asked.folder) if experiment.tiled else place
            put([row := peer(name, which, experiment, there, asked.folder, seconds)])
            print(row, flush=True)


if __name__ == "__main__":
    main()
