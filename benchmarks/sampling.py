"""Measure `zerosum sample`: time and memory for many samples, against the generator alone.

    python benchmarks/sampling.py RUN [--samples 50000] [--threads 1]

The generator alone makes batches of 64 samples and drops them; `sample` decodes and encodes them, and writes each to a
file. The time in which the generator is loaded is left out. Both take turns in rounds, since the speed of a shared
machine changes. On a machine whose other cores are busy, the ratio is that of the CPU time or worse. The peak memory is
that of a new process for a tenth of the samples and for all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

import zerosum
from zerosum.data.kind import ignore_progress
from zerosum.inference.generator import Generator
from zerosum.inference.sample_stream import SampleSettings, SampleWriter
from zerosum.media.kind import MediaKind

ROUND, BATCH_SIZE = 2_000, MediaKind.batch_size
"""Samples of a round, and of a batch."""
Seconds = tuple[float, float]
"""Of the generator alone, and of `sample`."""
PEAK_SCRIPT = """
import resource, sys, torch, zerosum
torch.set_num_threads(int(sys.argv[4]))
zerosum.sample(sys.argv[1], int(sys.argv[2]), into=sys.argv[3])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> None:
    """Measure, and print a JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--samples", type=int, default=50_000)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak memory")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rounds, cpu = measure_rounds(options.run, options.samples)
    alone, written = (sum(seconds) for seconds in zip(*rounds, strict=True))
    ratios = sorted(with_files / without for without, with_files in rounds)
    result = {
        "samples": options.samples, "threads": options.threads, "generator_seconds": round(alone, 1),
        "sample_seconds": round(written, 1), "ratio": round(written / alone, 3),
        "median_ratio_of_rounds": round(ratios[len(ratios) // 2], 3),
        "cpu_ratio": round(sum(written for _, written in cpu) / sum(alone for alone, _ in cpu), 3),
    }  # fmt: skip
    if not options.no_memory:
        counts = (options.samples // 10, options.samples)
        result["peak_mib"] = {str(n): round(measure_peak(options.run, n, options.threads)) for n in counts}
    print(json.dumps(result, indent=1))


def measure_rounds(run: Path, count: int) -> tuple[list[Seconds], list[Seconds]]:
    """Return the seconds of the generator alone and of `sample`, for each round of samples, and those of the CPU."""
    generator = zerosum.load(run)
    generate(generator, 0, 2 * BATCH_SIZE)
    rounds, cpu = list[Seconds](), list[Seconds]()
    with tempfile.TemporaryDirectory() as scratch:
        writer = SampleWriter(generator, SampleSettings(), Path(scratch))
        for first in range(0, count, ROUND):
            size = min(ROUND, count - first)
            start, cpu_start = time.perf_counter(), time.process_time()
            generate(generator, first, size)
            middle, cpu_middle = time.perf_counter(), time.process_time()
            writer.write(size, ignore_progress)
            rounds.append((middle - start, time.perf_counter() - middle))
            cpu.append((cpu_middle - cpu_start, time.process_time() - cpu_middle))
            print(f"{first + size:,}: {rounds[-1][0]:.1f} s alone, {rounds[-1][1]:.1f} s with files", file=sys.stderr)
        assert len(list(Path(scratch).glob("[0-9]*.png"))) == count
    return rounds, cpu


def generate(generator: Generator, first: int, count: int) -> None:
    """Generate samples in batches, and drop them."""
    for start in range(first, first + count, BATCH_SIZE):
        generator.sample(min(BATCH_SIZE, first + count - start), first=start)


def measure_peak(run: Path, count: int, threads: int) -> float:
    """Return the peak memory of a process that writes samples, in MiB."""
    with tempfile.TemporaryDirectory() as scratch:
        arguments = [str(run), str(count), f"{scratch}/samples", str(threads)]
        result = subprocess.run(
            [sys.executable, "-c", PEAK_SCRIPT, *arguments], check=True, capture_output=True, text=True
        )
    return float(result.stdout.split()[-1])


if __name__ == "__main__":
    main()
