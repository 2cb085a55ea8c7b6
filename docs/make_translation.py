"""Write docs/translation.md, the page on image-to-image translation, from the results of benchmarks/translation.py.

    python docs/make_translation.py FOLDER DATA

FOLDER and DATA are those of the benchmark. For each experiment whose runs are in FOLDER, this also draws
docs/translation-NAME.png, a row for each test image: the input, the output of the network trained without a game, the
output of the network trained with one, and the target.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from translation import EXPERIMENTS, RESULT, Experiment, data_folder

import zerosum
from zerosum.data.images.pixels import unit_to_bytes
from zerosum.game.sample_spec import require_single_tensor
from zerosum.inference.load import read_recipe
from zerosum.inference.translator import bicubic_baseline
from zerosum.media import raster
from zerosum.reporter import SilentReporter
from zerosum.run_folder import RunFolder
from zerosum.workflows.evaluate_pairs import TranslationSet, load_translation_data

DOCS = Path(__file__).parent
NUM_ROWS = 6
"""Test images shown of each experiment."""
VARIANTS = ("terms-only", "color transfer", "game", "difference")
"""Order of the rows of a table; peers come last."""
COLUMNS = ["", "examples", "L1 (of the input)", "PSNR (of the input)", "lite0 distance (of the input)", "KID (floor)"]
HEAD = """# Image-to-image translation

Made by `python docs/make_translation.py` from `benchmarks/translation.json`, which `python benchmarks/translation.py
FOLDER DATA` makes; its docstring names the data. Every run was trained on the training images and evaluated on test
images that were used for nothing else, at 64 px, with networks of size nano, on as many cores of an AMD EPYC (Genoa)
virtual machine as the table says, without a GPU.

- *Terms-only* is the same network, data and time, trained by its loss terms without a game.
- In brackets after each score is the score of the input itself (enlarged bicubically where it is smaller). The *lite0
  distance* is a perceptual distance in the feature maps of EfficientNet-Lite0.
- The kernel distance (KID) compares the set of outputs with the set of targets; no output is paired with its own
  target. The floor is the KID of as many training images.
- *Difference* is how much lower the KID of the game is than that of its network without a game, both on the same
  images. Its error is the jackknife's, which assumes independent images and ignores the variation between seeds:
  neighboring crops and tiles of one photograph are not independent, so it is too small.
- *Peer* is a training loop written from the paper, with networks of the paper's width, on the same data, for the same
  time and with the same threads; `benchmarks/references_translation.py` says what it leaves out.
