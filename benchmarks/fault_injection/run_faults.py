"""Train runs with and without faults; their logs are kept.

    python benchmarks/fault_injection/run_faults.py FOLDER mnist=PATH fashion=PATH ring grid [--worker 0/2]
        [--seeds 0 1] [--recipe-index 0]

Nothing is evaluated here: `python benchmarks/fault_injection/table.py FOLDER` reads the logs, so that rules can be
changed without training again. Runs that exist in FOLDER are not trained again.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
from faults import FAULTS, Fault

import zerosum
from zerosum.data.dataset import Dataset
from zerosum.recipes.files import RecipeFile, list_recipes
from zerosum.run_folder import RunFolder
from zerosum.training.trainer import Trainer
from zerosum.workflows import run_training
from zerosum.workflows.setup import TrainingSetup

POINT_DATASETS = ("ring", "grid")
EXAMPLES = {"points": 400_000, "images": 48_000}
"""Training examples of a run; slow recipes get fewer, see `SLOW_RECIPES`."""
SLOW_RECIPES = {
    "biggan": 0.5,
    "stylegan2": 0.4,
    "progan": 0.5,
    "projected": 0.5,
    "fastgan": 0.15,
    "sngan": 0.5,
    "cgan-projection": 0.5,
    "wgan-gp": 0.5,
    "wgan": 0.5,
}
NUM_PROBES, NUM_TICKS = 24, 72
MAX_BATCH_SIZE = {"points": 512, "images": 32}
"""Small batches, so that short runs have many rounds."""
POINT_RECIPES = ("auto", "r3gan", "vanilla", "wgan-gp")
TINY_NETWORKS = {
    "generator": {
        "dcgan": {"generator.width": 2},
        "mlp": {"generator.widths": [4]},
        "unet": {"generator.width": 1, "generator.full_resolution_channels": 1},
    },
    "discriminator": {"dcgan": {"discriminator.width": 2}, "mlp": {"discriminator.widths": [4]}},
}
RECORD_FILE = "fault_run.json"
"""In the folder of a finished run: the fields of `FaultRun`, its duration, final state and error."""


@dataclasses.dataclass(frozen=True)
class FaultRun:
    """A run to train; an empty `fault` for a run without a fault."""

    fault: str
    data: str
    recipe: str
    seed: int

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        name = f"{self.fault or 'fault-free'}--{self.data}-{self.recipe}-{self.seed}"
        return name.replace(" ", "_").replace("%", "pc")

    @property
    def kind(self) -> str:
        """Kind of the data: "points" or "images"."""
        return "points" if self.data in POINT_DATASETS else "images"


def list_runs(names: list[str], seeds: list[int], only: list[str], recipe_index: int | None = None) -> list[FaultRun]:
    """Return all runs in pseudorandom order, so that the first ones are a sample of all.

    Args:
        names: names of the datasets.
        seeds: seeds of the runs.
        only: names of faults, "fault-free" among them; all if empty.
        recipe_index: of the recipes of each fault, only the one with this index.
    """
    runs = []
    for seed in seeds:
        for name in names:
            for title, fault in FAULTS.items():
                recipes = fault.point_recipes if name in POINT_DATASETS else fault.image_recipes
                if recipe_index is not None and len(recipes) > 1:
                    recipes = recipes[recipe_index : recipe_index + 1]
                runs += [FaultRun(title, name, recipe, seed) for recipe in recipes]
            fault_free_recipes = POINT_RECIPES if name in POINT_DATASETS else list_recipes()
            runs += [FaultRun("", name, recipe, seed) for recipe in fault_free_recipes]
    selected = [run for run in runs if not only or (run.fault or "fault-free") in only]
    return sorted(selected, key=lambda run: hashlib.blake2b(run.name.encode()).digest())


def build_settings(run: FaultRun, fault: Fault | None) -> dict[str, Any]:
    """Return the settings of a run; those of a fault that depend on the recipe are resolved."""
    examples = int(EXAMPLES[run.kind] * SLOW_RECIPES.get(run.recipe, 1.0))
    tree = _read_recipe(run)
    has_tiny_batch = fault is not None and "training.batch_size" in fault.settings
    batch_size = 2 if has_tiny_batch else min(tree["training"]["batch_size"], MAX_BATCH_SIZE[run.kind])
    examples = examples // 8 if batch_size == 2 else examples
    tick = max(batch_size, examples // NUM_TICKS // batch_size * batch_size)
    settings: dict[str, Any] = {
        "training.batch_size": batch_size, "training.examples": examples, "training.tick_examples": tick,
        "training.seed": run.seed, "training.checkpoint_examples": examples, "training.preview_examples": examples,
        "training.precision": "float32", "diagnostics.every_examples": tick * (NUM_TICKS // NUM_PROBES),
        "diagnostics.samples": 512 if run.kind == "points" else 128, "evaluation.features": "none",
    }  # fmt: skip
    return settings | (fault_settings(fault, tree) if fault else {})


def fault_settings(fault: Fault, tree: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a fault for the recipe whose settings are `tree`."""
    settings: dict[str, Any] = {}
    for name, value in fault.settings.items():
        if name in TINY_NETWORKS:
            settings |= TINY_NETWORKS[name][tree[name]["kind"]]
        elif name == "terms":
            factor = 0.0 if value == "none" else value
            for term_name, term in tree.get("terms", {}).items():
                settings[f"terms.{term_name}.weight"] = _scale_weight(term["weight"], factor)
        else:
            settings[name] = value
    return settings


