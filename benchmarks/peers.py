"""Compare the peers' own scripts, unmodified, with `zerosum train` of the same networks, batch and image size, on CPU.

    git clone https://github.com/pytorch/examples ; git clone https://github.com/eriklindernoren/PyTorch-GAN
    python benchmarks/peers.py --data FOLDER --dcgan examples/dcgan/main.py \\
        --gan PyTorch-GAN/implementations/gan/gan.py [--python PYTHON] [--site SITE] [--seconds 60] [--rounds 3]

FOLDER holds a folder of PNG files for each class: MNIST, 60,000 files, for the reported figures. The peers' scripts
need torchvision: `--python` names an interpreter that has it, or `--site` a folder where it is installed for this
interpreter (`vision.py` describes what is done if its operators do not fit this PyTorch).

Every script runs in a process of its own for the same time; the two sides alternate, and the order is reversed in every
second round. The peers' progress is taken from the lines they print, one per step, timed as they arrive; ours from its
log. The first seconds are left out. Nothing is switched off: both draw sample grids; ours saves checkpoints, updates
the EMA and writes its log. Ours does not evaluate samples, and neither do the peers. The time before the first step is
not counted on either side.

`dcgan`: width 64, 64 px, color, batch 64; main.py opens the files again in every epoch, in two worker processes.
`gan`: hidden layers of 128, 256, 512, 1024 and of 512, 256, at 28 px, gray, batch 64. gan.py would download MNIST, so
the images of FOLDER are written where it looks for them, in the scratch folder it runs in.
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
BATCH_SIZE = 64
STEP_LINE = re.compile(r"\[(?:Epoch )?(\d+)/\d+\] ?\[(?:Batch )?(\d+)/(\d+)\]")
"""The line that both scripts print at every step: epoch of epochs, step of steps."""
ENDLESS_EPOCHS = "1000000"
DCGAN = ["--recipe", "dcgan", "--generator.width", "64", "--discriminator.width", "64", "--latent.size", "100",
         "--data.size", "64", "--data.channels", "3"]  # fmt: skip
GAN = ["--recipe", "vanilla", "--generator.widths", "[128, 256, 512, 1024]", "--generator.norm", "batch",
       "--discriminator.widths", "[512, 256]", "--discriminator.dropout", "0.0", "--latent.size", "100",
       "--data.size", "28", "--data.channels", "1"]  # fmt: skip
SHARED = ["--batch-size", str(BATCH_SIZE), "--data.fit", "resize", "--data.hflip", "false", "--device", "cpu",
          "--evaluation.features", "none"]  # fmt: skip


@dataclass(frozen=True)
class Performance:
    """The speed and memory of a run."""

    per_second: float
    """Images per second, without the first seconds."""
    peak: int
    """Peak resident memory of its main process, in MiB."""


@dataclass(frozen=True)
class Setup:
    """The conditions shared by all runs."""

    data: Path
    scratch: Path
    python: str
    environment: dict[str, str]
    site: Path | None
    seconds: float
    skip: float

    def files(self) -> list[Path]:
        """Return the images, ordered by class."""
        return sorted(self.data.glob("*/*.png"))


def measure_performance(marks: list[tuple[float, int]], skip: float, peak: int, name: str) -> Performance:
    """Return the speed between the first mark (seconds, images) after `skip` seconds and the last one."""
    counted = [mark for mark in marks if mark[0] - marks[0][0] >= skip]
    if len(counted) < 2 or counted[-1][0] == counted[0][0]:
        raise SystemExit(f"{name} took fewer than two steps after its first {skip:g} seconds: increase --seconds")
    (start_time, start_images), (end_time, end_images) = counted[0], counted[-1]
    return Performance((end_images - start_images) / (end_time - start_time), peak)


def wait_and_measure_memory(process: subprocess.Popen[str]) -> int:
    """Wait for the end of a process, and return its peak resident memory in MiB."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return round(usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10))


