"""Image-to-image translation: compare each recipe with its network without a game, and with the peers' loops.

    python benchmarks/translation.py FOLDER DATA [--only relief season ...] [--budget 15m] [--threads 1]
                                                 [--variants game terms-only peers]

DATA holds bluemarble/, emoji/paired/, foods/, photos/, rally/paired/ and solar/ as plain folders with train/ and test/
in them. Every run trains on train/ and is evaluated on test/, which is used for nothing else. Runs that exist in FOLDER
are not trained again, so two calls may train the variants of an experiment in parallel, and a third may evaluate both.
The variant `peers` trains the loops of benchmarks/references_translation.py on the same data, for the same time and
with the same threads. Results go to benchmarks/translation.json, from which docs/make_translation.py makes the page and
its images.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import zerosum
from zerosum.evaluation.features.base import FeatureNetwork
from zerosum.evaluation.features.efficientnet_lite0 import EfficientNetFeatures
from zerosum.evaluation.features.pixels import PixelFeatures
from zerosum.evaluation.kinds.images import LARGE_INPUT_SIZE, SMALL_INPUT_SIZE
from zerosum.evaluation.metrics.paired import PairedMetrics
from zerosum.evaluation.metrics.score import mean_score
from zerosum.inference.load import read_recipe
from zerosum.inference.translator import batch_ranges
from zerosum.media.kind import MEDIA_KINDS
from zerosum.networks.perceptual import PerceptualDistance
from zerosum.reporter import SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.units import parse_seconds
from zerosum.workflows.evaluate_pairs import load_translation_data

HERE = Path(__file__).parent
RESULT = HERE / "translation.json"
Row = dict[str, Any]
NO_GAME = {"game.adversarial_weight": 0}
"""Settings of the variant `terms-only`: the same network, data and time, trained by its loss terms alone."""


@dataclass(frozen=True)
class Experiment:
    """A recipe on some data, and the same without a game."""

    data: str
    """Path below DATA of a folder with train/ and test/."""
    recipe: str
    description: str
    settings: Row = field(default_factory=dict)
    terms_only_settings: Row | None = field(default_factory=lambda: dict(NO_GAME))
    """Settings that train the same network without a game; None: there is no such variant."""
    features: str = "lite0"
    budget_fraction: float = 1.0
    """Training time as a fraction of the budget."""
    peers: tuple[str, ...] = ()
    paired: bool = False
    """Whether it trains without pairs and is evaluated with pairs."""
    bidirectional: bool = False
    """Whether the reverse direction is evaluated too."""
    note: str = ""
    """A caveat for the reader of the figures."""
    tiled: bool = False
    """Whether test images are cut into tiles, which the peers get too."""


EXPERIMENTS = {
    "relief": Experiment(
        "bluemarble", "pix2pix", "relief to the Earth in August", {"data.input": "C", "data.target": "B"},
        budget_fraction=3.0, peers=("pix2pix", "l1"),
    ),
    "emoji": Experiment(
        "emoji/paired", "pix2pix", "Noto's emoji to Twemoji's", {"data.hflip": False}, budget_fraction=1.4,
    ),
    "rally": Experiment(
        "rally/paired", "map", "terrain labels to aerial maps", terms_only_settings=None, budget_fraction=0.6,
    ),
    "season": Experiment(
        "seasons", "season", "January to August and back, from disjoint longitudes", terms_only_settings=None,
        budget_fraction=3.0, paired=True, bidirectional=True, peers=("cyclegan",),
    ),
    "cyclegan-emoji": Experiment(
        "emoji/paired", "cyclegan", "Noto's emoji to Twemoji's and back, trained without pairs", {"data.hflip": False},
        terms_only_settings=None, budget_fraction=0.4, paired=True, bidirectional=True,
    ),
    "cut": Experiment(
        "seasons", "cut", "January to August, one direction", terms_only_settings=None, budget_fraction=0.4,
        paired=True,
    ),
    "super-resolution-esrgan": Experiment(
        "photos", "esrgan", "super-resolution by a factor of 4", features="pixels", budget_fraction=3.6,
        peers=("esrgan",), tiled=True,
        terms_only_settings=NO_GAME | {"terms.perceptual.weight": 0, "terms.l1.weight": 1},
    ),
    "super-resolution-srgan": Experiment(
        "photos", "srgan", "super-resolution by a factor of 4", features="pixels", terms_only_settings=None,
        budget_fraction=0.4,
    ),
    "inpainting": Experiment("solar", "inpaint", "inpainting of holes"),
    "colorization": Experiment(
        "foods", "colorize", "colorization of gray images",
        note="The recipe's U-Net got a feature map at the full resolution of the image after an earlier figure of "
        "these test images had been seen (docs/log.md), so these figures are not of unseen images.",
    ),
    "sketches": Experiment("foods", "sketch", "sketches to images", terms_only_settings=None, budget_fraction=0.4),
    "restoration": Experiment(
        "foods", "restore", "restoration of old photographs", terms_only_settings=None, budget_fraction=0.4,
    ),
}  # fmt: skip


# ---------------------------------------------------------------------- data

BAND_WIDTH = 256
"""Width of a band of longitude, in the numbers that the names of the crops begin with; no crop crosses a border."""


def data_folder(experiment: Experiment, data: Path, folder: Path) -> Path:
    """Return the folder of an experiment's data."""
    return _make_seasons(data, folder) if experiment.data == "seasons" else data / experiment.data


