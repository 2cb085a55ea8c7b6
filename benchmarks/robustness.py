"""Robustness: every recipe on nine kinds of images that nobody tuned it on, for a short time.

    python benchmarks/robustness.py FOLDER DATA [--seconds 90] [--only pix2pix ...] [--kinds ink ...]
    python benchmarks/robustness.py FOLDER --draw         # only the page and the sheet
    python benchmarks/robustness.py FOLDER DATA --dead    # train the dead cells again

DATA holds the public sets emoji/, signs/, foods/ and solar/ (robustness_data.py); the other kinds are drawn. Recipes of
translation get pairs of each kind, or degrade its images themselves. A cell trains at size nano by `zerosum train`, and
is then measured (robustness_measures.py): is its generator alive, are its images of one color or all the same, and how
far are brightness, chroma, the energy of a checkerboard and the kernel distance from those of real images? The order
covers every recipe and every kind first. A cell that was trained for as long is not trained again.

Results go to benchmarks/robustness.json, the page to docs/robustness.md, and the sheet to docs/robustness.png.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import shutil
import time
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import robustness_page
import torch
from PIL import Image
from robustness_data import KINDS, write_kind
from robustness_measures import collect, last_monitored, measure, movement
from robustness_page import Results, find_verdict

import zerosum
from zerosum.errors import BadInput
from zerosum.recipes.files import RecipeFile, list_recipes
from zerosum.run_folder import Row, RunFolder

HERE = Path(__file__).parent
RESULT = HERE / "robustness.json"
PAGE, SHEET = HERE.parent / "docs/robustness.md", HERE.parent / "docs/robustness.png"


def data_folder(recipe: str, kind_folder: Path) -> Path:
    """Return the folder that a recipe trains on: pairs for those that do not make their inputs themselves."""
    data = RecipeFile(recipe).settings_tree.tree.get("data", {})
    return kind_folder / ("pairs" if "pairs" in data and "degrade" not in data else "images")


def train(run: Path, recipe: str, data: Path, seconds: float) -> Row:
    """Train a cell in a process of its own and return its outcome, without measures of its images."""
    shutil.rmtree(run, ignore_errors=True)
    row: Row = {"recipe": recipe, "seconds": seconds}
    receiver, sender = multiprocessing.Pipe(duplex=False)
    # a fork has torch imported already; with one thread it is safe
    process = multiprocessing.get_context("fork").Process(target=_train, args=(sender, run, recipe, data, seconds))
    process.start()
    sender.close()
    try:
        outcome: Row = receiver.recv()
    except EOFError:
        outcome = {"state": "error", "reason": "the process ended"}
    process.join()
    if "reason" in outcome:
        return row | outcome | {"reason": outcome["reason"].replace(str(data), "DATA")}
    status = RunFolder(run).read_json("status.json")
    findings = [finding.name for finding in zerosum.diagnose(run)]
    return row | {"state": status["state"], "examples": status["examples"], "findings": findings}


def _train(sender: Connection, run: Path, recipe: str, data: Path, seconds: float) -> None:
    """Train a cell, and send its state or why there is none."""
    size = "nano" if "nano" in RecipeFile(recipe).variants else ""
    outcome: Row = {}
    try:
        zerosum.train(data, recipe=recipe, run=run, budget=seconds, size=size, settings={"evaluation.features": "none"})
    except BadInput as error:
        outcome = {"state": "refused", "reason": str(error)}
    except Exception as error:  # any other error is a fault of the cell, not of the matrix
        traceback.print_exc()
        outcome = {"state": "error", "reason": f"{type(error).__name__}: {error}"}
    sender.send(outcome)


def run_cell(run: Path, recipe: str, kind: str, data: Path, seconds: float) -> Row:
    """Train and measure a cell; its first images are kept as samples.png in the run folder."""
    row = train(run, recipe, data, seconds) | {"kind": kind}
    if not RunFolder(run).checkpoints():
        return row
    sets = collect(run)
    row |= measure(sets) | {"movement": movement(run)}
    row["gradient"] = last_monitored(run, "monitor/grad_norm/generator")
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[sets.made.shape[3]]
    images = [Image.fromarray(image.squeeze(), mode) for image in sets.made[: robustness_page.SHOWN]]
    strip = Image.new("RGBA", (sum(image.width for image in images), images[0].height), "white")
    for index, image in enumerate(images):
        strip.alpha_composite(image.convert("RGBA"), (index * image.width, 0))
    strip.convert("RGB").save(run / "samples.png")
    shutil.rmtree(run / "checkpoints", ignore_errors=True)  # 252 cells of weights are gigabytes
    return row


def cell_order(recipes: Sequence[str], kinds: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield recipes and kinds along diagonals, so that each recipe and each kind comes early."""
    for shift in range(len(kinds)):
        for index, recipe in enumerate(recipes):
            yield recipe, kinds[(index + shift) % len(kinds)]


def load_results() -> Results:
    """Return the cells of the result file by kind and recipe."""
    results: Results = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {}
    return results


def save_cell(row: Row) -> None:
    """Add a cell to the result file."""
    results = load_results()
    results.setdefault(row["kind"], {})[row["recipe"]] = row
    part = RESULT.with_suffix(".part")
    part.write_text(json.dumps(results, indent=1, sort_keys=True, default=float) + "\n", "utf8")
    part.replace(RESULT)


def is_wanted(cell: Row | None, options: argparse.Namespace) -> bool:
    """Return whether a cell is to be trained: it is missing, was trained for less time, or is to be tried again."""
    if cell is None or (options.dead and find_verdict(cell).is_fault):
        return True
    return not options.dead and cell["seconds"] < options.seconds and cell["state"] != "refused"


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--only", nargs="*", default=list_recipes(), metavar="RECIPE")
    parser.add_argument("--kinds", nargs="*", default=list(KINDS), choices=list(KINDS), metavar="KIND")
    parser.add_argument("--dead", action="store_true", help="train the cells with a fault again, and missing ones")
    parser.add_argument(
        "--stop-after", type=float, default=math.inf, metavar="SECONDS", help="start no cell after this"
    )
    parser.add_argument("--again", action="store_true", help="train all of these cells again")
    parser.add_argument("--draw", action="store_true", help="only write the page and the sheet")
    return parser.parse_args()


def main() -> None:
    """Train and measure the cells, and write the results, the page and the sheet."""
    options = parse_arguments()
    torch.set_num_threads(1)
    start = time.monotonic()
    for recipe, kind in cell_order(options.only, options.kinds) if not options.draw else ():
        if not options.again and not is_wanted(load_results().get(kind, {}).get(recipe), options):
            continue
        if time.monotonic() - start > options.stop_after:
            break
        data = data_folder(recipe, write_kind(kind, options.data, options.folder / "data"))
        run = options.folder / f"{kind}-{recipe}"
        row = run_cell(run, recipe, kind, data, options.seconds)
        save_cell(row)
        print(f"{recipe:16} {kind:10} {find_verdict(row).value:12} {row.get('examples', 0):7,}", row.get("reason", ""),
              f"kid {row.get('kid', np.nan):.2f} floor {row.get('kid_floor', np.nan):.2f}", flush=True)  # fmt: skip
    results = load_results()
    PAGE.write_text(robustness_page.page(results), "utf8")
    robustness_page.draw_sheet(results, options.folder, SHEET)


if __name__ == "__main__":
    main()