# ---------------------------------------------------------------------- the peers


def read_marks(lines: Iterator[str], images: int, seconds: float, output: list[str]) -> Iterator[tuple[float, int]]:
    """Yield the time of each step and the images until then, for `seconds` from the first step.

    Other lines are appended to `output`.
    """
    first = 0.0
    for line in lines:
        now, match = time.monotonic(), STEP_LINE.search(line)
        if not match:
            output.append(line)
            continue
        epoch, step, steps = map(int, match.groups())
        if steps != -(-images // BATCH_SIZE):
            raise SystemExit(
                f"a script takes {steps} steps per epoch of {images} images: check that FOLDER holds only PNG files"
            )
        first = first or now
        yield now, epoch * images + min((step + 1) * BATCH_SIZE, images)
        if now - first >= seconds:
            return


def run_peer(setup: Setup, script: Path, arguments: list[str], folder: Path) -> Performance:
    """Run a script in a folder, and stop it when its time is over."""
    folder.mkdir(parents=True, exist_ok=True)
    site = {"PYTHONPATH": str(setup.site)} if setup.site else {}
    process = subprocess.Popen(
        [setup.python, "-u", str(HERE / "vision.py"), str(script.resolve()), *arguments],
        cwd=folder, env=setup.environment | site, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True,  # a process group of its own, so that its worker processes end with it
    )  # fmt: skip
    assert process.stdout
    output: list[str] = []
    try:
        marks = list(read_marks(iter(process.stdout), len(setup.files()), setup.seconds, output))
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        peak = wait_and_measure_memory(process)
    if not marks or marks[-1][0] - marks[0][0] < setup.seconds:
        raise SystemExit(f"{script} ended by itself after {len(marks)} steps:\n{''.join(output[-20:])}")
    return measure_performance(marks, setup.skip, peak, str(script))


def write_mnist_files(files: list[Path], folder: Path) -> None:
    """Write the images as MNIST's four files, where torchvision looks for them; the test set holds one image."""
    folder.mkdir(parents=True)
    pixels = np.stack([np.asarray(Image.open(path).convert("L").resize((28, 28))) for path in files])
    classes = sorted({path.parent.name for path in files})
    labels = np.array([classes.index(path.parent.name) for path in files], np.uint8)
    for name, count in (("train", len(files)), ("t10k", 1)):
        images = struct.pack(">4i", 0x803, count, 28, 28) + pixels[:count].tobytes()
        (folder / f"{name}-images-idx3-ubyte").write_bytes(images)
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, count) + labels[:count].tobytes())


def run_dcgan(setup: Setup, script: Path) -> Performance:
    """Run pytorch/examples' dcgan/main.py with its default settings, except for the data and the number of epochs."""
    arguments = ["--dataset", "folder", "--dataroot", str(setup.data.resolve()), "--niter", ENDLESS_EPOCHS]
    return run_peer(setup, script, arguments, setup.scratch / "dcgan")


def run_gan(setup: Setup, script: Path) -> Performance:
    """Run PyTorch-GAN's gan.py with its default settings, except for the number of epochs."""
    folder = setup.scratch / "implementations" / "gan"  # it looks for ../../data/mnist
    raw = setup.scratch / "data" / "mnist" / "MNIST" / "raw"
    if not raw.exists():
        write_mnist_files(setup.files(), raw)
    return run_peer(setup, script, ["--n_epochs", ENDLESS_EPOCHS], folder)


# ---------------------------------------------------------------------- Zerosum