- Every run has one seed.
"""


def draw_examples(name: str, experiment: Experiment, folder: Path, data: Path, reverse: bool = False) -> Path | None:
    """Draw test images of an experiment, a row each; without its runs, return the image drawn before, if any."""
    path = DOCS / f"translation-{name}{'-reverse' if reverse else ''}.png"
    runs = [folder / f"{name}-{variant}" for variant in ("terms-only", "game")]
    runs = [run for run in runs if run.exists()]
    if not runs:
        return path if path.exists() else None
    run = RunFolder(runs[-1])
    test = data_folder(experiment, data, folder) / "test"
    _, translation_set = load_translation_data(
        run, read_recipe(run), str(test), experiment.paired, reverse, SilentReporter()
    )
    rows = torch.linspace(0, len(translation_set.indices) - 1, NUM_ROWS).round().int().tolist()
    columns = _columns(translation_set, rows, runs, reverse)
    cells = unit_to_bytes(torch.stack(columns, 1).flatten(0, 1))
    raster.save_image(raster.make_grid(cells, columns=2 * len(columns), gap=3), path)
    return path


def _columns(translation_set: TranslationSet, rows: Sequence[int], runs: Sequence[Path], reverse: bool) -> list[Tensor]:
    """Return the columns of the image, each (N, C, H, W): inputs, outputs of each run and, for pairs, targets."""
    inputs = torch.cat([translation_set.inputs(range(row, row + 1)) for row in rows])
    outputs = (zerosum.load_translator(run, reverse=reverse)(inputs) for run in runs)
    shape = require_single_tensor(translation_set.dataset.spec, "translation").shape
    columns = [bicubic_baseline(inputs, shape), *outputs]
    if translation_set.dataset.has_targets:
        columns.append(torch.cat([translation_set.targets(range(row, row + 1)) for row in rows]))
    return columns


def table(rows: Iterable[Sequence[str]], columns: Sequence[str]) -> list[str]:
    """Return the lines of a Markdown table."""
    return [f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows)]


def score_cells(row: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the cells of a row: examples, L1, PSNR, lite0 distance, and KID with its floor."""
    pairs, sets = row.get(f"{prefix}paired_metrics") or {}, row.get(f"{prefix}scores") or {}
    cells = [f"{row['examples']:,}" if "examples" in row else ""]
    for name, digits in (("l1", 4), ("psnr", 2), ("perceptual_lite0", 3)):
        score = pairs.get(name)
        value = f"{score['value']:.{digits}f}" if score else ""
        baseline = f" ({score['input']:.{digits}f})" if score and score.get("input") is not None else ""
        cells.append(value + baseline)
    kid = next((score for name, score in sets.items() if name.startswith("kid")), None)
    if not kid:
        return [*cells, ""]
    floor = "" if kid["floor"] is None else f" ({kid['floor']:.3f})"
    return [*cells, f"{kid['value']:.3f} ± {kid['error']:.3f}{floor}"]


def section(
    name: str, experiment: Experiment, results: Sequence[dict[str, Any]], image_paths: Sequence[Path | None]
) -> list[str]:
    """Return the table and the images of an experiment as Markdown."""
    rows = [row for row in results if row["experiment"] == name]
    if not rows:
        return []
    rows.sort(key=lambda row: VARIANTS.index(row["variant"]) if row["variant"] in VARIANTS else len(VARIANTS))
    game = next(row for row in rows if row["variant"] == "game")
    minutes, protocol = game["seconds"] / 60, game["protocol_description"]
    lines = [f"## {experiment.recipe}: {experiment.description}", ""]
    lines += [f"`{experiment.data}`, {minutes:.0f} minutes on {game['threads']} core(s). {protocol}.", ""]
    lines += [experiment.note, ""] if experiment.note else []
    body = []
    for row in rows:
        if row["variant"] == "difference":
            body.append(["difference", "", "", "", "", f"{row['value']:.3f} ± {row['error']:.3f}"])
            continue
        body.append([row["variant"], *score_cells(row)])
        if "reverse_paired_metrics" in row:
            body.append([f"{row['variant']}, reverse", *score_cells(row, "reverse_")])
    lines += [*table(body, COLUMNS), ""]
    findings = {row["variant"]: row["findings"] for row in rows if row.get("findings")}
    if findings:
        parts = (f"*{variant}*: {', '.join(f'`{name}`' for name in names)}" for variant, names in findings.items())
        lines += [f"Findings at the end of training: {'; '.join(parts)}.", ""]
    for path in filter(None, image_paths):
        lines += [f"![{experiment.description}]({path.name})", ""]
    return lines


def main() -> None:
    """Draw the images and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder of the runs")
    parser.add_argument("data", type=Path, help="folder of the datasets")
    options = parser.parse_args()
    results = json.loads(RESULT.read_text("utf8"))
    lines = HEAD.splitlines()
    for name, experiment in EXPERIMENTS.items():
        if any(row["experiment"] == name and row["variant"] == "game" for row in results):
            directions = (False, True) if experiment.bidirectional else (False,)
            image_paths = [
                draw_examples(name, experiment, options.folder, options.data, reverse) for reverse in directions
            ]
            lines += ["", *section(name, experiment, results, image_paths)]
    (DOCS / "translation.md").write_text("\n".join(lines).rstrip() + "\n", "utf8")


if __name__ == "__main__":
    main()
