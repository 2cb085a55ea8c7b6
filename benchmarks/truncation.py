"""Measure the trade-off of truncation between the fidelity and the diversity of a run's samples.

    python benchmarks/truncation.py RUN [--truncations 0.3 0.5 0.7 1 1.5 2] [--num-samples 2000]

Brock et al. 2018, arXiv:1809.11096, section 3.1 and figure 2: latents truncated nearer to 0 give better samples of
lower diversity. For generators with styles, the truncation is the fraction of the distance from the mean style
(arXiv:1812.04948, appendix B). Scores are against held-out images, as `zerosum evaluate --truncation` computes them.
Results go to benchmarks/truncation.json, the table to benchmarks/truncation.md, and samples, a row for each truncation,
to benchmarks/truncation.png.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np

import zerosum
from zerosum.inference.load import read_recipe
from zerosum.media import raster
from zerosum.reporter import SilentReporter
from zerosum.run_folder import Row, RunFolder

HERE = Path(__file__).parent
SCORES = ("precision", "density", "recall", "coverage", "fd_lite0", "kid_lite0")
NUM_COLUMNS = 16
"""Samples in a row of the image."""


def table(results: Row) -> str:
    """Return the page as Markdown, made from the results alone."""
    lines = ["# Truncation", "", "Made by `python benchmarks/truncation.py` from `benchmarks/truncation.json`.", ""]
    lines += [f"{results['run']}, after {results['examples']:,} examples. {results['protocol_description']}.", ""]
    lines += [f"| truncation | {' | '.join(SCORES)} |", f"| {' | '.join(['---'] * (len(SCORES) + 1))} |"]
    for truncation, scores in results["truncations"].items():
        lines.append(f"| {truncation} | {' | '.join(f'{scores[name]:.3g}' for name in SCORES)} |")
    return "\n".join([*lines, "", "![samples, a row for each truncation](truncation.png)", ""])


def main() -> None:
    """Evaluate the run at each truncation, and write the results, the table and the image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--truncations", type=float, nargs="*", default=[0.3, 0.5, 0.7, 1.0, 1.5, math.inf])
    parser.add_argument("--num-samples", type=int, default=2_000)
    options = parser.parse_args()
    folder = RunFolder.open(options.run)
    recipe, generator = read_recipe(folder), zerosum.load(options.run)
    results: Row = {"run": f"{recipe.name} on {Path(recipe.data.source).name}", "examples": int(generator.checkpoint)}
    scores_by_truncation, rows = {}, []
    for truncation in options.truncations:
        row = zerosum.evaluate(
            options.run, features="lite0", num_samples=options.num_samples, truncation=truncation,
            reporter=SilentReporter(),
        )  # fmt: skip
        name = "none" if math.isinf(truncation) else f"{truncation:g}"
        scores_by_truncation[name] = {score: row["scores"][score]["value"] for score in SCORES}
        results |= {"protocol_description": row["protocol_description"], "truncations": scores_by_truncation}
        rows.append(raster.as_images(generator.decode(generator.sample(NUM_COLUMNS, seed=0, truncation=truncation))))
    (HERE / "truncation.json").write_text(json.dumps(results, indent=1) + "\n", "utf8")
    (HERE / "truncation.md").write_text(table(results), "utf8")
    raster.save_image(raster.make_grid(np.concatenate(rows), columns=NUM_COLUMNS), HERE / "truncation.png")


if __name__ == "__main__":
    main()
