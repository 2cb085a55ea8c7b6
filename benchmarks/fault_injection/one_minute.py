"""Measure what the monitor says of runs of one minute, with and without faults.

    python benchmarks/fault_injection/one_minute.py train FOLDER fashion=PATH emoji=PATH paired=PATH [--seeds 7]
    python benchmarks/fault_injection/one_minute.py table FOLDER

A run has as many examples as one core trains in a minute, and the probes that are planned for a minute, so the load of
the machine does not matter. Runs that exist in FOLDER are not trained again; `table` reads their logs row by
row, as the monitor does, and writes benchmarks/fault_injection/one_minute.json and docs/one-minute-faults.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parent))
from faults import FAULTS, Fault
from one_minute_table import write_results
from run_faults import RECORD_FILE, FaultRun, fault_settings, injected, parse_sources

import zerosum
from zerosum.recipes.files import RecipeFile, check_recipe
from zerosum.recipes.probe_schedule import choose_probe_schedule
from zerosum.recipes.variants import build_settings_tree
from zerosum.run_folder import RunFolder

SECONDS = 60.0
NUM_TICKS = 30
"""Rows of the log of a run of a minute."""
RECIPES = {"fashion": "auto", "mnist": "auto", "emoji": "auto", "paired": "pix2pix", "ink": "pix2pix"}
"""The recipe of each dataset, all in size nano."""
EXAMPLES = {"fashion": 24_000, "mnist": 24_000, "emoji": 8_000, "paired": 4_000, "ink": 4_000}
"""Examples that one core of a loaded machine trains in a minute with this recipe; a free one trains up to twice as
many, which tells more."""
RECIPE_EXAMPLES = {
    "dcgan": 20_000, "vanilla": 60_000, "r3gan": 4_000, "wgan-gp": 10_000, "stylegan2": 4_000, "lsgan": 20_000,
    "sngan": 6_000, "cgan": 20_000, "fastgan": 4_000, "cut": 1_000, "cyclegan": 800,
}  # fmt: skip
"""The same of other recipes, for gray images of 32 pixels, and of translation for 64 pixels."""
FAULT_NAMES = (
    "learning rate far too low", "discriminator rate x100", "learning rate x30", "EMA half-life too long",
    "penalty x1000", "discriminator much larger", "frozen generator", "frozen discriminator", "batch of 2",
    "latent times zero", "output at the end of its range",
)  # fmt: skip
NOT_FOR_TRANSLATION = ("batch of 2", "latent times zero")
"""Faults that are none of a translation, which has no latent and learns from every pixel of an image."""
TINY_BATCH_FRACTION = 1 / 6
"""Examples that are trained in a minute in batches of 2, relative to those in usual batches."""


RECOVERY = {"diagnostics.max_recoveries": 3}


def list_runs(names: list[str], seeds: list[int], only: list[str], recipes: list[str]) -> list[FaultRun]:
    """Return the runs: each fault and no fault on each dataset, and further recipes without a fault."""
    runs = []
    for seed in seeds:
        for name in names:
            unsuitable = NOT_FOR_TRANSLATION if RECIPES[name] == "pix2pix" else ()
            faults = ["", *(fault for fault in FAULT_NAMES if fault not in unsuitable)]
            runs += [FaultRun(fault, name, RECIPES[name], seed) for fault in faults]
            runs += [FaultRun("", name, recipe, seed) for recipe in recipes]
    return [run for run in runs if not only or (run.fault or "fault-free") in only]


def build_settings(run: FaultRun, fault: Fault | None) -> dict[str, Any]:
    """Return the settings of a run, with the probes that are planned for a run of a minute."""
    file = RecipeFile(run.recipe)
    file.apply_variant("nano")
    tree = file.settings_tree.tree
    examples = EXAMPLES[run.data] if run.recipe == RECIPES[run.data] else RECIPE_EXAMPLES[run.recipe]
    has_tiny_batch = fault is not None and "training.batch_size" in fault.settings
    batch_size = 2 if has_tiny_batch else tree["training"]["batch_size"]
    examples = int(examples * (TINY_BATCH_FRACTION if has_tiny_batch else 1)) // batch_size * batch_size
    settings: dict[str, Any] = {
        "training.examples": examples, "training.seed": run.seed, "training.precision": "float32",
        "training.tick_examples": max(batch_size, examples // NUM_TICKS // batch_size * batch_size),
        "training.checkpoint_examples": examples, "training.preview_examples": examples // 2,
        "training.batch_size": batch_size, "evaluation.features": "none",
    }  # fmt: skip
    settings |= fault_settings(fault, tree) if fault else {}
    recipe = check_recipe(build_settings_tree(run.recipe, "nano", settings, {}))
    planned = choose_probe_schedule(recipe, SECONDS * batch_size / examples, 1_000)[0].diagnostics
    names = ("every_examples", "samples", "gradients_every", "duality_gap_every")
    return settings | {f"diagnostics.{name}": value for name, value in planned.model_dump(include=set(names)).items()}


def train(folder: Path, source: str, run: FaultRun, changes: dict[str, Any] | None = None) -> None:
    """Train a run, and write its record; an error is a result too.

    Args:
        folder: the folder of all runs.
        source: the data.
        run: the run.
        changes: settings that override those of the run.
    """
    path = folder / run.name
    if (path / RECORD_FILE).exists():
        return
    shutil.rmtree(path, ignore_errors=True)
    fault, start, error_message = FAULTS.get(run.fault), time.process_time(), ""
    with injected(fault):
        try:
            settings = build_settings(run, fault) | (changes or {})
            zerosum.train(source, recipe=run.recipe, run=path, size="nano", settings=settings)
        except Exception as error:
            error_message = f"{type(error).__name__}: {error}"
            path.mkdir(parents=True, exist_ok=True)
    record = dataclasses.asdict(run) | {"seconds": round(time.process_time() - start, 1), "error": error_message}
    record["state"] = RunFolder(path).read_json("status.json").get("state", "") if not error_message else "error"
    shutil.rmtree(path / "checkpoints", ignore_errors=True)
    (path / RECORD_FILE).write_text(json.dumps(record) + "\n", "utf8")
    print(run.name, record["state"], f"{record['seconds']:.0f} s", error_message, flush=True)


def main() -> None:
    """Train the runs, or write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["train", "table"])
    parser.add_argument("folder", type=Path, help="folder of the runs")
    parser.add_argument("data", nargs="*", help="datasets: NAME=PATH")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--only", nargs="*", default=[], help="names of faults, or fault-free")
    parser.add_argument("--recipes", nargs="*", default=[], help="further recipes without a fault")
    parser.add_argument("--recover", action="store_true", help="with automatic recovery, in FOLDER/recovered")
    parser.add_argument("--max-seconds", type=float, default=1e9, help="start no run after so many CPU seconds")
    options = parser.parse_args()
    if options.action == "table":
        write_results(options.folder)
        return
    torch.set_num_threads(1)
    sources = parse_sources(options.data)
    folder, recovery = (options.folder / "recovered", RECOVERY) if options.recover else (options.folder, {})
    for run in list_runs(list(sources), options.seeds, options.only, options.recipes):
        if time.process_time() < options.max_seconds:
            train(folder, sources[run.data], run, recovery)


if __name__ == "__main__":
    main()
