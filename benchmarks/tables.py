"""Synthetic tables: compare Zerosum with CTGAN, TVAE and SDV's GaussianCopula on the same rows, CPU time and scores.

    python benchmarks/tables_data.py FOLDER/data
    python benchmarks/tables.py FOLDER --peers-python PEERS/bin/python [--tables insurance diamonds flights]
                                [--seeds 0 1 2] [--only zerosum ctgan ...]
    python benchmarks/tables.py FOLDER --draw            # only the page

Every contender trains on the same training rows, in one thread, for the CPU seconds of the table (300 for insurance,
600 for the others), and writes as many rows as there are training rows. All get as many examples or epochs as take the
CPU seconds, known from a run that is in FOLDER (another seed, or a folder TABLE-CONTENDER-NAME with a cost.json alone);
without one, Zerosum stops by the clock (`--budget`) and peers are measured before (benchmarks/tables_peer.py). So other
load of the machine changes no score. The page says how many CPU seconds each took. Peers run by the python of a
virtual environment of their own, are told which columns are categories (texts, and numbers of at most 20 values) and
the format of dates, and keep their defaults otherwise. They are under the Business Source License: no dependency of
Zerosum.

This process scores all of them (benchmarks/tables_scores.py). Runs that exist in FOLDER are not trained or scored
again. Results go to benchmarks/tables.json, the page to benchmarks/tables.md.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tables_data import TABLES, Table
from tables_page import page
from tables_scores import Scorer, column_types

HERE = Path(__file__).parent
RESULT = HERE / "tables.json"
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Task:
    """Data and settings that the contenders share."""

    table: Table
    data: Path
    """The folder of the tables."""
    num_rows: int
    """Rows to write, as many as there are training rows."""
    seed: int
    peers_python: str

    @property
    def train(self) -> Path:
        """The file of the training rows."""
        return self.table.path(self.data, "train")


class Contender(Protocol):
    """A method that writes synthetic rows."""

    def generate(self, task: Task, folder: Path) -> dict[str, object]:
        """Write FOLDER/samples.csv and return what it took: at least `cpu_seconds`."""


@dataclass(frozen=True)
class TrainingRows:
    """The training rows themselves: the floor of every score that compares with the test rows."""

    def generate(self, task: Task, folder: Path) -> dict[str, object]:
        """Copy the training rows."""
        shutil.copyfile(task.train, folder / "samples.csv")
        return {"cpu_seconds": 0.0}


@dataclass(frozen=True)
class Recipe:
    """Zerosum, with settings of `zerosum train`."""

    settings: Mapping[str, str] = field(default_factory=dict)

    def generate(self, task: Task, folder: Path) -> dict[str, object]:
        """Train and sample by the command line."""
        settings = [part for name, value in self.settings.items() for part in (f"--{name}", value)]
        examples = known_work(folder, task.table.seconds, "examples")
        budget = ["--examples", str(examples)] if examples else ["--budget", f"{task.table.seconds:g}s"]
        budget += ["--seed", str(task.seed)]
        run = str(folder / "run")
        shutil.rmtree(run, ignore_errors=True)  # an interrupted run
        zerosum = [sys.executable, "-m", "zerosum"]
        seconds = run_measured([*zerosum, "train", str(task.train), *budget, *settings, "--run", run])
        run_measured([*zerosum, "sample", run, "-n", str(task.num_rows), "--into", str(folder / "sample")])
        shutil.move(folder / "sample" / "samples.csv", folder / "samples.csv")
        status = json.loads((folder / "run" / "status.json").read_text("utf8"))
        return {"cpu_seconds": seconds, "examples": status["examples"]}


@dataclass(frozen=True)
class Peer:
    """A method of SDV."""

    method: str

    def generate(self, task: Task, folder: Path) -> dict[str, object]:
        """Train and sample by the peers' python."""
        (folder / "metadata.json").write_text(json.dumps(metadata(task.table, task.train)), "utf8")
        options = ["--seconds", f"{task.table.seconds:g}", "--rows", str(task.num_rows), "--seed", str(task.seed)]
        script = [task.peers_python, str(HERE / "tables_peer.py"), self.method]
        options += ["--epochs", str(known_work(folder, task.table.seconds, "epochs"))]
        run_measured([*script, str(task.train), str(folder / "metadata.json"), str(folder), *options])
        result: dict[str, object] = json.loads((folder / "peer.json").read_text("utf8"))
        return result


@dataclass(frozen=True)
class EncodedRecipe:
    """Zerosum on CTGAN's encoding of numbers."""

    def generate(self, task: Task, folder: Path) -> dict[str, object]:
        """Train and sample in a process of its own."""
        shutil.rmtree(folder / "run", ignore_errors=True)  # an interrupted run
        options = ["--seconds", f"{task.table.seconds:g}", "--rows", str(task.num_rows), "--seed", str(task.seed)]
        options += ["--examples", str(known_work(folder, task.table.seconds, "examples"))]
        script = [sys.executable, str(HERE / "tables_encoding.py"), task.table.name, str(task.data), str(folder)]
        run_measured([*script, *options])
        result: dict[str, object] = json.loads((folder / "encoded.json").read_text("utf8"))
        return result


