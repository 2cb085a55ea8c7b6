"""The ward's patients: one run each, with a fault or healthy, played to its end; its log is kept.

    python benchmarks/ward/patients.py FOLDER mnist=PATH fashion=PATH ring grid [--worker 0/2] [--seeds 0 1] [--which 0]

Nothing is judged here: `python benchmarks/ward/table.py FOLDER` reads the logs, so that rules can be changed without
training anything again. Runs in FOLDER are not made again.
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
from zerosum.workflows.setup import TrainingSetup

IMAGES = {"points": 400_000, "pictures": 48_000}
"""A run's length; slow recipes are given less, see `length`."""
SLOW = {
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
EXAMINATIONS, TICKS = 24, 72
BATCH = {False: 32, True: 512}
"""Images in a round at most, on pictures and on points: short runs of many rounds."""
POINT_RECIPES = ("auto", "r3gan", "vanilla", "wgan-gp")
TINY = {
    "generator": {"dcgan": {"generator.width": 2}, "mlp": {"generator.widths": [4]}},
    "discriminator": {"dcgan": {"discriminator.width": 2}, "mlp": {"discriminator.widths": [4]}},
}


@dataclasses.dataclass(frozen=True)
class Patient:
    """One run to be made."""

    fault: str
    data: str
    recipe: str
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.fault or 'healthy'}--{self.data}-{self.recipe}-{self.seed}".replace(" ", "_").replace("%", "pc")


def patients(data: dict[str, str], seeds: list[int], only: list[str], which: int | None = None) -> list[Patient]:
    """All of them, mixed, so that some of them are a sample of all; each fault with all of its recipes, or with one."""
    found = []
    for seed in seeds:
        for name in data:
            for title, fault in FAULTS.items():
                recipes = fault.points if name in ("ring", "grid") else fault.recipes
                recipes = recipes if which is None or len(recipes) < 2 else recipes[which : which + 1]
                found += [Patient(title, name, recipe, seed) for recipe in recipes]
            healthy = POINT_RECIPES if name in ("ring", "grid") else list_recipes()
            found += [Patient("", name, recipe, seed) for recipe in healthy]
    chosen = [patient for patient in found if not only or (patient.fault or "healthy") in only]
    return sorted(chosen, key=lambda patient: hashlib.blake2b(patient.name.encode()).digest())


def settings_of(patient: Patient, fault: Fault | None) -> dict[str, Any]:
    """The settings it is trained with; words for settings that depend on the recipe are put into numbers."""
    points = patient.data in ("ring", "grid")
    images = int(IMAGES["points" if points else "pictures"] * SLOW.get(patient.recipe, 1.0))
    tree = _tree(patient, points)
    batch = 2 if fault and "training.batch_size" in fault.settings else min(tree["training"]["batch"], BATCH[points])
    images = images // 8 if batch == 2 else images
    tick = max(batch, images // TICKS // batch * batch)
    settings: dict[str, Any] = {
        "training.batch_size": batch, "training.examples": images, "training.tick_examples": tick, "training.seed": patient.seed,
        "training.checkpoint_examples": images, "training.preview_examples": images,
        "diagnostics.every_examples": tick * (TICKS // EXAMINATIONS), "evaluation.features": "none",
        "training.precision": "float32", "diagnostics.samples": 512 if points else 128,
    }  # fmt: skip
    for name, value in (fault.settings if fault else {}).items():
        if name in TINY:
            settings |= TINY[name][tree[name]["kind"]]
        elif name == "terms":
            factor = 0.0 if value == "none" else value
            for term, its in tree.get("terms", {}).items():
                settings[f"terms.{term}.weight"] = _scaled(its["weight"], factor)
        else:
            settings[name] = value
    return settings


def _scaled(weight: Any, factor: float) -> Any:
    if isinstance(weight, dict):
        return max(weight["start"], weight["end"]) * factor
    return weight * factor


def _tree(patient: Patient, points: bool) -> dict[str, Any]:
    file = RecipeFile(patient.recipe)
    file.apply_variant("points" if points else "nano")
    return file.settings_tree.tree


@contextlib.contextmanager
def tampered(fault: Fault | None) -> Iterator[None]:
    """While it lasts, runs begin with the fault in them."""
    trainer, read = TrainingSetup.build_trainer, TrainingSetup.load_dataset_on_ranks

    def spoiled(self: TrainingSetup, *given: Any) -> Dataset:
        examples = read(self, *given)
        return fault.data(examples) if fault else examples

    def made(self: TrainingSetup, *given: Any) -> Trainer:
        result = trainer(self, *given)
        if fault:
            fault.tamper(result)
        return result

    TrainingSetup.build_trainer, TrainingSetup.load_dataset_on_ranks = made, spoiled  # type: ignore[method-assign]
    try:
        yield
    finally:
        TrainingSetup.build_trainer, TrainingSetup.load_dataset_on_ranks = trainer, read  # type: ignore[method-assign]


def play(folder: Path, place: str, patient: Patient, more: dict[str, Any] | None = None) -> None:
    """Make one run, and put down how it ended; a run that breaks is a result too."""
    run = folder / patient.name
    if (run / "patient.json").exists():
        return
    shutil.rmtree(run, ignore_errors=True)
    fault = FAULTS.get(patient.fault)
    began, broke = time.monotonic(), ""
    size = "nano" if "nano" in RecipeFile(patient.recipe).variants and patient.data not in ("ring", "grid") else ""
    with tampered(fault):
        try:
            zerosum.train(
                place, recipe=patient.recipe, run=run, size=size, settings=settings_of(patient, fault) | (more or {})
            )
        except Exception as error:
            broke = f"{type(error).__name__}: {error}"
            run.mkdir(parents=True, exist_ok=True)
    record = dataclasses.asdict(patient) | {"seconds": time.monotonic() - began, "broke": broke}
    record["state"] = RunFolder(run).read_json("status.json").get("state", "")
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    (run / "patient.json").write_text(json.dumps(record) + "\n", "utf8")
    print(patient.name, record["state"], f"{record['seconds']:.0f} s", broke, flush=True)


def main() -> None:
    """Make all runs, or a worker's share of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--worker", default="0/1")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--which", type=int, help="of each fault's recipes on pictures, only the one of this number")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    places = {name: place or name for name, _, place in (word.partition("=") for word in asked.data)}
    mine, workers = map(int, asked.worker.split("/"))
    for number, copied_game in enumerate(patients(places, asked.seeds, asked.only, asked.which)):
        if number % workers == mine:
            play(asked.folder, places[copied_game.data], copied_game)


if __name__ == "__main__":
    main()
