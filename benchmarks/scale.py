"""Measure how start-up, speed and memory grow: with images in one file, with files, with ranks, with width.

    python benchmarks/scale.py images files ranks width --folder SCRATCH   # these rows, in full
    python benchmarks/scale.py images --folder SCRATCH --num-images 1k 10k --seconds 4
    python benchmarks/scale.py files --folder SCRATCH --num-files 300
    python benchmarks/scale.py --table                                     # benchmarks/scale.md from the results

Every figure is of `python -m zerosum train` in a process of its own, measured from outside: its lines are timed as they
arrive, and its memory is read from /proc every 20 ms. Start-up is the time from launch to the end of the first training
step (one tick per step), cold (with an empty cache folder) and warm (the same again); both find the data in the
system's page cache, because they have just been written. Its parts: `inspecting` (imports, and the quick inspection of
the data), `loading`, `timing` (a few rounds, in two precisions), `starting` (run folder, networks, first sample grid,
first step). Peak memory includes the touched pages of a memory-mapped file, which the system can take back;
`anonymous` memory is what the process allocated itself. Images per second are the median over the log's ticks.

`images`: N random gray images of 16 px in one .npy file, memory-mapped. `files`: PNG files of 16 px. `ranks`: one run
of r3gan (nano, float32, no batch norm) by one process with one thread, by one with two, and by two ranks with a thread
each; and how far the weights of the generators differ at the end. `width`: `auto` on digits, with both networks of that
width. Each row prints a line of JSON, and is added to the results file.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scale_process import MIB, ProcessStats, load_weights, max_difference, read_precision, read_speed, run_train

HERE = Path(__file__).parent
BATCH_SIZE = 32
MAX_WARM_SECONDS = 5.0
"""Limit for a warm start of the `files` row."""


@dataclass
class Setup:
    """The folders and conditions shared by all rows."""

    folder: Path
    results: Path
    threads: int | None
    seconds: int

    def empty_path(self, name: str) -> Path:
        """Return a path within the folder, after deleting what is there."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        return path

    def start(self, data: Path, cache: Path) -> ProcessStats:
        """Start a run on these data, and take two steps."""
        run = self.empty_path("run")
        examples = ["--examples", str(2 * BATCH_SIZE), "--training.tick_examples", str(BATCH_SIZE)]
        arguments = [str(data), "--recipe", "auto", "--run", str(run), "--batch-size", str(BATCH_SIZE), *examples]
        return run_train(arguments, cache, self.threads)

    def train(self, source: str, cache: Path, *arguments: str) -> tuple[ProcessStats, dict[str, object]]:
        """Train for `seconds`, and return the speed and precision of the run too."""
        run = self.empty_path("run")
        common = [source, "--run", str(run), "--budget", f"{self.seconds}s", "--evaluation.features", "none"]
        stats = run_train([*common, *arguments], cache, self.threads)
        return stats, {"images_per_second": read_speed(run), "precision": read_precision(run)}

    def record(self, row: str, value: object, **figures: object) -> None:
        """Print a row, and add it to the results file."""
        import torch

        threads = self.threads or torch.get_num_threads()
        context = {"threads": threads, "cores": os.cpu_count(), "machine": platform.machine(),
                   "torch": torch.__version__, "date": time.strftime("%Y-%m-%d")}  # fmt: skip
        record = {"row": row, "value": value, **context, **figures}
        print(json.dumps(record), flush=True)
        results = json.loads(self.results.read_text("utf8")) if self.results.exists() else {}
        results[f"{row} {value}"] = record
        self.results.write_text(json.dumps(results, indent=1) + "\n", "utf8")


# ---------------------------------------------------------------------- images in one file


def image_file(folder: Path, count: int) -> Path:
    """Return an .npy file of `count` random gray images of 16 px, written a block at a time."""
    path = folder / f"images-{count}.npy"
    if not path.exists():
        scratch = path.with_suffix(".part")
        stored = np.lib.format.open_memmap(scratch, "w+", np.uint8, (count, 16, 16))
        random = np.random.default_rng(count)
        for first in range(0, count, 2**16):
            block = stored[first : first + 2**16]
            block[:] = np.frombuffer(random.bytes(block.size), np.uint8).reshape(block.shape)
        stored.flush()
        del stored, block
        scratch.replace(path)
    return path


