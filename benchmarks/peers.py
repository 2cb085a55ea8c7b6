"""The peers' own scripts, unmodified, against `zerosum train` of the same networks, batch and size, on the CPU.

    git clone https://github.com/pytorch/examples ; git clone https://github.com/eriklindernoren/PyTorch-GAN
    python benchmarks/peers.py --data FOLDER --dcgan examples/dcgan/main.py \\
        --gan PyTorch-GAN/implementations/gan/gan.py [--python PYTHON] [--site SITE] [--seconds 60] [--rounds 3]

FOLDER holds a folder of PNG files a class: MNIST, 60,000 files, for the figures we report. Their scripts need
torchvision: `--python` names an interpreter that has it, or `--site` a folder where it lies for this interpreter
(`vision.py` says what is done where its operators do not fit this PyTorch).

Each is run in a process of its own for as long, in turns, and whoever went second goes first in the next round. Theirs
is told by the lines they print, a line a step, timed as they come; ours by its log. The first seconds are left out.
Nothing is switched off: both draw sample sheets on the way, ours saves checkpoints, averages the generator and writes
its log; it does not judge samples, which theirs do not either, and the time before the first step is on neither's bill.

`dcgan`: width 64, 64 px, colour, batch 64; main.py opens the files anew in every epoch, in two processes of its own.
`gan`: hidden layers of 128, 256, 512, 1024 and of 512, 256, at 28 px, grey, batch 64. gan.py would download MNIST, so
FOLDER's images are laid out where it looks for them, in the scratch folder it runs in.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
BATCH = 64
LINE = re.compile(r"\[(?:Epoch )?(\d+)/\d+\] ?\[(?:Batch )?(\d+)/(\d+)\]")
"""What both scripts print at every step: epoch of epochs, step of steps."""
FOR_EVER = "1000000"
DCGAN = ["--recipe", "dcgan", "--generator.width", "64", "--discriminator.width", "64", "--latent.size", "100",
         "--data.size", "64", "--data.channels", "3"]  # fmt: skip
GAN = ["--recipe", "vanilla", "--generator.widths", "[128, 256, 512, 1024]", "--generator.norm", "batch",
       "--discriminator.widths", "[512, 256]", "--discriminator.dropout", "0.0", "--latent.size", "100",
       "--data.size", "28", "--data.channels", "1"]  # fmt: skip
SHARED = ["--batch-size", str(BATCH), "--data.fit", "resize", "--data.hflip", "false", "--device", "cpu",
          "--evaluation.features", "none"]  # fmt: skip


@dataclass(frozen=True)
class Pace:
    """What a run showed."""

    per_second: float
    """Images, the first seconds left out."""
    peak: int
    """MiB: the most its main process had in memory."""


@dataclass(frozen=True)
class Bench:
    """What all runs share."""

    data: Path
    scratch: Path
    python: str
    environment: dict[str, str]
    site: Path | None
    seconds: float
    skip: float

    def files(self) -> list[Path]:
        """The images, in order of their classes."""
        return sorted(self.data.glob("*/*.png"))


def pace(marks: list[tuple[float, int]], skip: float, peak: int, what: str) -> Pace:
    """Images per second between the first mark (seconds, images) after `skip` seconds and the last."""
    later = [mark for mark in marks if mark[0] - marks[0][0] >= skip]
    if len(later) < 2 or later[-1][0] == later[0][0]:
        raise SystemExit(f"{what} made no two steps after its first {skip:g} seconds: give --seconds more")
    (began, before), (ended, after) = later[0], later[-1]
    return Pace((after - before) / (ended - began), peak)


def reap(process: subprocess.Popen[str]) -> int:
    """Wait for the end of a process; MiB it had in memory at most."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return round(usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))


# ---------------------------------------------------------------------- theirs


def marks_of(lines: Iterator[str], images: int, seconds: float, said: list[str]) -> Iterator[tuple[float, int]]:
    """When each step was told, and images until then, for so many seconds from the first."""
    first = 0.0
    for line in lines:
        progress, found = time.monotonic(), LINE.search(line)
        if not found:
            said.append(line)
            continue
        epoch, step, steps = map(int, found.groups())
        if steps != -(-images // BATCH):
            raise SystemExit(f"a script makes {steps} steps an epoch of {images} images: is FOLDER one of PNG files?")
        first = first or progress
        yield progress, epoch * images + min((step + 1) * BATCH, images)
        if progress - first >= seconds:
            return


def theirs(bench: Bench, script: Path, arguments: list[str], where: Path) -> Pace:
    """Run a script in a folder, and end it when its time is over."""
    where.mkdir(parents=True, exist_ok=True)
    site = {"PYTHONPATH": str(bench.site)} if bench.site else {}
    process = subprocess.Popen(
        [bench.python, "-u", str(HERE / "vision.py"), str(script.resolve()), *arguments],
        cwd=where, env=bench.environment | site, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,  # a session of its own, so that its loader's processes end with it
    )  # fmt: skip
    assert process.stdout
    said: list[str] = []
    try:
        marks = list(marks_of(iter(process.stdout), len(bench.files()), bench.seconds, said))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        peak = reap(process)
    if not marks or marks[-1][0] - marks[0][0] < bench.seconds:
        raise SystemExit(f"{script} ended by itself after {len(marks)} steps:\n{''.join(said[-20:])}")
    return pace(marks, bench.skip, peak, str(script))


def lay_out(files: list[Path], raw: Path) -> None:
    """The images as MNIST's four files, where torchvision looks for them; of the test set there is one image."""
    raw.mkdir(parents=True)
    pixels = np.stack([np.asarray(Image.open(path).convert("L").resize((28, 28))) for path in files])
    classes = sorted({path.parent.name for path in files})
    labels = np.array([classes.index(path.parent.name) for path in files], np.uint8)
    for name, count in (("train", len(files)), ("t10k", 1)):
        images = struct.pack(">4i", 0x803, count, 28, 28) + pixels[:count].tobytes()
        (raw / f"{name}-images-idx3-ubyte").write_bytes(images)
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, count) + labels[:count].tobytes())