def _make_seasons(data: Path, folder: Path) -> Path:
    """Make training data of January from some bands of longitude and of August from the others; test data are pairs."""
    seasons = folder / "data/seasons"
    if seasons.exists():
        return seasons
    for side, parity in (("A", 0), ("B", 1)):
        for path in sorted((data / "bluemarble/train" / side).iterdir()):
            if int(path.stem.partition("-")[0]) // BAND_WIDTH % 2 == parity:
                target = seasons / "train" / side / path.name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)
        shutil.copytree(data / "bluemarble/test" / side, seasons / "test" / side)
    return seasons


def make_tiles(name: str, experiment: Experiment, data: Path, folder: Path) -> Path:
    """Make data for the peers: the same training images, and as test images the tiles that our run is evaluated on."""
    tiles, draft = folder / f"data/{name}-tiles", folder / f"data/{name}-tiles-draft"
    if not tiles.exists():
        shutil.rmtree(draft, ignore_errors=True)
        shutil.copytree(data / "train", draft / "train")
        run = RunFolder.open(folder / f"{name}-game")
        _, translation_set = load_translation_data(
            run, read_recipe(run), str(data / "test"), experiment.paired, False, SilentReporter()
        )
        (draft / "test").mkdir()
        targets = translation_set.dataset.items(translation_set.indices)
        MEDIA_KINDS.find(translation_set.dataset.summary.kind).write(targets, draft / "test")
        draft.rename(tiles)
    return tiles


# ---------------------------------------------------------------------- Zerosum's runs


def train_and_evaluate(
    name: str, variant: str, experiment: Experiment, data: Path, folder: Path, seconds: float
) -> Row:
    """Train one run, unless it is complete, and evaluate it on the test images."""
    path = folder / f"{name}-{variant}"
    settings = experiment.settings | ((experiment.terms_only_settings or {}) if variant == "terms-only" else {})
    if not (path / "status.json").exists() or json.loads((path / "status.json").read_text())["state"] != "done":
        shutil.rmtree(path, ignore_errors=True)
        zerosum.train(
            data / "train", recipe=experiment.recipe, run=path, budget=seconds * experiment.budget_fraction,
            settings={"evaluation.features": "none"} | settings,
        )  # fmt: skip
    log = [json.loads(line) for line in (path / "log.jsonl").read_text().splitlines()]
    row: Row = {
        "experiment": name, "variant": variant, "recipe": experiment.recipe, "description": experiment.description,
        "run": path.name, "examples": log[-1]["examples"], "seconds": log[-1]["seconds"],
        "threads": _training_threads(path), "settings": settings,
    }  # fmt: skip
    for reverse in (False, True) if experiment.bidirectional else (False,):
        scores = zerosum.evaluate(
            path, data=data / "test", features=experiment.features, paired=experiment.paired, reverse=reverse
        )
        row |= {("reverse_" if reverse else "") + key: value for key, value in select_scores(scores).items()}
    findings = [finding.name for finding in zerosum.diagnose(path)]
    return row | {"findings": findings}


def _training_threads(path: Path) -> int:
    """Return the threads that a run was trained with, recorded by the first call; later calls may have others."""
    file = path / "threads.txt"
    if not file.exists():
        file.write_text(str(torch.get_num_threads()))
    return int(file.read_text())


def select_scores(row: Row) -> Row:
    """Return the part of an evaluation that the results keep."""
    scores = {name: score for name, score in row["scores"].items() if name.partition("_")[0] in ("kid", "fd", "recall")}
    return {
        "paired_metrics": row.get("paired_metrics"),
        "scores": scores,
        "protocol_description": row["protocol_description"],
    }


