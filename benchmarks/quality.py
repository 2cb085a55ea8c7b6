"""Time to quality: the default recipe against the peers', the same data, clock, machine and judge.

    python benchmarks/quality.py FOLDER mnist=PATH fashion=PATH [--budget 5m] [--seeds 0 1 2] [--only zerosum dcgan-64]
    python benchmarks/quality.py FOLDER --draw            # the table and the curves alone

Each contender is a recipe with its authors' settings, played by our loop: a peer's networks, objective and optimizer
get our speed, so what is compared is the choice, not the code (benchmarks/step.py compares the code). Every run is
judged in passing (kernel distance of 512 samples, 4% of everyone's time) and at its end: 10,000 samples against the
held-out images of the data's train part, never its test part. Results go to benchmarks/quality.json, the table to
benchmarks/quality.md and a picture of the curves for each data set beside it. Runs in FOLDER are not made again.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

import zerosum
from zerosum.console import Silent
from zerosum.run import RunFolder

HERE = Path(__file__).parent
RESULT = HERE / "quality.json"
BIG = {"generator.width": 64, "discriminator.width": 64}
CONTENDERS: dict[str, tuple[str, dict[str, Any]]] = {
    "zerosum": ("auto", {}),
    "dcgan-64": ("dcgan", {**BIG, "training.batch": 64}),
    "dcgan-24": ("dcgan", {"training.batch": 64}),
    "wgan-gp-64": ("wgan-gp", BIG),
    "wgan-gp-24": ("wgan-gp", {}),
    "sngan-64": ("dcgan", {**BIG, "discriminator.norm": "none", "discriminator.spectral": True,
                           "objective.kind": "hinge", "optimizer.beta1": 0.0, "optimizer.beta2": 0.9,
                           "training.batch": 64, "generator.init": "scaled", "discriminator.init": "scaled"}),
    "sngan-24": ("dcgan", {"discriminator.norm": "none", "discriminator.spectral": True, "objective.kind": "hinge",
                           "optimizer.beta1": 0.0, "optimizer.beta2": 0.9, "training.batch": 64,
                           "generator.init": "scaled", "discriminator.init": "scaled"}),
}  # fmt: skip
"""Our default, and what people would otherwise run: at the width of their code and at one that suits the budget."""
COLOURS = ("#111111", "#0072b2", "#56b4e9", "#d55e00", "#e69f00", "#009e73", "#8fd0b5")


def play(run: Path, data: str, contender: str, budget: str, seed: int) -> None:
    """One run, unless it is there and done."""
    if RunFolder(run).read_json("status.json").get("state") == "done":
        return
    recipe, settings = CONTENDERS[contender]
    words = ["train", data, "--recipe", recipe, "--budget", budget, "--seed", str(seed), "--run", str(run)]
    for name, value in settings.items():
        words += [f"--{name}", json.dumps(value).strip('"')]
    subprocess.run([sys.executable, "-m", "zerosum", *words], check=True, stdout=subprocess.DEVNULL)


def judged(run: Path) -> dict[str, Any]:
    """How it ended, and its curve: (seconds, kernel distance) pairs."""
    folder = RunFolder(run)
    row = zerosum.evaluate(run, voice=Silent())
    ticks = [(tick["images"], tick["seconds"]) for tick in folder.rows()]
    curve = [
        (_seconds(ticks, each["images"]), each["distance"])
        for each in folder.rows("scores.jsonl")
        if each.get("when") == "training"
    ]
    status = folder.read_json("status.json")
    return {"images": status["images"], "seconds": status["seconds"], "line": row["line"], "scores": row["scores"],
            "curve": curve}  # fmt: skip


def _seconds(ticks: Sequence[tuple[int, float]], images: int) -> float:
    return min(ticks, key=lambda tick: abs(tick[0] - images))[1]


def above(score: Mapping[str, Any]) -> float:
    """A Fréchet distance above its floor: real images are not at 0."""
    return float(score["value"]) - float(score["floor"])


def table(results: Mapping[str, Any]) -> str:
    """Markdown, all of it from the results."""
    lines = ["# Time to quality", "", "Made by `python benchmarks/quality.py` from `benchmarks/quality.json`.", ""]
    for data, contenders in results["data"].items():
        head = [
            "contender",
            "seeds",
            "images",
            "fd_lite0 above its floor",
            "kid_lite0",
            "coverage",
            "times zerosum's fd",
        ]
        lines += [f"## {data}, {results['budget']}", "", _line(head), _line(["---"] * len(head))]
        ours = statistics.median(above(run["scores"]["fd_lite0"]) for run in contenders["zerosum"].values())
        for name, runs in contenders.items():
            each = [run["scores"] for run in runs.values()]
            distances = [above(scores["fd_lite0"]) for scores in each]
            cells = [
                name, str(len(runs)), f"{statistics.median(run['images'] for run in runs.values()):,.0f}",
                _range(distances), _range([scores["kid_lite0"]["value"] for scores in each]),
                _range([scores["coverage"]["value"] for scores in each]), f"{statistics.median(distances) / ours:.1f}",
            ]  # fmt: skip
            lines.append(_line(cells))
        first = next(iter(contenders["zerosum"].values()))
        floor = first["scores"]
        lines += ["", f"Floors: fd {floor['fd_lite0']['floor']:.1f}, coverage {floor['coverage']['floor']:.3f}. "
                  f"Protocol: {first['line']}.", "", f"![curves](quality-{data}.png)", ""]  # fmt: skip
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _range(values: Sequence[float]) -> str:
    middle = f"{statistics.median(values):.4g}"
    return middle if len(values) == 1 else f"{middle} ({min(values):.4g} to {max(values):.4g})"


def draw(contenders: Mapping[str, Any], path: Path, wide: int = 800, tall: int = 420) -> None:
    """Kernel distance (logarithmic) against seconds, a line a run."""
    curves = {name: [run["curve"] for run in runs.values() if run["curve"]] for name, runs in contenders.items()}
    points = [point for runs in curves.values() for curve in runs for point in curve if point[1] > 0]
    if not points:
        return
    last = max(seconds for seconds, _ in points)
    low, high = (math.log10(f(value for _, value in points)) for f in (min, max))
    picture = Image.new("RGB", (wide, tall), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(12)

    def place(seconds: float, value: float) -> tuple[float, float]:
        up = (math.log10(max(value, 10**low)) - low) / max(high - low, 1e-9)
        return 60 + seconds / last * (wide - 190), 20 + (1 - up) * (tall - 60)

    for power in range(math.floor(low), math.ceil(high) + 1):
        if low <= power <= high:
            y = place(0, 10.0**power)[1]
            pen.line([(60, y), (wide - 130, y)], "#dddddd")
            pen.text((54, y), f"{10.0**power:g}", "#555555", font, anchor="rm")
    for share in (0, 0.25, 0.5, 0.75, 1):
        pen.text((place(share * last, 1)[0], tall - 30), f"{share * last:.0f} s", "#555555", font, anchor="mm")
    pen.text((60, 6), "kernel distance (kid_lite0) of samples to held-out images", "#111111", font)
    for number, (name, runs) in enumerate(curves.items()):
        colour = COLOURS[number % len(COLOURS)]
        pen.text((wide - 120, 24 + 18 * number), name, colour, font)
        for curve in runs:
            pen.line([place(*point) for point in curve], colour, 2)
    picture.save(path)


def main() -> None:
    """Play, judge, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", nargs="*")
    parser.add_argument("--budget", default="5m")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", nargs="*", default=list(CONTENDERS))
    parser.add_argument("--draw", action="store_true")
    asked = parser.parse_args()
    results = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {"budget": asked.budget, "data": {}}
    for name, path in (word.split("=", 1) for word in asked.data if not asked.draw):
        for seed in asked.seeds:
            for contender in asked.only:
                run = asked.folder / f"{name}-{contender}-{seed}"
                play(run, path, contender, asked.budget, seed)
                found = judged(run)
                results["data"].setdefault(name, {}).setdefault(contender, {})[str(seed)] = found
                RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
                print(run.name, f"{above(found['scores']['fd_lite0']):.1f}", flush=True)
    for name, contenders in results["data"].items():
        draw(contenders, HERE / f"quality-{name}.png")
    (HERE / "quality.md").write_text(table(results), "utf8")


if __name__ == "__main__":
    main()
