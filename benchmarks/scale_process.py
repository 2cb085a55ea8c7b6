"""Run `zerosum train` in processes of its own, measure their time and memory, and read their results."""

from __future__ import annotations

import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MIB = 2**20
MARKS = (
    ("inspecting", re.compile(r"zerosum \S+: ")),
    ("loading", re.compile(r"  split: ")),
    ("timing", re.compile(r"settings chosen for ")),
    ("starting", re.compile(r".* examples/s  .* left$")),
)
"""The parts of a start, and the first line printed after each."""


@dataclass
class ProcessStats:
    """Time and memory of a command, measured from outside."""

    cpu: float = 0.0
    """CPU seconds on all cores, from launch to the end; other load on the machine changes them little."""
    marks: dict[str, float] = field(default_factory=dict)
    """Seconds from launch to the end of each part of the start."""
    peak: float = 0.0
    """Peak resident memory in MiB, with pages of files; of one process, not of its children."""
    anonymous: float = 0.0
    """Peak resident memory in MiB, without pages of files."""

    def start(self) -> float:
        """Return the seconds from launch to the end of the first step."""
        return round(self.marks["starting"], 2)

    def parts(self) -> dict[str, float]:
        """Return the seconds of each part of the start."""
        ends = [0.0, *self.marks.values()]
        return {name: round(ends[i + 1] - ends[i], 2) for i, name in enumerate(self.marks)}


def run_train(arguments: list[str], cache: Path, threads: int | None, ranks: int = 1) -> ProcessStats:
    """Run `zerosum train` with these arguments, in one process or in several ranks, and measure it."""
    one_process = ["-u", "-m", "zerosum"]
    several_ranks = ["-u", "-m", "torch.distributed.run", "--nproc-per-node", str(ranks), "-m", "--", "zerosum"]
    environment = os.environ | {"ZEROSUM_CACHE": str(cache)}
    environment |= {"OMP_NUM_THREADS": str(threads)} if threads else {}
    start_time, stats, lines = time.monotonic(), ProcessStats(), list[str]()
    process = subprocess.Popen(
        [sys.executable, *(several_ranks if ranks > 1 else one_process), "train", *arguments],
        env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    ended = threading.Event()
    poll = threading.Thread(target=_poll, args=(process.pid, stats, ended))
    poll.start()
    assert process.stdout
    for line in process.stdout:
        lines.append(line)
        for name, mark in MARKS:
            if name not in stats.marks and mark.match(line.rstrip("\n")):
                stats.marks[name] = time.monotonic() - start_time
    ended.set()
    poll.join()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 3):  # 3: a severe finding is active
        raise SystemExit(f"zerosum train {' '.join(arguments)} ended with {process.returncode}:\n{''.join(lines)}")
    stats.cpu = round(usage.ru_utime + usage.ru_stime, 2)
    if not stats.peak and sys.platform == "darwin":
        stats.peak = usage.ru_maxrss / MIB
    return stats


def _poll(pid: int, stats: ProcessStats, ended: threading.Event) -> None:
    """Record the peak memory of a process, if the system reports it. (wait4's figure starts at the parent's peak.)"""
    status = Path(f"/proc/{pid}/status")
    while not ended.wait(0.02):
        try:
            text = status.read_text("utf8")
        except OSError:
            return
        mib = {name: int(size) / 1024 for name, size in re.findall(r"(VmHWM|RssAnon):\s+(\d+)", text)}
        stats.peak = max(stats.peak, mib.get("VmHWM", 0.0))
        stats.anonymous = max(stats.anonymous, mib.get("RssAnon", 0.0))


def read_speed(run: Path) -> float:
    """Return the images per second of a run: the median over its ticks, without the first if there are others."""
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text("utf8").splitlines()]
    speeds: list[float] = [row["examples_per_second"] for row in rows]
    return round(statistics.median(speeds[1:] or speeds), 1)


def read_precision(run: Path) -> str:
    """Return the precision of a run's networks."""
    match = re.search(r'^precision = "(\w+)"', (run / "recipe.toml").read_text("utf8"), re.MULTILINE)
    return match[1] if match else ""


def load_weights(run: Path) -> dict[str, NDArray[Any]]:
    """Return the generator's weights from a run's newest checkpoint, raw and EMA."""
    from safetensors.numpy import load_file

    newest = max((run / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name))
    return {name: array for name, array in load_file(newest / "networks.safetensors").items() if "generator" in name}


def max_difference(a: dict[str, NDArray[Any]], b: dict[str, NDArray[Any]]) -> float:
    """Return the largest absolute difference between two sets of weights."""
    assert a.keys() == b.keys()
    return max(float(np.abs(a[name] - b[name]).max()) for name in a)