# ---------------------------------------------------------------------- baselines


def color_transfer(data: Path, input_name: str, target_name: str) -> Row:
    """Match the mean and deviation of each channel to the targets' (Reinhard et al. 2001, in RGB): no network."""
    train = {side: _read_images(data / "train" / side) for side in (input_name, target_name)}
    mean, deviation = ({side: f(x, axis=(0, 1, 2)) for side, x in train.items()} for f in (np.mean, np.std))
    inputs, targets = (_read_images(data / "test" / side) for side in (input_name, target_name))
    normalized = (inputs - mean[input_name]) / deviation[input_name]
    generated = normalized * deviation[target_name] + mean[target_name]
    return _paired_metrics(np.clip(np.round(generated), 0, 255), targets)


def _read_images(folder: Path) -> NDArray[np.float32]:
    """Return the images of a folder in order of name: (N, H, W, 3), 0 to 255, composited over white."""

    def read_opaque(path: Path) -> Image.Image:
        image = Image.open(path).convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")

    return np.stack([np.asarray(read_opaque(path), np.float32) for path in sorted(folder.iterdir())])


def _paired_metrics(generated: NDArray[np.float32], targets: NDArray[np.float32]) -> Row:
    pair, metrics = [_to_tensor(images) for images in (generated, targets)], PairedMetrics()
    metrics.update(*pair)
    perceptual_distance = PerceptualDistance(pair[0].shape[-1]).eval()
    with torch.no_grad():
        batches = zip(*(images.split(64) for images in pair), strict=True)
        distances = torch.cat([perceptual_distance(*batch) for batch in batches]).double().numpy()
    scores = metrics.compute() | {"perceptual_lite0": mean_score(distances)}
    return {"paired_metrics": {name: {"value": score.value, "error": score.error} for name, score in scores.items()}}


def _to_tensor(images: NDArray[np.float32]) -> Tensor:
    """Map images (N, H, W, 3), 0 to 255, to (N, 3, H, W) in [-1, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous() / 127.5 - 1


def train_peer(peer: str, name: str, experiment: Experiment, data: Path, folder: Path, seconds: float) -> Row:
    """Train a peer's loop on the same data, with the same time and threads, and compute the same scores."""
    out = folder / f"{name}-peer-{peer}"
    input_name, target_name = (
        experiment.settings.get(f"data.{side}", default) for side, default in (("input", "A"), ("target", "B"))
    )
    if not (out / "info.json").exists():
        command = [
            sys.executable, str(HERE / "references_translation.py"), peer, str(data), str(out), "--budget",
            f"{seconds * experiment.budget_fraction:.0f}s", "--input", input_name, "--target", target_name,
            "--threads", str(torch.get_num_threads()),
        ]  # fmt: skip
        subprocess.run(command, check=True)
    info = json.loads((out / "info.json").read_text())
    generated = _read_images(out / "generated")
    targets = _read_images(data / "test" / ("" if experiment.tiled else target_name))
    features = (extract_features(_to_tensor(images), experiment.features) for images in (generated, targets))
    value, leave_one_out = paired_kernel_distance(*features)
    kernel_distance = {"value": value, "error": jackknife_error(leave_one_out), "floor": None}
    return {
        "experiment": name, "variant": f"peer {peer}", "recipe": peer, "examples": info["examples"],
        "seconds": info["seconds"], "threads": info["threads"],
        "scores": {f"kid_{experiment.features}": kernel_distance},
    } | _paired_metrics(generated, targets)  # fmt: skip


# ---------------------------------------------------------------------- difference of two kernel distances


def paired_kernel_distance(generated: Tensor, targets: Tensor) -> tuple[float, NDArray[np.float64]]:
    """Return the kernel distance of paired sets, as `zerosum evaluate` computes it, and the same without each pair.

    Args:
        generated: (N, D) features of the generated images.
        targets: (N, D) features of their targets.

    Returns:
        The distance, and the distances without pair i: (N,).
    """
    n = len(generated)

    def kernels(x: Tensor, y: Tensor) -> NDArray[np.float64]:
        matrix: Tensor = (x.double() @ y.double().T / x.shape[1] + 1) ** 3
        return matrix.fill_diagonal_(0).numpy()

    within = kernels(generated, generated) + kernels(targets, targets)
    between = kernels(generated, targets)
    pairs = within.sum(1) - between.sum(0) - between.sum(1)
    leave_one_out = (pairs.sum() - 2 * pairs) / ((n - 1) * (n - 2))
    return float(pairs.sum() / (n * (n - 1))), leave_one_out


