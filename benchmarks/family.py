"""The family on the same data, clock and judge: every recipe, a row each, with pictures.

    python benchmarks/family.py FOLDER fashion=PATH emoji=PATH@15m [--budget 10m] [--only cgan ...] [--threads 1]
    python benchmarks/family.py FOLDER --draw             # the tables and the pictures alone

Every recipe trains at size nano on the same machine for the same time, as `zerosum train --recipe NAME` would, and is
judged by the same protocol: its averaged generator's samples against held-out images of the data's train part. Runs in
FOLDER are neither made nor judged again. Results go to docs/family.json, the tables to docs/family.md, and for each
data set a picture of samples beside it.
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
from zerosum.media.images import to_uint8
from zerosum.recipes.files import RecipeFile, check_recipe, list_recipes
from zerosum.reporter import SilentReporter
from zerosum.run_folder import Row, RunFolder
from zerosum.units import parse_seconds
from zerosum.workflows.evaluate import load_run_dataset

DOCS = Path(__file__).parents[1] / "docs"
RESULT, TABLE = DOCS / "family.json", DOCS / "family.md"
SHOWN = 32
"""Samples of each recipe in the picture."""
READING = """Minutes on one CPU core are not what the papers had, so the order is not theirs:

- The column of images says most. Residual, growing and style-based networks (`sngan`, `biggan`, `progan`, `stylegan2`)
  and critics that move several times a round (`wgan`, `wgan-gp`) show the generator a fraction of the pictures that
  `auto` and `cgan` do in the same time. With a GPU and hours these are the ones to take, at `--size base`.
- `dcgan`, `lsgan`, `wgan`, `dragan` and `vanilla` keep about the rates and batches of their papers, the first two with
  the generator as it plays, not its average; `auto`, `cgan`, `cgan-projection`, `acgan`, `r3gan` and `wgan-gp` have
  settings for such minutes at size nano.
- `projected` learns through the features it is scored by here, which flatters its distance and says nothing of its
  pictures; `fastgan` is made for a few hundred images, not for sixty thousand.
- Emoji and solar cells are some two thousand pictures of 64 px each: there `auto` plays against the two recipes made
  for few pictures. For emoji's colours and shapes, ten minutes of one core are a beginning only."""
HEAD = ["recipe", "paper", "images", "steps/s", "fd_lite0", "kid_lite0", "precision", "recall", "coverage"]


def play(run: Path, data: str, recipe: str, budget: str, threads: int) -> None:
    """One run, unless it is there and over."""
    if RunFolder(run).read_json("status.json").get("state") in ("done", "diverged"):
        return
    shutil.rmtree(run, ignore_errors=True)  # one that was cut off
    words = ["train", data, "--recipe", recipe, "--budget", budget, "--run", str(run)]
    if "nano" in RecipeFile(recipe).variants:
        words += ["--size", "nano"]
    own = os.environ | {"OMP_NUM_THREADS": str(threads)}
    found = subprocess.run([sys.executable, "-m", "zerosum", *words], stdout=subprocess.DEVNULL, check=False, env=own)
    if found.returncode not in (0, 3):  # 3: it diverged, which is a result
        raise SystemExit(f"{recipe} on {data} ended with exit code {found.returncode}")


def judged(run: Path) -> Row:
    """What a run came to."""
    folder = RunFolder(run)
    status, recipe = folder.read_json("status.json"), read_recipe(folder)
    row = {"state": status["state"], "images": status["images"], "seconds": status["seconds"],
           "rounds": status["images"] // recipe.training.batch_size}  # fmt: skip
    if not folder.checkpoints():
        return row
    asked = [each for each in folder.rows("scores.jsonl") if each.get("when") == "asked"]
    scores = asked[-1] if asked else zerosum.evaluate(run, features="lite0", reporter=SilentReporter())
    return row | {"line": scores["line"], "scores": scores["scores"]}


def table(results: Mapping[str, Any]) -> str:
    """Markdown, all of it from the results."""
    lines = ["# The family", "", "Made by `python benchmarks/family.py` from `docs/family.json`.", "", READING, ""]
    for data, found in results.items():
        rows = sorted(found["recipes"].items(), key=lambda item: _distance(item[1]))
        first = next(row for _, row in rows if "scores" in row)
        floors = ", ".join(f"{name} {score['floor']:.3g}" for name, score in first["scores"].items() if name in HEAD)
        said = f"{found['budget']} of training each at size nano, {found['threads']} thread(s), no GPU. Floors (real "
        said += f"against real): {floors}. Protocol: {first['line']}."
        lines += [f"## {data}", "", said, "", _line(HEAD), _line(["---"] * len(HEAD))]
        lines += [_line(_cells(name, row)) for name, row in rows]
        lines += ["", "* trained on the features it is scored by here, which flatter it; see its pictures."]
        lines += ["", f"![samples of each recipe on {data}](family-{data}.png)", ""]
    return "\n".join(lines)


def _distance(row: Row) -> float:
    return float(row["scores"]["fd_lite0"]["value"]) if "scores" in row else float("inf")


def _cells(name: str, row: Row) -> list[str]:
    paper = str(RecipeFile(name).settings_tree.tree.get("paper", "ours"))
    speed = [f"{row['images']:,}", f"{row['rounds'] / row['seconds']:.1f}"]
    if "scores" not in row:
        return [name, paper, *speed, row["state"], "", "", "", ""]
    values = [f"{row['scores'][score]['value']:.3g}" for score in HEAD[4:]]
    flattered = " *" if check_recipe(RecipeFile(name).settings_tree).discriminator.pretrained_features else ""
    return [name + flattered + (" (diverged)" if row["state"] == "diverged" else ""), paper, *speed, *values]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def sheet(folder: Path, data: str, recipes: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
    """Images by name: real held-out ones, then samples of each recipe whose run is in the folder."""
    runs = {name: folder / f"{data}-{name}" for name in recipes if (folder / f"{data}-{name}" / "checkpoints").exists()}
    if not runs:
        return {}
    one = RunFolder.open(next(iter(runs.values())))
    dataset = load_run_dataset(one, read_recipe(one), SilentReporter())
    real = RealSet.from_dataset(dataset, dataset.held_out, "held-out images").head(SHOWN)
    images = {"real, held out": real.take(np.arange(len(real)))}
    return images | {name: to_uint8(zerosum.load(run).sample(SHOWN, seed=0)) for name, run in runs.items()}


def main() -> None:
    """Play, judge, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--budget", default="10m")
    parser.add_argument("--only", nargs="*", default=list_recipes())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--draw", action="store_true")
    asked = parser.parse_args()
    results = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {}
    for word in asked.data if not asked.draw else ():
        name, _, place = word.partition("=")
        path, at, own = place.rpartition("@")
        path, budget = (path, own) if at else (place, asked.budget)
        found = results.setdefault(name, {"budget": f"{float(parse_seconds(budget)) / 60:g} minutes", "recipes": {}})
        found["threads"] = asked.threads
        for recipe in asked.only:
            run = asked.folder / f"{name}-{recipe}"
            play(run, path, recipe, budget, asked.threads)
            found["recipes"][recipe] = judged(run)
            RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
            print(run.name, f"{_distance(found['recipes'][recipe]):.1f}", flush=True)
    for name, found in results.items():
        if images := sheet(asked.folder, name, sorted(found["recipes"], key=lambda r: _distance(found["recipes"][r]))):
            quality_images.samples(images, DOCS / f"family-{name}.png", 16)
    TABLE.write_text(table(results), "utf8")


if __name__ == "__main__":
    main()