def _scale_weight(weight: Any, factor: float) -> Any:
    if isinstance(weight, dict):
        return max(weight["start"], weight["end"]) * factor
    return weight * factor


def _read_recipe(run: FaultRun) -> dict[str, Any]:
    file = RecipeFile(run.recipe)
    file.apply_variant("points" if run.kind == "points" else "nano")
    return file.settings_tree.tree


@contextlib.contextmanager
def injected(fault: Fault | None) -> Iterator[None]:
    """Inject the fault into runs that start inside the context."""
    build_trainer, load_dataset = run_training.build_trainer, TrainingSetup.load_dataset_on_ranks

    def load_faulty_dataset(self: TrainingSetup, *args: Any) -> Dataset:
        dataset = load_dataset(self, *args)
        return fault.change_dataset(dataset) if fault else dataset

    def build_faulty_trainer(*args: Any) -> Trainer:
        trainer = build_trainer(*args)
        if fault:
            fault.change_trainer(trainer)
        return trainer

    run_training.build_trainer = build_faulty_trainer
    TrainingSetup.load_dataset_on_ranks = load_faulty_dataset  # type: ignore[method-assign]
    try:
        yield
    finally:
        run_training.build_trainer = build_trainer
        TrainingSetup.load_dataset_on_ranks = load_dataset  # type: ignore[method-assign]


def train(folder: Path, source: str, run: FaultRun, settings: dict[str, Any] | None = None) -> None:
    """Train a run, and write its record; an error is a result too.

    Args:
        folder: the folder of all runs.
        source: the data.
        run: the run.
        settings: settings that override those of the run.
    """
    path = folder / run.name
    if (path / RECORD_FILE).exists():
        return
    shutil.rmtree(path, ignore_errors=True)
    fault = FAULTS.get(run.fault)
    start, error_message = time.monotonic(), ""
    size = "nano" if "nano" in RecipeFile(run.recipe).variants and run.kind == "images" else ""
    with injected(fault):
        try:
            zerosum.train(
                source, recipe=run.recipe, run=path, size=size, settings=build_settings(run, fault) | (settings or {})
            )
        except Exception as error:
            error_message = f"{type(error).__name__}: {error}"
            path.mkdir(parents=True, exist_ok=True)
    record = dataclasses.asdict(run) | {"seconds": time.monotonic() - start, "error": error_message}
    record["state"] = RunFolder(path).read_json("status.json").get("state", "")
    shutil.rmtree(path / "checkpoints", ignore_errors=True)
    (path / RECORD_FILE).write_text(json.dumps(record) + "\n", "utf8")
    print(run.name, record["state"], f"{record['seconds']:.0f} s", error_message, flush=True)


def parse_sources(arguments: list[str]) -> dict[str, str]:
    """Return the source of each dataset by its name, from arguments NAME=SOURCE or NAME."""
    return {name: source or name for name, _, source in (argument.partition("=") for argument in arguments)}


def main() -> None:
    """Train all runs, or a worker's part of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the runs")
    parser.add_argument("data", nargs="+", help="datasets: NAME=PATH, or the name of a built-in dataset")
    parser.add_argument("--worker", default="0/1", help="index of this worker and number of workers, such as 0/2")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--only", nargs="*", default=[], help="names of faults, or fault-free")
    parser.add_argument("--recipe-index", type=int, help="train only this one of each fault's recipes for images")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sources = parse_sources(options.data)
    worker, num_workers = map(int, options.worker.split("/"))
    for index, run in enumerate(list_runs(list(sources), options.seeds, options.only, options.recipe_index)):
        if index % num_workers == worker:
            train(options.folder, sources[run.data], run)


if __name__ == "__main__":
    main()
