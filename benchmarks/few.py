"""Few pictures: the same training with and without what is to keep the discriminator from knowing them by heart.

    python benchmarks/few.py FOLDER DATA [--count 500] [--examples 250k] [--seeds 0 1 2] [--ways none ada]

Of DATA (images with or without classes) `count` training images are drawn by a fixed seed, and the default recipe is
trained on them alone, as many images long in each way. Its samples are held against the images of DATA that are held
out there, none of which it has seen. Runs in FOLDER are neither made nor judged again. Results go to
benchmarks/few.json, the table to benchmarks/few.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import zerosum
from zerosum.data.dataset import Dataset
from zerosum.data.images.inspect import inspect_source
from zerosum.data.images.load import load_source
from zerosum.reporter import SilentReporter
from zerosum.run_folder import Row, RunFolder

HERE = Path(__file__).parent
RESULT = HERE / "few.json"
WAYS = {"none": ("--augment.kind", "none"), "ada": (), "diffaugment": ("--augment.kind", "diffaugment")}
"""What is said on the command line; ADA is what is chosen by itself."""
SCORES = ("fd_lite0", "kid_lite0", "precision", "recall", "coverage", "authentic")


def written(examples: Dataset, chosen: np.ndarray, folder: Path) -> Path:
    """Some of the examples as PNG files."""
    if not folder.exists():
        folder.mkdir(parents=True)
        for number, pixels in zip(chosen, examples.take(chosen).numpy(), strict=True):
            Image.fromarray(pixels.squeeze(-1) if pixels.shape[2] == 1 else pixels).save(folder / f"{number:06d}.png")
    return folder


def judged(run: Path, few: Path, unseen: Path, way: str, images: str, seed: int) -> Row:
    """One run and its scores, made unless they are there."""
    folder = RunFolder(run)
    if folder.read_json("status.json").get("state") not in ("done", "diverged"):
        words = ["train", str(few), "--examples", images, "--seed", str(seed), "--run", str(run), *WAYS[way]]
        words += ["--evaluation.features", "none"]
        ended = subprocess.run([sys.executable, "-m", "zerosum", *words], check=False, stdout=subprocess.DEVNULL)
        if ended.returncode != 3:  # 3: a severe finding stands, or it diverged: results too
            ended.check_returncode()
    asked = [row for row in folder.rows("scores.jsonl") if row.get("when") == "asked"]
    row = asked[-1] if asked else zerosum.evaluate(run, data=str(unseen), num_samples=5_000, reporter=SilentReporter())
    signals = [tick["signals/augmentation"] for tick in folder.rows() if "signals/augmentation" in tick]
    return {"scores": row["scores"], "line": row["line"], "p": signals[-1] if signals else None}


def table(results: Row) -> str:
    """Markdown, all of it from the results."""
    runs = results["runs"].values()
    lines = ["# Few pictures", "", "Made by `python benchmarks/few.py` from `benchmarks/few.json`.", ""]
    lines += [f"{results['count']} training images, {results['images']} images long. {next(iter(runs))['line']}.", ""]
    lines += [
        f"| augmentation | seeds | last p | {' | '.join(SCORES)} |",
        f"| {' | '.join(['---'] * (3 + len(SCORES)))} |",
    ]
    for way in dict.fromkeys(run["way"] for run in runs):
        mine = [run for run in runs if run["way"] == way]
        cells = [_range([run["scores"][name]["value"] for run in mine]) for name in SCORES]
        last = "" if mine[0]["p"] is None else _range([run["p"] for run in mine])
        lines.append(f"| {way} | {len(mine)} | {last} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _range(values: list[float]) -> str:
    middle = f"{statistics.median(values):.3g}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.3g} to {max(values):.3g})"


def main() -> None:
    """Choose, play, judge, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("data")
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--examples", default="250k")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=["none", "ada"])
    asked = parser.parse_args()
    seen = inspect_source(asked.data)
    size, channels = seen.recommended_size(64), seen.recommended_channels()
    dataset = load_source(asked.data, size, channels, seen.recommended_fit(size))
    chosen = np.sort(np.random.default_rng(0).choice(dataset.train, asked.count, replace=False))
    few = written(dataset, chosen, asked.folder / f"few-{asked.count}")
    unseen = written(dataset, dataset.held_out, asked.folder / "unseen")
    results = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {"runs": {}}
    results |= {"count": asked.count, "images": asked.images}
    for seed in asked.seeds:
        for way in asked.ways:
            run = asked.folder / f"{way}-{seed}"
            results["runs"][run.name] = {"way": way} | judged(run, few, unseen, way, asked.images, seed)
            RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
            (HERE / "few.md").write_text(table(results), "utf8")
            print(run.name, f"coverage {results['runs'][run.name]['scores']['coverage']['value']:.3f}", flush=True)


if __name__ == "__main__":
    main()
