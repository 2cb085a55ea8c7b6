"""Compare all recipes on the same data, in the same time and by the same scores, with images of their samples.

    python benchmarks/family.py FOLDER fashion=PATH emoji=PATH@15m [--budget 10m] [--only cgan ...] [--threads 1]
    python benchmarks/family.py FOLDER --draw             # only the tables and the images

Every recipe trains at size nano on the same machine for the same time, as by `zerosum train --recipe NAME`, and is
evaluated by the same protocol: samples of its EMA generator against held-out images from the train part of the data.
Runs that exist in FOLDER are not trained or evaluated again. Results go to docs/family.json, the tables to
docs/family.md, and for each dataset an image of samples to docs/family-NAME.png.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import quality_images
from numpy.typing import NDArray

import zerosum
from zerosum.evaluation.sample_sets import RealSet
from zerosum.inference.load import read_recipe
from zerosum.media.raster import as_images
from zerosum.recipes.files import RecipeFile, check_recipe, list_recipes
from zerosum.reporter import SilentReporter
from zerosum.run_folder import Row, RunFolder
from zerosum.units import parse_seconds
from zerosum.workflows.run_data import read_run_data

DOCS = Path(__file__).parents[1] / "docs"
RESULT, TABLE = DOCS / "family.json", DOCS / "family.md"
NUM_SAMPLES = 32
"""Samples of each recipe in the image."""
NOTES = """Minutes on one CPU core are far less than the papers had, so the order is not theirs:

- The number of examples explains most of it. Residual, growing and style-based networks (`sngan`, `biggan`, `progan`,
  `stylegan2`) and critics with several steps per round (`wgan`, `wgan-gp`) train on a fraction of the examples that
  `auto` and `cgan` reach in the same time. With a GPU and hours these are the recipes to use, at `--size base`.
- `dcgan`, `lsgan`, `wgan`, `dragan` and `vanilla` keep about the learning rates and batch sizes of their papers, the
  first two with the raw weights of the generator instead of their EMA; `auto`, `cgan`, `cgan-projection`, `acgan`,
  `r3gan` and `wgan-gp` have settings for training of minutes at size nano.
- `projected` trains through the features it is scored by here. This lowers its distance and says nothing about its
  images. `fastgan` is designed for a few hundred images, not for sixty thousand.