WGAN_GP = {
    "recipe": "table", "objective.kind": "wasserstein", "terms.r1.weight": "0", "terms.r2.weight": "0",
    "terms.gradient_penalty.weight": "10", "terms.gradient_penalty.target": "1", "discriminator.pack": "8",
}  # fmt: skip
"""CTGAN's objective: Wasserstein with a gradient penalty, and 8 rows a score (10 do not divide the batch)."""
OURS = "zerosum"
CONTENDERS: dict[str, Contender] = {
    "training rows": TrainingRows(),
    OURS: Recipe(),
    "zerosum-wgan-gp": Recipe(WGAN_GP),
    "zerosum-ctgan-encoding": EncodedRecipe(),
    "ctgan": Peer("ctgan"),
    "tvae": Peer("tvae"),
    "gaussian-copula": Peer("gaussian-copula"),
}
"""Zerosum, ablations of it (another objective, another encoding), and its peers."""


def run_measured(command: Sequence[str]) -> float:
    """Run a command in one thread and return its CPU seconds.

    Raises:
        subprocess.CalledProcessError: it failed. Exit code 3 is a severe finding, a result too.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, env=os.environ | ONE_THREAD)
    if process.returncode != 3:
        process.check_returncode()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def known_work(folder: Path, seconds: float, unit: str) -> int:
    """Return how many examples or epochs take the CPU seconds, by the fastest of the runs next to a folder.

    The fastest, since other processes slow down what shares a cache with them. 0 if there are none.
    """
    name = folder.name.rpartition("-")[0]
    paths = [path for path in folder.parent.glob("*/cost.json") if path.parent.name.rpartition("-")[0] == name]
    costs = [json.loads(path.read_text("utf8")) for path in paths]
    return math.ceil(seconds * max(cost[unit] / cost["cpu_seconds"] for cost in costs)) if costs else 0


def metadata(table: Table, train: Path) -> dict[str, object]:
    """Return SDV's metadata of a table: which columns are categories, numbers and dates."""
    types = column_types(Scorer.training_rows(table, train), table)
    columns = {name: {"sdtype": kind} for name, kind in types.items()}
    for name, pattern in table.dates.items():
        columns[name]["datetime_format"] = pattern
    return {"METADATA_SPEC_VERSION": "V1", "tables": {table.name: {"columns": columns}}, "relationships": []}


def generate(contender: Contender, task: Task, folder: Path) -> None:
    """Write the samples of a contender and what they took, unless it has been done."""
    if (folder / "cost.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    cost = contender.generate(task, folder)
    cost["seconds"] = time.monotonic() - start
    (folder / "cost.json").write_text(json.dumps(cost) + "\n", "utf8")


def outcome(scorer: Scorer, folder: Path) -> dict[str, object]:
    """Return what the samples in a folder took and their scores; score them unless it has been done."""
    path = folder / "scores.json"
    if not path.exists():
        path.write_text(json.dumps(scorer.score(folder / "samples.csv")) + "\n", "utf8")
    cost = json.loads((folder / "cost.json").read_text("utf8"))
    return {**cost, "scores": json.loads(path.read_text("utf8"))}


def read_results() -> dict[str, dict[str, dict[str, object]]]:
    """Return the results by table, contender and seed."""
    results: dict[str, dict[str, dict[str, object]]] = {}
    if RESULT.exists():
        results = json.loads(RESULT.read_text("utf8"))
    return results


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--peers-python", default=sys.executable, help="of the environment that has ctgan and sdv")
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--only", nargs="*", choices=CONTENDERS, default=list(CONTENDERS), metavar="CONTENDER")
    parser.add_argument("--draw", action="store_true", help="only write the page")
    return parser.parse_args()


def main() -> None:
    """Generate and score the rows of the contenders, and write the results and the page."""
    options = parse_arguments()
    for name in () if options.draw else options.tables:
        scorer = Scorer(TABLES[name], options.folder / "data")
        for seed in options.seeds:
            task = Task(TABLES[name], options.folder / "data", scorer.num_train, seed, options.peers_python)
            for contender in options.only:
                folder = options.folder / f"{name}-{contender.replace(' ', '-')}-{seed}"
                generate(CONTENDERS[contender], task, folder)
                result = outcome(scorer, folder)
                results = read_results()  # another process may have added some
                results.setdefault(name, {}).setdefault(contender, {})[str(seed)] = result
                RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
                print(folder.name, result, flush=True)
    (HERE / "tables.md").write_text(page(read_results()), "utf8")


if __name__ == "__main__":
    main()
