"""Compare fine-tuning at a fifth of the examples with training from scratch.

    python benchmarks/finetuning.py FOLDER NAME=SOURCE,TARGET... [--examples 20000] [--seeds 0 1 2] [--only 1]

For each NAME, the default recipe trains on SOURCE once, for `--source-examples` examples. Then, with each seed, it
trains on TARGET from scratch for `--examples`, and is fine-tuned on TARGET from the run on SOURCE for a fifth of that:
all layers, and with the first two stages of the discriminator frozen. Samples are compared with the held-out images of
TARGET, which are the same in all runs. Runs that exist in FOLDER are not trained or evaluated again; `--only N` ends
after N runs. Once training from scratch and fine-tuning are complete, the results go to benchmarks/finetuning.json,
and the table to benchmarks/finetuning.md.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import zerosum
from zerosum.reporter import SilentReporter
from zerosum.run_folder import Row, RunFolder

HERE = Path(__file__).parent
RESULT = HERE / "finetuning.json"
FRACTION = 5
"""Fine-tuning has the examples of training from scratch divided by this."""
WAYS = {
    "from scratch": (),
    "fine-tuned": ("--from", "{source}"),
    "fine-tuned, 2 stages frozen": ("--from", "{source}", "--freeze", "discriminator:2"),
}
"""Arguments of `zerosum train` by way of training."""
SCORES = ("kid_lite0", "fd_lite0", "precision", "recall", "coverage")


class Job(NamedTuple):
    """A run on the target of a pair of data sets."""

    name: str
    way: str
    seed: int
    data: str
    examples: int
    run: Path
    source_run: Path


def train(run: Path, data: str, examples: int, seed: int, arguments: tuple[str, ...]) -> bool:
    """Train a run unless it is complete, and return whether it was trained."""
    if RunFolder(run).read_json("status.json").get("state") == "done":
        return False
    command = [sys.executable, "-m", "zerosum", "train", data, "--examples", str(examples), "--seed", str(seed)]
    command += ["--run", str(run), "--evaluation.features", "none", "--diagnostics.probe", "false", *arguments]
    process = subprocess.run([*command, "--or-resume"], check=False, stdout=subprocess.DEVNULL)
    if process.returncode != 3:  # 3: a severe finding is active: a result too
        process.check_returncode()
    return True


def evaluate(run: Path, num_samples: int) -> Row:
    """Return the scores of a run against the held-out images of its data; evaluate it unless it has been."""
    rows = [row for row in RunFolder(run).rows("scores.jsonl") if row.get("mode") == "offline"]
    return rows[-1] if rows else zerosum.evaluate(
        run, features="lite0", num_samples=num_samples, copy_candidates=num_samples, reporter=SilentReporter()
    )  # fmt: skip


def iterate_jobs(folder: Path, pairs: dict[str, tuple[str, str]], examples: int, seeds: list[int]) -> Iterator[Job]:
    """Yield all runs on targets, those with frozen stages last."""
    for way, seed, (name, (_, target)) in itertools.product(WAYS, seeds, pairs.items()):
        length = examples if way == "from scratch" else examples // FRACTION
        run = folder / f"{name}-{way.replace(', ', '-').replace(' ', '-')}-{seed}"
        yield Job(name, way, seed, target, length, run, folder / f"{name}-source")


def summarize(rows: list[Row]) -> Row:
    """Return the mean of each score over seeds, and the values themselves."""
    scores = {score: [row["scores"][score]["value"] for row in rows] for score in SCORES}
    return {score: {"mean": statistics.mean(values), "values": values} for score, values in scores.items()}


def table(results: Row) -> str:
    """Return the page as Markdown, made from the results alone."""
    lines = ["# Fine-tuning", "", "Made by `python benchmarks/finetuning.py` from `benchmarks/finetuning.json`.", ""]
    pixels, source_examples = results["pixels"], results["source_examples"]
    lines += [
        f"The default recipe on a CPU at {pixels} pixels: {source_examples:,} examples of the first data set, then"
    ]
    lines += ["those of the table of the second.", ""]
    lines += [f"| data | way | examples | {' | '.join(SCORES)} | kid_lite0 of each seed |"]
    lines += [f"| {' | '.join(['---'] * (len(SCORES) + 4))} |"]
    for name, entry in results["pairs"].items():
        for way, scores in entry["ways"].items():
            examples = results["examples"] // (1 if way == "from scratch" else FRACTION)
            means = " | ".join(f"{scores[score]['mean']:.3g}" for score in SCORES)
            seeds = ", ".join(f"{value:.3g}" for value in scores["kid_lite0"]["values"])
            lines.append(f"| {name} | {way} | {examples:,} | {means} | {seeds} |")
    floors = ", ".join(f"{name} {entry['floor']:.2g}" for name, entry in results["pairs"].items())
    protocols = [f"- {name}: {entry['protocol_description']}" for name, entry in results["pairs"].items()]
    return "\n".join([*lines, "", f"kid_lite0 of real training images: {floors}. Protocols:", "", *protocols, ""])


def main() -> None:
    """Train and evaluate what is missing, and write the results and the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("pairs", nargs="+", metavar="NAME=SOURCE,TARGET")
    parser.add_argument("--examples", type=int, default=20_000)
    parser.add_argument("--source-examples", type=int, default=60_000)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--num-samples", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", type=int, default=10_000)
    options = parser.parse_args()
    named = (pair.split("=", 1) for pair in options.pairs)
    pairs = {name: (source, target) for name, value in named for source, target in [value.split(",")]}
    left, size = options.only, ("--data.size", str(options.pixels))
    for name, (source, _) in pairs.items():
        left -= train(options.folder / f"{name}-source", source, options.source_examples, 0, size)
    rows: dict[tuple[str, str], list[Row]] = {}
    for job in iterate_jobs(options.folder, pairs, options.examples, options.seeds):
        if left <= 0:
            break
        arguments = tuple(word.format(source=job.source_run) for word in WAYS[job.way])
        left -= train(job.run, job.data, job.examples, job.seed, (*size, *arguments))
        rows.setdefault((job.name, job.way), []).append(evaluate(job.run, options.num_samples))
    complete = {key: found for key, found in rows.items() if len(found) == len(options.seeds)}
    if not all((name, way) in complete for name in pairs for way in list(WAYS)[:2]):
        return
    names = ("examples", "source_examples", "pixels")
    results: Row = {name: vars(options)[name] for name in names}
    results["pairs"] = {}
    for name in pairs:
        first = complete[name, "from scratch"][0]
        floor, protocol = first["scores"]["kid_lite0"]["floor"], first["protocol_description"]
        ways = {way: summarize(complete[name, way]) for way in WAYS if (name, way) in complete}
        results["pairs"][name] = {"protocol_description": protocol, "floor": floor, "ways": ways}
    RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
    (HERE / "finetuning.md").write_text(table(results), "utf8")


if __name__ == "__main__":
    main()
