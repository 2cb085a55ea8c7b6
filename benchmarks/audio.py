"""New drum hits: Zerosum's `cgan` and WaveGAN on the same sounds, in the same CPU time, by the same scores.

    python benchmarks/audio.py FOLDER DATA [--seconds 600] [--seeds 0 1 2] [--only zerosum wavegan ...]
    python benchmarks/audio.py FOLDER --draw            # only the page

DATA holds `train` and `test`, folders of sounds whose sub-folders are classes: of drum hits, `train` has the sounds of
some kits and `test` those of others. Every contender trains in one thread on prepared sounds of `train`: mono, 16 kHz,
1.024 s. All get as many examples or steps as take the CPU seconds, known from a run that is in FOLDER (another seed, or
a folder CONTENDER-NAME with a cost.json alone); without one they stop by the clock, Zerosum by that of the wall
(`--budget`). So other load of the machine changes no score. WaveGAN is benchmarks/audio_wavegan.py: of the size of the
paper, and a sixteenth as wide, which takes far more steps in the time.

This process scores all of them (benchmarks/audio_scores.py), which needs the weights of aiSFX (docs/audio.md). Runs
that exist in FOLDER are not trained or scored again. Results go to benchmarks/audio.json, the page to
benchmarks/audio.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from audio_page import UNSEEN, page
from audio_scores import Scorer
from tables import known_work, run_measured

HERE = Path(__file__).parent
RESULT = HERE / "audio.json"
ZEROSUM = (sys.executable, "-m", "zerosum")


@dataclass(frozen=True)
class Task:
    """What the contenders share."""

    scorer: Scorer
    seconds: float
    """CPU seconds."""
    seed: int


class Contender(Protocol):
    """A method that makes sounds."""

    def generate(self, task: Task, folder: Path) -> dict[str, object]:
        """Write samples into a folder, and return what they took: at least `cpu_seconds`."""

    def score(self, task: Task, folder: Path) -> dict[str, float]:
        """Return the scores of the samples in a folder."""


@dataclass(frozen=True)
class UnseenKits:
    """The sounds of other kits: what new sounds can have."""

    def generate(self, task: Task, folder: Path) -> dict[str, object]:
        """Measure how long a sound takes that is made of a spectrogram."""
        return {"cpu_seconds": 0.0, "decoding": task.scorer.time_decoding()}

    def score(self, task: Task, folder: Path) -> dict[str, float]:
        """Return the scores of the sounds."""
        return task.scorer.score_unseen()


@dataclass(frozen=True)
class Recipe:
    """Zerosum, with settings of `zerosum train`."""

    settings: Mapping[str, str] = field(default_factory=dict)

    def generate(self, task: Task, folder: Path) -> dict[str, object]:
        """Train and sample by the command line."""
        settings = [part for name, value in self.settings.items() for part in (f"--{name}", value)]
        examples = known_work(folder, task.seconds, "examples")
        budget = ["--examples", str(examples)] if examples else ["--budget", f"{task.seconds:g}s"]
        run, out = folder / "run", folder / "sample"
        for former in (run, out):
            shutil.rmtree(former, ignore_errors=True)  # an interrupted run
        command = [*ZEROSUM, "train", str(task.scorer.data), "--recipe", "cgan", *budget, "--seed", str(task.seed)]
        seconds = run_measured([*command, *settings, "--run", str(run)])
        run_measured([*ZEROSUM, "sample", str(run), "-n", str(len(task.scorer.train)), "--into", str(out)])
        status = json.loads((run / "status.json").read_text("utf8"))
        return {"cpu_seconds": seconds, "examples": status["examples"]}

    def score(self, task: Task, folder: Path) -> dict[str, float]:
        """Return the scores of the samples."""
        return task.scorer.score(*task.scorer.read(folder / "sample"))


@dataclass(frozen=True)
class WaveGan:
    """WaveGAN's published recipe."""

    width: int

    def generate(self, task: Task, folder: Path) -> dict[str, object]:
        """Train and sample in a process of its own."""
        data = folder / "sounds.npz"
        np.savez(data, sounds=task.scorer.train_sounds, labels=task.scorer.train_labels)
        steps = known_work(folder, task.seconds, "steps")
        options = ["--width", str(self.width), "--seed", str(task.seed), "--steps", str(steps)]
        options += ["--seconds", f"{task.seconds:g}"]
        run_measured([sys.executable, str(HERE / "audio_wavegan.py"), str(data), str(folder), *options])
        result: dict[str, object] = json.loads((folder / "wavegan.json").read_text("utf8"))
        return result

    def score(self, task: Task, folder: Path) -> dict[str, float]:
        """Return the scores of the samples."""
        samples = np.load(folder / "samples.npz")
        return task.scorer.score(samples["sounds"], samples["labels"])


CONTENDERS: dict[str, Contender] = {
    UNSEEN: UnseenKits(),
    "zerosum": Recipe(),
    "wavegan": WaveGan(64),
    "wavegan-narrow": WaveGan(4),
}
"""Zerosum, its reference in the size of the paper and in one that a CPU trains, and real sounds."""


def measure(contender: Contender, task: Task, folder: Path) -> dict[str, object]:
    """Return what the samples of a contender took and their scores; what is in the folder is not done again."""
    folder.mkdir(parents=True, exist_ok=True)
    cost, scores = folder / "cost.json", folder / "scores.json"
    if not cost.exists():
        start = time.monotonic()
        record = contender.generate(task, folder)
        cost.write_text(json.dumps({**record, "seconds": time.monotonic() - start}) + "\n", "utf8")
    if not scores.exists():
        scores.write_text(json.dumps(contender.score(task, folder)) + "\n", "utf8")
    return {**json.loads(cost.read_text("utf8")), "scores": json.loads(scores.read_text("utf8"))}


def read_results() -> dict[str, dict[str, dict[str, object]]]:
    """Return the results by contender and seed."""
    results: dict[str, dict[str, dict[str, object]]] = {}
    if RESULT.exists():
        results = json.loads(RESULT.read_text("utf8"))
    return results


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("data", type=Path, nargs="?", default=Path())
    parser.add_argument("--seconds", type=float, default=600.0, help="CPU seconds of each contender")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0])
    parser.add_argument("--only", nargs="*", choices=CONTENDERS, default=list(CONTENDERS), metavar="CONTENDER")
    parser.add_argument("--draw", action="store_true", help="only write the page")
    return parser.parse_args()


def main() -> None:
    """Make and score the sounds of the contenders, and write the results and the page."""
    options = parse_arguments()
    scorer = None if options.draw else Scorer(options.data)
    for name in options.only if scorer else ():
        for seed in options.seeds if name != UNSEEN else [0]:
            assert scorer is not None
            folder = options.folder / f"{name.replace(' ', '-')}-{seed}"
            result = measure(CONTENDERS[name], Task(scorer, options.seconds, seed), folder)
            results = read_results()  # another process may have added some
            results.setdefault(name, {})[str(seed)] = result
            RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
            print(folder.name, result, flush=True)
    (HERE / "audio.md").write_text(page(read_results()), "utf8")


if __name__ == "__main__":
    main()