def run_zerosum(setup: Setup, settings: list[str], precision: str) -> Performance:
    """Run `zerosum train` for the same time."""
    run = Path(tempfile.mkdtemp(prefix="run-", dir=setup.scratch)) / "run"
    command = [sys.executable, "-m", "zerosum", "train", str(setup.data), "--run", str(run), *SHARED, *settings]
    command += ["--training.precision", precision, "--budget", f"{setup.seconds:g}s"]
    with (setup.scratch / "zerosum.txt").open("w+", encoding="utf8") as output:
        process = subprocess.Popen(command, env=setup.environment, text=True, stdout=output, stderr=subprocess.STDOUT)
        peak = wait_and_measure_memory(process)
        if process.returncode not in (0, 3):  # 3: a severe finding is active, which does not affect the speed
            output.seek(0)
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{output.read()}")
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text("utf8").splitlines()]
    marks = [(0.0, 0), *((row["seconds"], row["examples"]) for row in rows)]
    return measure_performance(marks, setup.skip, peak, "zerosum")


# ---------------------------------------------------------------------- alternation


def measure(name: str, variants: Mapping[str, Callable[[], Performance]], rounds: int, **context: object) -> None:
    """Run all variants in each round, and print a line of JSON: median speeds, and ratios of ours to the peer's."""
    results: dict[str, list[Performance]] = {variant: [] for variant in variants}
    for index in range(rounds):
        for variant in list(variants)[:: -1 if index % 2 else 1]:
            results[variant].append(variants[variant]())
            speed = results[variant][-1].per_second
            print(f"{name}, round {index + 1}, {variant}: {speed:.1f} images/s", file=sys.stderr, flush=True)
    speeds = {variant: [round(run.per_second, 1) for run in runs] for variant, runs in results.items()}
    medians = {variant: statistics.median(values) for variant, values in speeds.items()}
    ratios = {f"{variant} over peer": round(medians[variant] / medians["peer"], 3) for variant in medians
              if variant != "peer"}  # fmt: skip
    peaks = {variant: max(run.peak for run in runs) for variant, runs in results.items()}
    line = {"row": name, "per_second": medians, "ratios": ratios, "rounds": speeds, "peak_MiB": peaks, **context}
    print(json.dumps(line), flush=True)


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a folder of PNG files for each class")
    parser.add_argument("--dcgan", type=Path, help="pytorch/examples' dcgan/main.py")
    parser.add_argument("--gan", type=Path, help="PyTorch-GAN's implementations/gan/gan.py")
    parser.add_argument("--python", default=sys.executable, help="interpreter that runs the peers' scripts")
    parser.add_argument("--site", type=Path, help="folder with torchvision, if that interpreter has none")
    parser.add_argument("--seconds", type=float, default=60, help="training time of each run")
    parser.add_argument("--skip", type=float, default=8, help="seconds at the beginning that are not counted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precisions", nargs="+", default=["float32"], help="of Zerosum: float32 bfloat16")
    parser.add_argument("--threads", type=int, help="threads of each process; by default as PyTorch chooses")
    return parser.parse_args()


def main() -> None:
    """Time the given scripts."""
    options = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as scratch:
        # gan.py uses a GPU if there is one, and main.py does not: hide it from both
        environment = os.environ | {"ZEROSUM_CACHE": str(Path(scratch) / "cache"), "CUDA_VISIBLE_DEVICES": ""}
        environment |= {"OMP_NUM_THREADS": str(options.threads)} if options.threads else {}
        site = options.site.resolve() if options.site else None
        setup = Setup(options.data, Path(scratch), options.python, environment, site, options.seconds, options.skip)
        if not setup.files():
            raise SystemExit(f"--data {options.data}: it holds no files CLASS/NAME.png")
        rows = (("dcgan", options.dcgan, run_dcgan, DCGAN), ("gan", options.gan, run_gan, GAN))
        for name, script, run_script, settings in (row for row in rows if row[1]):
            variants = {
                f"zerosum, {precision}": partial(run_zerosum, setup, settings, precision)
                for precision in options.precisions
            }
            variants["peer"] = partial(run_script, setup, script)
            context = {"examples": len(setup.files()), "seconds": options.seconds, "date": time.strftime("%Y-%m-%d")}
            measure(name, variants, options.rounds, **context, cores=os.cpu_count(), threads=options.threads)


if __name__ == "__main__":
    main()