def dcgan(bench: Bench, script: Path) -> Pace:
    """pytorch/examples' dcgan/main.py, as its settings are but for the data and the number of epochs."""
    arguments = ["--dataset", "folder", "--dataroot", str(bench.data.resolve()), "--niter", FOR_EVER]
    return theirs(bench, script, arguments, bench.scratch / "dcgan")


def gan(bench: Bench, script: Path) -> Pace:
    """PyTorch-GAN's gan.py, as its settings are but for the number of epochs."""
    where = bench.scratch / "implementations" / "gan"  # it looks for ../../data/mnist
    raw = bench.scratch / "data" / "mnist" / "MNIST" / "raw"
    if not raw.exists():
        lay_out(bench.files(), raw)
    return theirs(bench, script, ["--n_epochs", FOR_EVER], where)


# ---------------------------------------------------------------------- ours


def ours(bench: Bench, settings: list[str], precision: str) -> Pace:
    """A run of `zerosum train` that lasts as long."""
    run = Path(tempfile.mkdtemp(prefix="run-", dir=bench.scratch)) / "run"
    command = [sys.executable, "-m", "zerosum", "train", str(bench.data), "--run", str(run), *SHARED, *settings]
    command += ["--training.precision", precision, "--budget", f"{bench.seconds:g}s"]
    with (bench.scratch / "zerosum.txt").open("w+", encoding="utf8") as said:
        process = subprocess.Popen(command, env=bench.environment, text=True, stdout=said, stderr=subprocess.STDOUT)
        peak = reap(process)
        if process.returncode not in (0, 3):  # 3: a severe finding stands, which does not touch its pace
            said.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{said.read()}")
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text("utf8").splitlines()]
    return pace([(0.0, 0), *((row["seconds"], row["examples"]) for row in rows)], bench.skip, peak, "zerosum")


# ---------------------------------------------------------------------- taking turns


def measure(name: str, ways: Mapping[str, Callable[[], Pace]], rounds: int, **more: object) -> None:
    """All ways, round by round, as a line of JSON: medians, and how many times as fast ours are as theirs."""
    found: dict[str, list[Pace]] = {way: [] for way in ways}
    for turn in range(rounds):
        for way in list(ways)[:: -1 if turn % 2 else 1]:
            found[way].append(ways[way]())
            last = found[way][-1]
            print(f"{name}, round {turn + 1}, {way}: {last.per_second:.1f} images/s", file=sys.stderr, flush=True)
    speeds = {way: [round(each.per_second, 1) for each in paces] for way, paces in found.items()}
    middle = {way: statistics.median(each) for way, each in speeds.items()}
    ratios = {f"{way} over peer": round(middle[way] / middle["peer"], 3) for way in middle if way != "peer"}
    peaks = {way: max(each.peak for each in paces) for way, paces in found.items()}
    line = {"row": name, "per_second": middle, "ratios": ratios, "each": speeds, "peak_MiB": peaks, **more}
    print(json.dumps(line), flush=True)


def main() -> None:
    """Time the scripts that are named."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="a folder of PNG files a class")
    parser.add_argument("--dcgan", type=Path, help="pytorch/examples' dcgan/main.py")
    parser.add_argument("--gan", type=Path, help="PyTorch-GAN's implementations/gan/gan.py")
    parser.add_argument("--python", default=sys.executable, help="what runs their scripts")
    parser.add_argument("--site", type=Path, help="where torchvision lies, if that interpreter has none")
    parser.add_argument("--seconds", type=float, default=60, help="of training, each time")
    parser.add_argument("--skip", type=float, default=8, help="seconds at the beginning that do not count")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precisions", nargs="+", default=["float32"], help="of ours: float32 bfloat16")
    parser.add_argument("--threads", type=int, help="of each process; left out: PyTorch's")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as scratch:
        # gan.py takes a GPU where it sees one and main.py does not: neither is to see one
        environment = os.environ | {"ZEROSUM_CACHE": str(Path(scratch) / "cache"), "CUDA_VISIBLE_DEVICES": ""}
        environment |= {"OMP_NUM_THREADS": str(asked.threads)} if asked.threads else {}
        reference_set = Bench(asked.data, Path(scratch), asked.python, environment, asked.site and asked.site.resolve(),
                      asked.seconds, asked.skip)  # fmt: skip
        if not reference_set.files():
            raise SystemExit(f"--data {asked.data}: there are no files CLASS/NAME.png in it")
        rows = (("dcgan", asked.dcgan, dcgan, DCGAN), ("gan", asked.gan, gan, GAN))
        for name, script, peer, settings in (row for row in rows if row[1]):
            ways = {f"zerosum, {each}": partial(ours, reference_set, settings, each) for each in asked.precisions}
            ways["peer"] = partial(peer, reference_set, script)
            about = {
                "examples": len(reference_set.files()),
                "seconds": asked.seconds,
                "date": time.strftime("%Y-%m-%d"),
            }
            measure(name, ways, asked.rounds, **about, cores=os.cpu_count(), threads=asked.threads)


if __name__ == "__main__":
    main()