def _load_lite0(size: int) -> FeatureNetwork:
    return EfficientNetFeatures.load(
        SMALL_INPUT_SIZE if size <= SMALL_INPUT_SIZE else LARGE_INPUT_SIZE, torch.device("cpu")
    )


FEATURE_NETWORKS: dict[str, Callable[[int], FeatureNetwork]] = {
    "lite0": _load_lite0,
    "pixels": lambda _: PixelFeatures(),
}
"""From the longest side of the images in pixels to the network that `zerosum evaluate` uses for them."""


def extract_features(images: Tensor, name: str) -> Tensor:
    """Map (N, 3, H, W) in [-1, 1] to features (N, D) of the network of that name."""
    network = FEATURE_NETWORKS[name](max(images.shape[2:]))
    with torch.no_grad():
        return network(images).features


def jackknife_error(leave_one_out: NDArray[np.float64]) -> float:
    """Return the standard error of a value, from the values without each image (N,)."""
    return math.sqrt((len(leave_one_out) - 1) * float(leave_one_out.var()))


def kernel_distance_difference(name: str, experiment: Experiment, data: Path, folder: Path) -> Row:
    """Return how much lower the kernel distance of the game is than that of its network without a game.

    Both are computed on the same images, so the difference is more certain than either. Its error is that of the
    jackknife over images.
    """
    results = {}
    for variant in ("game", "terms-only"):
        run = RunFolder.open(folder / f"{name}-{variant}")
        _, translation_set = load_translation_data(
            run, read_recipe(run), str(data / "test"), experiment.paired, False, SilentReporter()
        )
        translator = zerosum.load_translator(run.path)
        pairs = (
            (translator(translation_set.inputs(rows)), translation_set.targets(rows))
            for rows in batch_ranges(len(translation_set.indices), 64)
        )
        generated, targets = zip(*pairs, strict=True)
        rounded = torch.cat(generated).add(1).mul(127.5).round().clamp(0, 255).div(127.5).sub(1)  # as in image files
        features = (extract_features(images, experiment.features) for images in (rounded, torch.cat(targets)))
        results[variant] = paired_kernel_distance(*features)
    value = results["terms-only"][0] - results["game"][0]
    return {"value": value, "error": jackknife_error(results["terms-only"][1] - results["game"][1])}


# ---------------------------------------------------------------------- command line


def run_experiment(name: str, options: argparse.Namespace, seconds: float) -> Iterator[Row]:
    """Yield the rows of an experiment."""
    experiment, folder, variants = EXPERIMENTS[name], options.folder, options.variants
    data = data_folder(experiment, options.data, folder)
    for variant in ("game", *(["terms-only"] if experiment.terms_only_settings else [])):
        if variant in variants:
            yield train_and_evaluate(name, variant, experiment, data, folder, seconds)
    has_both = experiment.terms_only_settings and {"game", "terms-only"} <= {*variants}
    if has_both and experiment.features == "lite0":
        difference = kernel_distance_difference(name, experiment, data, folder)
        yield {"experiment": name, "variant": "difference"} | difference
    if experiment.paired and "game" in variants:
        sides = {"": ("A", "B")} | ({"reverse_": ("B", "A")} if experiment.bidirectional else {})
        metrics = {f"{prefix}paired_metrics": color_transfer(data, *pair)["paired_metrics"]
                   for prefix, pair in sides.items()}  # fmt: skip
        yield {"experiment": name, "variant": "color transfer"} | metrics
    for peer in experiment.peers if "peers" in variants else ():
        peer_data = make_tiles(name, experiment, data, folder) if experiment.tiled else data
        yield train_peer(peer, name, experiment, peer_data, folder, seconds)


def save_rows(rows: Sequence[Row]) -> None:
    """Add rows to the results file, replacing those of the same experiment and variant."""
    previous = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else []
    results = {(row["experiment"], row["variant"]): row for row in [*previous, *rows]}
    RESULT.write_text(json.dumps([results[key] for key in sorted(results)], indent=1) + "\n", "utf8")


def main() -> None:
    """Train and evaluate the experiments, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="*", default=list(EXPERIMENTS), metavar="EXPERIMENT")
    parser.add_argument("--budget", default="15m")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--variants", nargs="*", default=["game", "terms-only"], help="game, terms-only, peers")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.only:
        for row in run_experiment(name, options, float(parse_seconds(options.budget))):
            save_rows([row])
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
