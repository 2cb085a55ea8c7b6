"""How start-up, speed and memory grow: with images in one file, with files, with ranks, with width.

    python benchmarks/scale.py images files ranks width --folder SCRATCH   # the rows asked for, in full
    python benchmarks/scale.py images --folder SCRATCH --num-samples 1k 10k --seconds 4
    python benchmarks/scale.py files --folder SCRATCH --files 300
    python benchmarks/scale.py --table                                     # benchmarks/scale.md from the results

Every figure is of `python -m zerosum train` in a process of its own, seen from outside: its lines are timed as they
come, and its memory is read from /proc every 20 ms. Start-up is from launch to
the first step played (a tick a step), cold (an empty cache folder) and warm (the same again); both find the data in the
system's page cache, where they have just been written. Its parts: `looking` (imports, and a glance at the data),
`reading`, `pacing` (timing a few rounds, in two precisions), `beginning` (folder, networks, first sheet, first step).
Peak memory counts the pages of a mapped file that were touched, which the system takes back when it wants them;
`anonymous` memory is what the process holds itself. Images per second are the median of the log's ticks.

`images`: N random grey images of 16 px in one .npy, used where they lie. `files`: as many PNG files of 16 px.
`ranks`: one run of r3gan (nano, float32, no batch norm) by one process with one thread, one with two, and two ranks
with a thread each; and how far apart the generators end. `width`: `auto` on digits, both networks that wide.
Each row prints a line of JSON, and is kept in the results file beside those of earlier calls.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
BATCH = 32
WARM_BAR = 5.0
"""Seconds that a warm start of the `files` row may take."""
_MIB = 2**20
_MARKS = (
    ("looking", re.compile(r"zerosum \S+: looking at ")),
    ("reading", re.compile(r"  split: ")),
    ("pacing", re.compile(r"what was chosen, and why")),
    ("beginning", re.compile(r".* images/s  .* left$")),
)
"""The parts of a start, and the first line printed after each."""


@dataclass
class Watched:
    """A command, seen from outside."""

    cpu: float = 0.0
    """Seconds of all cores, from launch to the end: what a busy machine does not change much."""
    marks: dict[str, float] = field(default_factory=dict)
    """Seconds from launch to the end of each part of the start."""
    peak: float = 0.0
    """MiB: the most that was resident, files' pages included; of one process, not of its children."""
    anonymous: float = 0.0
    """MiB: the most that was resident and no file's."""

    def start(self) -> float:
        """Seconds from launch to the first step played."""
        return round(self.marks["beginning"], 2)

    def parts(self) -> dict[str, float]:
        """Seconds of each part of the start."""
        ends = [0.0, *self.marks.values()]
        return {name: round(ends[i + 1] - ends[i], 2) for i, name in enumerate(self.marks)}


def watch(arguments: list[str], cache: Path, threads: int | None, ranks: int = 1) -> Watched:
    """Run `zerosum train` with these arguments, in a process of its own or in several ranks."""
    alone = ["-u", "-m", "zerosum"]
    several = ["-u", "-m", "torch.distributed.run", "--nproc-per-node", str(ranks), "-m", "--", "zerosum"]
    environment = os.environ | {"ZEROSUM_CACHE": str(cache)}
    environment |= {"OMP_NUM_THREADS": str(threads)} if threads else {}
    began, seen, lines = time.monotonic(), Watched(), []
    process = subprocess.Popen(
        [sys.executable, *(several if ranks > 1 else alone), "train", *arguments],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    ended = threading.Event()
    poll = threading.Thread(target=_poll, args=(process.pid, seen, ended))
    poll.start()
    assert process.stdout
    for line in process.stdout:
        lines.append(line)
        for name, mark in _MARKS:
            if name not in seen.marks and mark.match(line.rstrip("\n")):
                seen.marks[name] = time.monotonic() - began
    ended.set()
    poll.join()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):  # 3: a severe finding stands
        raise SystemExit(f"zerosum train {' '.join(arguments)} ended with {process.returncode}:\n{''.join(lines)}")
    seen.cpu = round(usage.ru_utime + usage.ru_stime, 2)
    if not seen.peak and sys.platform == "darwin":
        seen.peak = usage.ru_maxrss / _MIB
    return seen


