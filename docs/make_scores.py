"""The table and the pictures of docs/scores.md: four recipes on two data sets, the same time each.

    python docs/make_scores.py FOLDER mnist=PATH fashion=PATH [--budget 5m]

Trains what is not there yet in FOLDER (one thread, so that several machines' cores are one), judges it, writes
docs/scores.json, and from it docs/scores.md and a strip of samples a data set. `--only-write` does the last part alone.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

import zerosum
from zerosum.media import contact_sheet
from zerosum.media.images import to_uint8
from zerosum.reporting import scores_section

HERE = Path(__file__).parent
RESULT = HERE / "scores.json"
RECIPES = ("vanilla", "dcgan", "wgan-gp", "r3gan", "auto")
SHOWN = ("kid_lite0", "fd_lite0", "precision", "recall", "coverage", "ndb", "authenticity")
SEEN = {  # written after looking at the sheets; a run made anew wants new words
    "fashion": {
        "vanilla": "garments in grain, no edges: every pixel is drawn by itself. Hardly a shoe among them.",
        "dcgan": "outlines of garments, torn at the edges; whole kinds are missing: boots, trousers.",
        "wgan-gp": "grey blobs: five steps of the critic leave too few rounds in this time. Its precision looks "
        "high all the same: a few odd real images have wide neighbourhoods. Read it with coverage.",
        "r3gan": "glowing outlines: the strongest networks here are the slowest, and have seen the fewest images.",
        "auto": "shirts, trousers, shoes and bags with their shapes right, patterns and some bags still muddled.",
    },
    "mnist": {
        "vanilla": "digits in grain.",
        "dcgan": "strokes of the right kind, about half of them a digit.",
        "wgan-gp": "grey digit-like blobs with a checkerboard.",
        "r3gan": "three or four shapes again and again: it has seen half of the data once.",
        "auto": "clear digits, a few broken.",
    },
}


def train(run: Path, data: str, recipe: str, budget: str) -> None:
    """One run on one thread, unless it is there."""
    if (run / "recipe.toml").exists():
        return
    words = ["train", data, "--recipe", recipe, "--budget", budget, "--run", str(run), "--evaluation.features", "none"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, "-m", "zerosum", *words], check=False, env=environment)
    if ended.returncode != 3:  # 3: a severe finding stands, or it diverged: results too
        ended.check_returncode()


def judge(run: Path) -> dict[str, Any]:
    """Its scores, as the command line gives them."""
    row = zerosum.evaluate(run, reporter=zerosum.api.Silent())
    made = zerosum.run.RunFolder(run).read_toml("recipe.toml")["made"]
    seconds = zerosum.run.RunFolder(run).read_json("status.json")["seconds"]
    return row | {"made": made, "seconds": seconds}


def picture(data: str, rows: dict[str, Any], folder: Path) -> None:
    """Twelve samples of seed 0 of each recipe, not picked, and twelve real ones."""
    shelves = []
    for recipe, row in rows.items():
        images = to_uint8(zerosum.load(folder / f"{data}-{recipe}").sample(12, seed=0))
        kid = row["scores"]["kid_lite0"]["value"]
        shelves.append(
            contact_sheet.CaptionedRow(f"{recipe}: kid_lite0 {kid:.3f}, after {row['examples']:,} images", images)
        )
    contact_sheet.save_contact_sheet(shelves, HERE / f"scores-{data}.png")


def page(result: dict[str, Any]) -> str:
    """The page, all of it from the result."""
    parts = [INTRODUCTION.format(**result["about"])]
    for data, rows in result["data"].items():
        parts += [f"## {data}", f"![samples]({'scores-' + data + '.png'})", table(rows), notes(data, rows)]
    return "\n\n".join(parts) + "\n"


def table(rows: dict[str, Any]) -> str:
    """Markdown: a row for each recipe, and the floor."""
    head = ["recipe", "examples", *SHOWN, "rarest class", "KL", "sure"]
    lines = [head, ["---"] * len(head)]
    for recipe, row in rows.items():
        cells = [
            scores_section.format_with_error(row["scores"][name]["value"], row["scores"][name]["error"])
            for name in SHOWN
        ]
        classes = row["classes"]
        rarest = f"{min(classes['made']) / sum(classes['made']):.1%}"
        counts = [rarest, scores_section.format_with_error(classes["kl"], None), f"{classes['sure']:.1%}"]
        lines.append([recipe, f"{row['examples']:,}", *cells, *counts])
    first = next(iter(rows.values()))
    floor = [
        scores_section.format_with_error(first["scores"][name]["floor"], first["scores"][name]["floor_error"])
        for name in SHOWN
    ]
    classes = first["classes"]
    real = [f"{min(classes['real']) / sum(classes['real']):.1%}", "", f"{classes['sure_real']:.1%}"]
    lines.append(["real against real", "", *floor, *real])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def notes(data: str, rows: dict[str, Any]) -> str:
    """What the eye says, the protocol, and the machine."""
    lines = ["What the pictures show:", ""]
    lines += [f"- `{recipe}`: {words}" for recipe, words in SEEN.get(data, {}).items()]
    first = next(iter(rows.values()))
    lines += [
        f"- protocol: {first['protocol_description']}",
        f"- torch {first['made']['torch']}, {first['made']['device']}",
    ]
    return "\n".join(lines)


INTRODUCTION = """# Scores of the first recipes

Made by `python docs/make_scores.py` from `docs/scores.json`; no figure here is typed by hand. Every recipe
trained for {budget} on one core of {machine}, at its `nano` size and with its own defaults: what they are worth in
minutes, not what they can become. Samples are held against held-out images that no recipe saw, and every column has
its floor: the same score for as many real training images. "rarest class" is the share of the class least often
found by a classifier among the samples, KL is that of the classes' shares from the real ones, "sure" the share of
samples it is over 90% sure of."""


def main() -> None:
    """Train, judge, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--machine", default="an AMD EPYC (Genoa) virtual machine")
    parser.add_argument("--only-write", action="store_true")
    asked = parser.parse_args()
    result: dict[str, Any] = {"about": {"budget": asked.budget, "machine": asked.machine}, "data": {}}
    if asked.only_write:
        result = json.loads(RESULT.read_text("utf8"))
    for name, path in (word.split("=", 1) for word in asked.data):
        rows = {}
        for recipe in RECIPES:
            run = asked.folder / f"{name}-{recipe}"
            train(run, path, recipe, asked.budget)
            rows[recipe] = judge(run)
            print(name, recipe, "\n".join(scores_section.format_scores(rows[recipe])), flush=True)
        result["data"][name] = rows
        RESULT.write_text(json.dumps(result, indent=1) + "\n", "utf8")
    for name, rows in result["data"].items():
        picture(name, rows, asked.folder)
    (HERE / "scores.md").write_text(page(result), "utf8")


if __name__ == "__main__":
    np.seterr(all="raise")
    main()
