"""Train on few images, with and without augmentation against overfitting of the discriminator.

    python benchmarks/few.py FOLDER DATA [--count 500] [--examples 250k] [--seeds 0 1 2] [--augmentations none ada]

From DATA (images with or without classes) `--count` training images are drawn by a fixed seed, and the default recipe
trains on them alone, for the same number of examples with each augmentation. Its samples are compared with the held-out
images of DATA, none of which it was trained on. Runs that exist in FOLDER are not trained or evaluated again. Results
go to benchmarks/few.json, the table to benchmarks/few.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import zerosum
from zerosum.data.dataset import Dataset
from zerosum.data.images.inspect import inspect_source
from zerosum.data.images.load import load_source
from zerosum.media.raster import as_images
from zerosum.reporter import SilentReporter
from zerosum.run_folder import Row, RunFolder

HERE = Path(__file__).parent
RESULT = HERE / "few.json"
AUGMENTATIONS = {"none": ("--augment.kind", "none"), "ada": (), "diffaugment": ("--augment.kind", "diffaugment")}
"""Arguments of `zerosum train`; ADA is its default for few images."""
SCORES = ("fd_lite0", "kid_lite0", "precision", "recall", "coverage", "authenticity")


def save_images(dataset: Dataset, indices: NDArray[np.int64], folder: Path) -> Path:
    """Write the images at these indices as PNG files, unless the folder exists, and return the folder."""
    if not folder.exists():
        folder.mkdir(parents=True)
        for index, pixels in zip(indices, as_images(dataset.items(indices)), strict=True):
            Image.fromarray(pixels.squeeze(-1) if pixels.shape[2] == 1 else pixels).save(folder / f"{index:06d}.png")
    return folder


def train(run: Path, data: Path, augmentation: str, examples: str, seed: int) -> None:
    """Train with an augmentation, unless the run is complete."""
    if RunFolder(run).read_json("status.json").get("state") in ("done", "diverged"):
        return
    arguments = ["train", str(data), "--examples", examples, "--seed", str(seed), "--run", str(run)]
    arguments += [*AUGMENTATIONS[augmentation], "--evaluation.features", "none"]
    process = subprocess.run([sys.executable, "-m", "zerosum", *arguments], check=False, stdout=subprocess.DEVNULL)
    if process.returncode != 3:  # 3: a severe finding is active, or it diverged: results too
        process.check_returncode()


def evaluate(run: Path, unseen: Path) -> Row:
    """Return the scores of a run against images it was not trained on; evaluate it unless it has been."""
    folder = RunFolder(run)
    rows = [row for row in folder.rows("scores.jsonl") if row.get("mode") == "offline"]
    row = rows[-1] if rows else zerosum.evaluate(run, data=str(unseen), num_samples=5_000, reporter=SilentReporter())
    signals = [tick["signals/augmentation"] for tick in folder.rows() if "signals/augmentation" in tick]
    return {
        "scores": row["scores"],
        "protocol_description": row["protocol_description"],
        "p": signals[-1] if signals else None,
    }


def table(results: Row) -> str:
    """Return the page as Markdown, made from the results alone."""
    runs = results["runs"].values()
    protocol = next(iter(runs))["protocol_description"]
    lines = ["# Few images", "", "Made by `python benchmarks/few.py` from `benchmarks/few.json`.", ""]
    lines += [f"{results['count']} training images, {results['examples']} examples of training. {protocol}.", ""]
    lines += [
        f"| augmentation | seeds | last p | {' | '.join(SCORES)} |",
        f"| {' | '.join(['---'] * (3 + len(SCORES)))} |",
    ]
    for augmentation in dict.fromkeys(run["augmentation"] for run in runs):
        selected = [run for run in runs if run["augmentation"] == augmentation]
        cells = [_format_range([run["scores"][name]["value"] for run in selected]) for name in SCORES]
        last = "" if selected[0]["p"] is None else _format_range([run["p"] for run in selected])
        lines.append(f"| {augmentation} | {len(selected)} | {last} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _format_range(values: list[float]) -> str:
    median = f"{statistics.median(values):.3g}"
    return median if len(values) == 1 else f"{median} ({min(values):.3g} to {max(values):.3g})"


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("data")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--examples", default="250k")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--augmentations", nargs="*", choices=AUGMENTATIONS, default=["none", "ada"])
    return parser.parse_args()


def main() -> None:
    """Select the images, train and evaluate the runs, and write the results and the table."""
    options = parse_arguments()
    inspection = inspect_source(options.data)
    size, channels = inspection.recommended_size(64), inspection.recommended_channels()
    dataset = load_source(options.data, size, channels, inspection.recommended_fit(size))
    selected = np.sort(np.random.default_rng(0).choice(dataset.train, options.count, replace=False))
    few = save_images(dataset, selected, options.folder / f"few-{options.count}")
    unseen = save_images(dataset, dataset.held_out, options.folder / "unseen")
    results = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {"runs": {}}
    results |= {"count": options.count, "examples": options.examples}
    for seed in options.seeds:
        for augmentation in options.augmentations:
            run = options.folder / f"{augmentation}-{seed}"
            train(run, few, augmentation, options.examples, seed)
            results["runs"][run.name] = {"augmentation": augmentation} | evaluate(run, unseen)
            RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
            (HERE / "few.md").write_text(table(results), "utf8")
            print(run.name, f"coverage {results['runs'][run.name]['scores']['coverage']['value']:.3f}", flush=True)


if __name__ == "__main__":
    main()