def _poll(pid: int, seen: Watched, ended: threading.Event) -> None:
    """Note the most memory of a process, where the system tells it. (What wait4 tells starts at the parent's peak.)"""
    status = Path(f"/proc/{pid}/status")
    while not ended.wait(0.02):
        try:
            text = status.read_text("utf8")
        except OSError:
            return
        found = {name: int(size) / 1024 for name, size in re.findall(r"(VmHWM|RssAnon):\s+(\d+)", text)}
        seen.peak = max(seen.peak, found.get("VmHWM", 0.0))
        seen.anonymous = max(seen.anonymous, found.get("RssAnon", 0.0))


@dataclass
class Bench:
    """Where rows put their files and results."""

    folder: Path
    results: Path
    threads: int | None
    seconds: int

    def fresh(self, name: str) -> Path:
        """A path within the folder with nothing there."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        return path

    def start(self, data: Path, cache: Path) -> Watched:
        """A start on these data, and two steps."""
        run = self.fresh("run")
        few = ["--batch-size", str(BATCH), "--examples", str(2 * BATCH), "--training.tick_examples", str(BATCH)]
        return watch([str(data), "--recipe", "auto", "--run", str(run), *few], cache, self.threads)

    def train(self, source: str, cache: Path, *more: str) -> tuple[Watched, dict[str, object]]:
        """A run of so many seconds, and how fast it was."""
        run = self.fresh("run")
        arguments = [source, "--run", str(run), "--budget", f"{self.seconds}s", "--evaluation.features", "none", *more]
        seen = watch(arguments, cache, self.threads)
        return seen, {"images_per_second": speed(run), "precision": precision(run)}

    def say(self, row: str, of: object, **figures: object) -> None:
        """Print a row and keep it."""
        import torch

        threads = self.threads or torch.get_num_threads()
        about = {"threads": threads, "cores": os.cpu_count(), "machine": platform.machine(),
                 "torch": torch.__version__, "date": time.strftime("%Y-%m-%d")}  # fmt: skip
        record = {"row": row, "of": of, **about, **figures}
        print(json.dumps(record), flush=True)
        kept = json.loads(self.results.read_text("utf8")) if self.results.exists() else {}
        kept[f"{row} {of}"] = record
        self.results.write_text(json.dumps(kept, indent=1) + "\n", "utf8")


def speed(run: Path) -> float:
    """Images per second of a run: the median of its ticks, the first left out where there are others."""
    ticks = [json.loads(line)["images_per_second"] for line in (run / "log.jsonl").read_text("utf8").splitlines()]
    return round(statistics.median(ticks[1:] or ticks), 1)


def precision(run: Path) -> str:
    """In which the networks were computed."""
    found = re.search(r'^precision = "(\w+)"', (run / "recipe.toml").read_text("utf8"), re.MULTILINE)
    return found[1] if found else ""


# ---------------------------------------------------------------------- images in one file


def image_file(folder: Path, count: int) -> Path:
    """An .npy of so many random grey images of 16 px, written a block at a time."""
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


def measure_images(bench: Bench, counts: list[int], keep: bool) -> None:
    """Start-up, memory and speed as one file grows."""
    for count in counts:
        data, cache = image_file(bench.folder, count), bench.fresh("cache")
        cold = bench.start(data, cache)
        warm = bench.start(data, cache)
        long, figures = bench.train(str(data), cache, "--batch-size", str(BATCH))
        bench.say(
            "images", count,
            MiB_of_data=round(data.stat().st_size / _MIB, 1),
            cold_seconds=cold.start(), warm_seconds=warm.start(),
            cold_parts=cold.parts(), warm_parts=warm.parts(), cold_cpu_seconds=cold.cpu, warm_cpu_seconds=warm.cpu,
            cold_MiB=round(cold.peak), warm_MiB=round(warm.peak), training_MiB=round(long.peak),
            cold_anonymous_MiB=round(cold.anonymous), warm_anonymous_MiB=round(warm.anonymous),
            training_anonymous_MiB=round(long.anonymous), **figures,
        )  # fmt: skip
        if not keep:
            data.unlink()


# ---------------------------------------------------------------------- files


def png_folder(folder: Path, count: int) -> Path:
    """A folder of so many PNG files of 16 px."""
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


def measure_files(bench: Bench, count: int, keep: bool) -> None:
    """Start-up on a folder: cold once, warm three times."""
    data, cache = png_folder(bench.folder, count), bench.fresh("cache")
    cold = bench.start(data, cache)
    warm = [bench.start(data, cache) for _ in range(3)]
    middle = sorted(warm, key=Watched.start)[1]
    bench.say(
        "files", count,
        cold_seconds=cold.start(), cold_parts=cold.parts(), warm_seconds=[each.start() for each in warm],
        warm_parts=middle.parts(), warm_cpu_seconds=middle.cpu,
        bar_seconds=WARM_BAR, within_bar=middle.start() <= WARM_BAR,
        warm_MiB=round(middle.peak), warm_anonymous_MiB=round(middle.anonymous),
    )  # fmt: skip
    if not keep:
        shutil.rmtree(data)


# ---------------------------------------------------------------------- ranks

WAYS = {"one process, one thread": (1, 1), "one process, two threads": (1, 2), "two ranks, a thread each": (2, 1)}
"""How a run is played: ranks, and threads of each."""


def weights(run: Path) -> dict[str, np.ndarray]:
    """The generator's weights in a run's newest checkpoint, the averaged ones too."""
    from safetensors.numpy import load_file

    newest = max((run / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    return {name: array for name, array in load_file(newest / "networks.safetensors").items() if "generator" in name}


def apart(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> float:
    """The largest absolute difference of any weight."""
    assert one.keys() == other.keys()
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def measure_ranks(bench: Bench, images: int) -> None:
    """The same run in three ways: how fast, and how far apart they end."""
    cache, found, speeds = bench.fresh("cache"), {}, {}
    shared = ["digits", "--recipe", "r3gan", "--size", "nano", "--training.precision", "float32", "--batch-size", "64",
              "--examples", str(images), "--training.tick_examples", str(max(64, images // 10)), "--device", "cpu",
              "--evaluation.features", "none"]  # fmt: skip
    for way, (ranks, threads) in WAYS.items():
        run = bench.fresh("run")
        watch([*shared, "--run", str(run)], cache, threads, ranks)
        found[way], speeds[way] = weights(run), speed(run)
    first, second, both = WAYS
    bench.say(
        "ranks", images,
        threads="as named", images_per_second=speeds,
        ranks_over_one_thread=round(speeds[both] / speeds[first], 3),
        ranks_over_two_threads=round(speeds[both] / speeds[second], 3),
        ranks_apart=apart(found[both], found[first]), threads_apart=apart(found[second], found[first]),
        largest_weight=max(float(np.abs(array).max()) for array in found[first].values()),
    )  # fmt: skip


# ---------------------------------------------------------------------- width


def measure_width(bench: Bench, widths: list[int]) -> None:
    """Speed and memory of `auto` as its networks grow."""
    cache = bench.fresh("cache")
    for width in widths:
        wide = [f"--{player}.{name}={value}" for player in ("generator", "discriminator")
                for name, value in (("width", width), ("max_width", 4 * width))]  # fmt: skip
        seen, figures = bench.train("digits", cache, "--recipe", "auto", "--batch-size", str(BATCH), *wide)
        generator = sum(array.size for name, array in weights(bench.folder / "run").items() if "average" not in name)
        bench.say("width", width, **figures, generator_weights=generator, MiB=round(seen.peak),
                  anonymous_MiB=round(seen.anonymous))  # fmt: skip


# ---------------------------------------------------------------------- the table

COLUMNS = {
    "images": ("cold_seconds", "warm_seconds", "training_MiB", "training_anonymous_MiB", "images_per_second"),
    "files": ("cold_seconds", "warm_seconds", "warm_parts", "warm_MiB"),
    "ranks": ("images_per_second", "ranks_over_one_thread", "ranks_over_two_threads", "ranks_apart", "threads_apart"),
    "width": ("generator_weights", "images_per_second", "precision", "MiB", "anonymous_MiB"),
}


def table(results: Path) -> Iterator[str]:
    """The results as Markdown."""
    rows = list(json.loads(results.read_text("utf8")).values())
    yield "# Scale\n\nMade by `python benchmarks/scale.py --table`; what each figure is, that script says."
    for name, columns in COLUMNS.items():
        mine = sorted((row for row in rows if row["row"] == name), key=lambda row: row["of"])
        if mine:
            yield f"\n## {name}\n"
            yield f"| {name} | " + " | ".join(column.replace("_", " ") for column in columns) + " | threads | date |"
            yield "|---" * (len(columns) + 3) + "|"
        for row in mine:
            cells = [f"{row['of']:,}", *(_cell(row[column]) for column in columns), str(row["threads"]), row["date"]]
            yield "| " + " | ".join(cells) + " |"


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_cell(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return ", ".join(_cell(inner) for inner in value)
    if isinstance(value, float) and 0 < abs(value) < 0.01:
        return f"{value:.1e}"
    return f"{value:,}" if isinstance(value, int | float) else str(value)


def count(text: str) -> int:
    """10k, 1M."""
    times = {"k": 1_000, "M": 1_000_000}
    return int(float(text.rstrip("kM")) * times.get(text[-1], 1))


def main() -> None:
    """Measure the rows asked for, or write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("rows", nargs="*", help="images, files, ranks, width")
    parser.add_argument("--folder", type=Path, help="scratch; 3 GB at 10M images")
    parser.add_argument("--num-samples", type=count, nargs="*", default=[10**power for power in range(3, 8)])
    parser.add_argument("--files", type=count, default=60_000)
    parser.add_argument("--examples", type=count, default=12_800, help="that the ranks row trains on")
    parser.add_argument("--widths", type=int, nargs="*", default=[8, 16, 32, 64])
    parser.add_argument("--seconds", type=int, default=20, help="of training, in the rows images and width")
    parser.add_argument("--threads", type=int, help="of the rows images, files and width; left out: PyTorch's")
    parser.add_argument("--keep", action="store_true", help="leave the data in the folder")
    parser.add_argument("--results", type=Path, default=HERE / "scale.json")
    parser.add_argument("--table", action="store_true", help="write the results as Markdown beside them")
    asked = parser.parse_args()
    if asked.table:
        asked.results.with_suffix(".md").write_text("\n".join(table(asked.results)) + "\n", "utf8")
        return
    above = asked.folder or Path(tempfile.gettempdir())
    above.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="scale-", dir=above) as scratch:
        folder = above if asked.keep else Path(scratch)
        reference_set = Bench(folder, asked.results, asked.threads, asked.seconds)
        measures = {
            "images": lambda: measure_images(reference_set, asked.n, asked.keep),
            "files": lambda: measure_files(reference_set, asked.files, asked.keep),
            "ranks": lambda: measure_ranks(reference_set, asked.images),
            "width": lambda: measure_width(reference_set, asked.widths),
        }
        for row in asked.rows:
            measures[row]()


if __name__ == "__main__":
    main()