- Emoji and solar cells are about two thousand images of 64 px each; there `auto` is compared with the two recipes for
  few images. For the colors and shapes of emoji, ten minutes on one core are only a beginning."""
COLUMNS = ["recipe", "paper", "examples", "steps/s", "fd_lite0", "kid_lite0", "precision", "recall", "coverage"]


def train(run: Path, data: str, recipe: str, budget: str, threads: int) -> None:
    """Train a recipe, unless its run is complete."""
    if RunFolder(run).read_json("status.json").get("state") in ("done", "diverged"):
        return
    shutil.rmtree(run, ignore_errors=True)  # an interrupted run
    arguments = ["train", data, "--recipe", recipe, "--budget", budget, "--run", str(run)]
    if "nano" in RecipeFile(recipe).variants:
        arguments += ["--size", "nano"]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-m", "zerosum", *arguments]
    process = subprocess.run(command, stdout=subprocess.DEVNULL, check=False, env=environment)
    if process.returncode not in (0, 3):  # 3: it diverged, which is a result
        raise SystemExit(f"{recipe} on {data} ended with exit code {process.returncode}")


def evaluate(run: Path) -> Row:
    """Return the outcome of a run: its state, training time and scores."""
    folder = RunFolder(run)
    status, recipe = folder.read_json("status.json"), read_recipe(folder)
    row = {"state": status["state"], "examples": status["examples"], "seconds": status["seconds"],
           "rounds": status["examples"] // recipe.training.batch_size}  # fmt: skip
    if not folder.checkpoints():
        return row
    evaluations = [score_row for score_row in folder.rows("scores.jsonl") if score_row.get("mode") == "offline"]
    scores = evaluations[-1] if evaluations else zerosum.evaluate(run, features="lite0", reporter=SilentReporter())
    return row | {"protocol_description": scores["protocol_description"], "scores": scores["scores"]}


def page(results: Mapping[str, Any]) -> str:
    """Return the page as Markdown, made from the results alone."""
    lines = ["# The family", "", "Made by `python benchmarks/family.py` from `docs/family.json`.", "", NOTES, ""]
    for data, result in results.items():
        rows = sorted(result["recipes"].items(), key=lambda item: _distance(item[1]))
        first = next(row for _, row in rows if "scores" in row)
        floors = ", ".join(f"{name} {score['floor']:.3g}" for name, score in first["scores"].items() if name in COLUMNS)
        conditions = f"{result['budget']} of training each at size nano, {result['threads']} thread(s), no GPU. "
        conditions += f"Floors (real against real): {floors}. Protocol: {first['protocol_description']}."
        lines += [f"## {data}", "", conditions, "", _line(COLUMNS), _line(["---"] * len(COLUMNS))]
        lines += [_line(_cells(name, row)) for name, row in rows]
        lines += ["", "* trained on the features it is scored by here, so its scores are too good; look at its images."]
        lines += ["", f"![samples of each recipe on {data}](family-{data}.png)", ""]
    return "\n".join(lines)


def _distance(row: Row) -> float:
    return float(row["scores"]["fd_lite0"]["value"]) if "scores" in row else float("inf")


def _cells(name: str, row: Row) -> list[str]:
    paper = str(RecipeFile(name).settings_tree.tree.get("paper", "ours"))
    speed = [f"{row['examples']:,}", f"{row['rounds'] / row['seconds']:.1f}"]
    if "scores" not in row:
        return [name, paper, *speed, row["state"], "", "", "", ""]
    values = [f"{row['scores'][score]['value']:.3g}" for score in COLUMNS[4:]]
    mark = " *" if check_recipe(RecipeFile(name).settings_tree).discriminator.pretrained_features else ""
    return [name + mark + (" (diverged)" if row["state"] == "diverged" else ""), paper, *speed, *values]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def sample_images(folder: Path, data: str, recipes: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """Return images by name: real held-out ones, then samples of each recipe whose run is in the folder."""
    runs = {name: folder / f"{data}-{name}" for name in recipes if (folder / f"{data}-{name}" / "checkpoints").exists()}
    if not runs:
        return {}
    first_run = RunFolder.open(next(iter(runs.values())))
    dataset = read_run_data(first_run, read_recipe(first_run), SilentReporter())
    real = RealSet.from_dataset(dataset, dataset.held_out, "held-out images").head(NUM_SAMPLES)
    images = {"real, held out": as_images(real.take(np.arange(len(real))))}
    return images | {name: draw_samples(run) for name, run in runs.items()}


def draw_samples(run: Path) -> NDArray[np.uint8]:
    """Return the first samples of seed 0: (N, H, W, C)."""
    generator = zerosum.load(run)
    return as_images(generator.decode(generator.sample(NUM_SAMPLES, seed=0)))


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", nargs="*", metavar="NAME=PATH[@BUDGET]")
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--only", nargs="*", default=list_recipes(), metavar="RECIPE")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--draw", action="store_true", help="only write the tables and the images")
    return parser.parse_args()


def main() -> None:
    """Train and evaluate the recipes, and write the results, the tables and the images."""
    options = parse_arguments()
    results = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {}
    for argument in options.data if not options.draw else ():
        name, _, location = argument.partition("=")
        path, separator, own_budget = location.rpartition("@")
        path, budget = (path, own_budget) if separator else (location, options.budget)
        result = results.setdefault(name, {"budget": f"{float(parse_seconds(budget)) / 60:g} minutes", "recipes": {}})
        result["threads"] = options.threads
        for recipe in options.only:
            run = options.folder / f"{name}-{recipe}"
            train(run, path, recipe, budget, options.threads)
            result["recipes"][recipe] = evaluate(run)
            RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
            print(run.name, f"{_distance(result['recipes'][recipe]):.1f}", flush=True)
    for name, result in results.items():
        recipes = sorted(result["recipes"], key=lambda recipe: _distance(result["recipes"][recipe]))
        if images := sample_images(options.folder, name, recipes):
            quality_images.draw_samples(images, DOCS / f"family-{name}.png", 16)
    TABLE.write_text(page(results), "utf8")


if __name__ == "__main__":
    main()
