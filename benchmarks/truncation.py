"""Truncation's trade: a run's fidelity against its variety, from narrow latents to whole ones.

    python benchmarks/truncation.py RUN [--cuts 0.3 0.5 0.7 1 1.5 2] [--num-samples 2000]

Brock et al. 2018, arXiv:1809.11096, section 3.1 and figure 2: latents cut off nearer to 0 make better samples of fewer
kinds. For networks with styles the cut is the share of the distance from the mean style (arXiv:1812.04948, appendix B).
Judged on held-out images, as `zerosum evaluate --truncation` does. Results go to benchmarks/truncation.json, the table
to benchmarks/truncation.md, and samples, a row for each cut, to benchmarks/truncation.png.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np

import zerosum
from zerosum.inference.load import read_recipe
from zerosum.media import images
from zerosum.reporter import SilentReporter
from zerosum.run_folder import Row, RunFolder

HERE = Path(__file__).parent
SCORES = ("precision", "density", "recall", "coverage", "fd_lite0", "kid_lite0")
ACROSS = 16


def table(results: Row) -> str:
    """Markdown, all of it from the results."""
    lines = ["# Truncation", "", "Made by `python benchmarks/truncation.py` from `benchmarks/truncation.json`.", ""]
    lines += [f"{results['run']}, after {results['images']:,} images. {results['line']}.", ""]
    lines += [f"| cut | {' | '.join(SCORES)} |", f"| {' | '.join(['---'] * (len(SCORES) + 1))} |"]
    for cut, scores in results["cuts"].items():
        lines.append(f"| {cut} | {' | '.join(f'{scores[name]:.3g}' for name in SCORES)} |")
    return "\n".join([*lines, "", "![samples, a row for each cut](truncation.png)", ""])


def main() -> None:
    """Judge, write, draw."""
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--cuts", type=float, nargs="*", default=[0.3, 0.5, 0.7, 1.0, 1.5, math.inf])
    parser.add_argument("--num-samples", type=int, default=2_000)
    asked = parser.parse_args()
    folder = RunFolder.open(asked.run)
    recipe, generator = read_recipe(folder), zerosum.load(asked.run)
    results: Row = {"run": f"{recipe.name} on {Path(recipe.data.source).name}", "images": int(generator.checkpoint)}
    cuts, rows = {}, []
    for cut in asked.cuts:
        row = zerosum.evaluate(
            asked.run, features="lite0", num_samples=asked.n, truncation=cut, reporter=SilentReporter()
        )
        cuts["whole" if math.isinf(cut) else f"{cut:g}"] = {name: row["scores"][name]["value"] for name in SCORES}
        results |= {"line": row["line"], "cuts": cuts}
        rows.append(images.to_uint8(generator.sample(ACROSS, seed=0, truncation=cut)))
    (HERE / "truncation.json").write_text(json.dumps(results, indent=1) + "\n", "utf8")
    (HERE / "truncation.md").write_text(table(results), "utf8")
    images.save_image(images.make_grid(np.concatenate(rows), columns=ACROSS), HERE / "truncation.png")


if __name__ == "__main__":
    main()