def measure_images(setup: Setup, counts: list[int], keep: bool) -> None:
    """Measure start-up, memory and speed as one file grows."""
    for count in counts:
        data, cache = image_file(setup.folder, count), setup.empty_path("cache")
        cold = setup.start(data, cache)
        warm = setup.start(data, cache)
        training, figures = setup.train(str(data), cache, "--batch-size", str(BATCH_SIZE))
        setup.record(
            "images", count,
            MiB_of_data=round(data.stat().st_size / MIB, 1),
            cold_seconds=cold.start(), warm_seconds=warm.start(),
            cold_parts=cold.parts(), warm_parts=warm.parts(), cold_cpu_seconds=cold.cpu, warm_cpu_seconds=warm.cpu,
            cold_MiB=round(cold.peak), warm_MiB=round(warm.peak), training_MiB=round(training.peak),
            cold_anonymous_MiB=round(cold.anonymous), warm_anonymous_MiB=round(warm.anonymous),
            training_anonymous_MiB=round(training.anonymous), **figures,
        )  # fmt: skip
        if not keep:
            data.unlink()


# ---------------------------------------------------------------------- files


def png_folder(folder: Path, count: int) -> Path:
    """Return a folder of `count` PNG files of 16 px."""
    path = folder / f"files-{count}"
    if not path.exists():
        scratch = folder / f"files-{count}.part"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        random = np.random.default_rng(count)
        for index in range(count):
            pixels = np.frombuffer(random.bytes(256), np.uint8).reshape(16, 16)
            Image.fromarray(pixels).save(scratch / f"{index}.png", compress_level=1)
        scratch.replace(path)
    return path


def measure_files(setup: Setup, count: int, keep: bool) -> None:
    """Measure start-up on a folder: cold once, warm three times."""
    data, cache = png_folder(setup.folder, count), setup.empty_path("cache")
    cold = setup.start(data, cache)
    warm = [setup.start(data, cache) for _ in range(3)]
    median = sorted(warm, key=ProcessStats.start)[1]
    setup.record(
        "files", count,
        cold_seconds=cold.start(), cold_parts=cold.parts(), warm_seconds=[run.start() for run in warm],
        warm_parts=median.parts(), warm_cpu_seconds=median.cpu,
        max_warm_seconds=MAX_WARM_SECONDS, within_limit=median.start() <= MAX_WARM_SECONDS,
        warm_MiB=round(median.peak), warm_anonymous_MiB=round(median.anonymous),
    )  # fmt: skip
    if not keep:
        shutil.rmtree(data)


# ---------------------------------------------------------------------- ranks

VARIANTS = {"one process, one thread": (1, 1), "one process, two threads": (1, 2), "two ranks, a thread each": (2, 1)}
"""How a run is computed: the number of ranks, and the threads of each."""


