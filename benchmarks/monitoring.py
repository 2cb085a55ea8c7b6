"""What watching costs: the share of a run's time that examinations and diagnoses take, at default settings.

    python benchmarks/monitoring.py DATA [--recipes auto r3gan stylegan2] [--budget 2m]

Each recipe is trained as `zerosum train DATA --recipe NAME` would, and the doctor's calls are timed where they are
made, since two runs differ by more than they take. Results go to benchmarks/doctor.json.
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

RESULT = Path(__file__).with_suffix(".json")


def timed(spent: dict[str, list[float]], name: str, call: Callable[..., Any]) -> Callable[..., Any]:
    """The call, its seconds put down."""

    def run(*given: Any, **more: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*given, **more)
        finally:
            spent.setdefault(name, []).append(time.perf_counter() - began)

    return run


def main() -> None:
    """Train, time, write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--recipes", nargs="*", default=["auto", "dcgan", "r3gan", "stylegan2"])
    parser.add_argument("--budget", default="2m")
    asked = parser.parse_args()
    results: dict[str, Any] = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {}
    calls = {name: getattr(Monitor, name) for name in ("examine", "read")}
    for recipe in asked.recipes:
        spent: dict[str, list[float]] = {}
        for name, call in calls.items():
            setattr(Monitor, name, timed(spent, name, call))
        with tempfile.TemporaryDirectory() as folder:
            run = zerosum.train(asked.data, recipe=recipe, run=Path(folder) / "run", budget=asked.budget)
            seconds = run.log()[-1]["seconds"]
        row = {
            name: {"times": len(each), "seconds": sum(each), "share": sum(each) / seconds}
            for name, each in spent.items()
        }
        total = sum(each["share"] for each in row.values())
        results[recipe] = row | {"seconds": seconds, "share": total, "threads": torch.get_num_threads()}
        RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
        print(recipe, f"{total:.1%} of {seconds:.0f} s", row, flush=True)


if __name__ == "__main__":
    main()
