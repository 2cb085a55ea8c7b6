"""The cost of monitoring: the fraction of a run's time that probes and diagnoses take at default settings.

    python benchmarks/monitoring.py DATA [--recipes auto r3gan stylegan2] [--budget 2m]

Each recipe is trained as `zerosum train DATA --recipe NAME` would. The monitor's calls are timed inside the run, since
two runs differ by more than the calls take. The results go to benchmarks/monitoring.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import zerosum
from zerosum.diagnosis.monitor import Monitor

RESULTS = Path(__file__).with_suffix(".json")
METHODS = ("run_probe", "process_row", "before_measured_round", "measure_weights")
"""The methods of the monitor that the trainer calls."""


def timed(durations: dict[str, list[float]], name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, which appends the seconds of each call to `durations[name]`."""

    def call(*args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            durations.setdefault(name, []).append(time.perf_counter() - start)

    return call


def main() -> None:
    """Train each recipe, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="the data to train on")
    parser.add_argument("--recipes", nargs="*", default=["auto", "dcgan", "r3gan", "stylegan2"])
    parser.add_argument("--budget", default="2m", help="training time of each recipe")
    options = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULTS.read_text("utf8")) if RESULTS.exists() else {}
    methods = {name: getattr(Monitor, name) for name in METHODS}
    for recipe in options.recipes:
        durations: dict[str, list[float]] = {}
        for name, method in methods.items():
            setattr(Monitor, name, timed(durations, name, method))
        with tempfile.TemporaryDirectory() as folder:
            run = zerosum.train(options.data, recipe=recipe, run=Path(folder) / "run", budget=options.budget)
            seconds = run.log()[-1]["seconds"]
        row = {
            name: {"calls": len(times), "seconds": sum(times), "fraction": sum(times) / seconds}
            for name, times in durations.items()
        }
        total = sum(method["fraction"] for method in row.values())
        results[recipe] = row | {"seconds": seconds, "fraction": total, "threads": torch.get_num_threads()}
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf8")
        print(recipe, f"{total:.1%} of {seconds:.0f} s", row, flush=True)


if __name__ == "__main__":
    main()