def measure_ranks(setup: Setup, examples: int) -> None:
    """Compute the same run in three variants: how fast they are, and how far their weights differ at the end."""
    cache, weights, speeds = setup.empty_path("cache"), {}, {}
    shared = ["digits", "--recipe", "r3gan", "--size", "nano", "--training.precision", "float32", "--batch-size", "64",
              "--examples", str(examples), "--training.tick_examples", str(max(64, examples // 10)), "--device",
              "cpu", "--evaluation.features", "none"]  # fmt: skip
    for name, (ranks, threads) in VARIANTS.items():
        run = setup.empty_path("run")
        run_train([*shared, "--run", str(run)], cache, threads, ranks)
        weights[name], speeds[name] = load_weights(run), read_speed(run)
    one_thread, two_threads, two_ranks = VARIANTS
    setup.record(
        "ranks", examples,
        threads="as named", images_per_second=speeds,
        ranks_over_one_thread=round(speeds[two_ranks] / speeds[one_thread], 3),
        ranks_over_two_threads=round(speeds[two_ranks] / speeds[two_threads], 3),
        ranks_difference=max_difference(weights[two_ranks], weights[one_thread]),
        threads_difference=max_difference(weights[two_threads], weights[one_thread]),
        largest_weight=max(float(np.abs(array).max()) for array in weights[one_thread].values()),
    )  # fmt: skip


# ---------------------------------------------------------------------- width


def measure_width(setup: Setup, widths: list[int]) -> None:
    """Measure the speed and memory of `auto` as its networks grow."""
    cache = setup.empty_path("cache")
    for width in widths:
        settings = [f"--{player}.{name}={value}" for player in ("generator", "discriminator")
                    for name, value in (("width", width), ("max_width", 4 * width))]  # fmt: skip
        arguments = ["--recipe", "auto", "--batch-size", str(BATCH_SIZE), *settings]
        stats, figures = setup.train("digits", cache, *arguments)
        weights = load_weights(setup.folder / "run")
        num_weights = sum(array.size for name, array in weights.items() if not name.startswith("emas."))
        setup.record("width", width, **figures, generator_weights=num_weights, MiB=round(stats.peak),
                     anonymous_MiB=round(stats.anonymous))  # fmt: skip


# ---------------------------------------------------------------------- the table

COLUMNS = {
    "images": ("cold_seconds", "warm_seconds", "training_MiB", "training_anonymous_MiB", "images_per_second"),
    "files": ("cold_seconds", "warm_seconds", "warm_parts", "warm_MiB"),
    "ranks": (
        "images_per_second",
        "ranks_over_one_thread",
        "ranks_over_two_threads",
        "ranks_difference",
        "threads_difference",
    ),
    "width": ("generator_weights", "images_per_second", "precision", "MiB", "anonymous_MiB"),
}


def table(results: Path) -> Iterator[str]:
    """Yield the lines of the page, made from the results alone."""
    rows = list(json.loads(results.read_text("utf8")).values())
    yield "# Scale\n\nMade by `python benchmarks/scale.py --table`; the script explains each figure."
    for name, columns in COLUMNS.items():
        selected = sorted((row for row in rows if row["row"] == name), key=lambda row: row["value"])
        if selected:
            yield f"\n## {name}\n"
            yield f"| {name} | " + " | ".join(column.replace("_", " ") for column in columns) + " | threads | date |"
            yield "|---" * (len(columns) + 3) + "|"
        for row in selected:
            cells = [f"{row['value']:,}", *(_cell(row[column]) for column in columns), str(row["threads"]), row["date"]]
            yield "| " + " | ".join(cells) + " |"


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_cell(inner) for inner in value)
    if isinstance(value, float) and 0 < abs(value) < 0.01:
        return f"{value:.1e}"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def parse_count(text: str) -> int:
    """Parse a number such as 300, 10k or 1M."""
    factors = {"k": 1_000, "M": 1_000_000}
    return int(float(text.rstrip("kM")) * factors.get(text[-1], 1))


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="images, files, ranks, width")
    parser.add_argument("--folder", type=Path, help="scratch folder; needs 3 GB for 10M images")
    parser.add_argument("--num-images", type=parse_count, nargs="*", default=[10**power for power in range(3, 8)],
                        help="numbers of images in the row images")  # fmt: skip
    parser.add_argument("--num-files", type=parse_count, default=60_000, help="number of files in the row files")
    parser.add_argument("--examples", type=parse_count, default=12_800, help="training examples in the row ranks")
    parser.add_argument("--widths", type=int, nargs="*", default=[8, 16, 32, 64])
    parser.add_argument("--seconds", type=int, default=20, help="training time in the rows images and width")
    parser.add_argument("--threads", type=int, help="threads in all rows but ranks; by default as PyTorch chooses")
    parser.add_argument("--keep", action="store_true", help="keep the data in the folder")
    parser.add_argument("--results", type=Path, default=HERE / "scale.json")
    parser.add_argument("--table", action="store_true", help="only write the results as Markdown")
    return parser.parse_args()


def main() -> None:
    """Measure the given rows, or write the table."""
    options = parse_arguments()
    if options.table:
        options.results.with_suffix(".md").write_text("\n".join(table(options.results)) + "\n", "utf8")
        return
    parent = options.folder or Path(tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scale-", dir=parent) as scratch:
        folder = parent if options.keep else Path(scratch)
        setup = Setup(folder, options.results, options.threads, options.seconds)
        measures = {
            "images": lambda: measure_images(setup, options.num_images, options.keep),
            "files": lambda: measure_files(setup, options.num_files, options.keep),
            "ranks": lambda: measure_ranks(setup, options.examples),
            "width": lambda: measure_width(setup, options.widths),
        }
        for row in options.rows:
            measures[row]()


if __name__ == "__main__":
    main()
