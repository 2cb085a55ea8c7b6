"""What the campaign found: a summary by family, and its table."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import datetime
from typing import TypedDict

import numpy
import PIL
import torch
from benchmarks.faults.harness import Result

import zerosum

MAX_EXAMPLES = 5
"""Failed cases of a family that are described."""


class FamilySummary(TypedDict):
    """What became of the cases of a family."""

    family: str
    tried: int
    good: int
    failed: int
    seconds: float
    failures: list[str]
    """The first failed cases."""


class Summary(TypedDict):
    """The content of the result file."""

    families: list[FamilySummary]
    seed: int
    date: str
    machine: str
    versions: dict[str, str]


def summarize(results: Sequence[Result], seed: int) -> Summary:
    """Return what became of all cases, by family."""
    by_family: dict[str, list[Result]] = {}
    for result in results:
        by_family.setdefault(result.family, []).append(result)
    return Summary(
        families=[_summarize_family(family, results) for family, results in by_family.items()],
        seed=seed, date=datetime.now().astimezone().date().isoformat(),
        machine=f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores",
        versions={"zerosum": zerosum.__version__, "python": platform.python_version(), "torch": torch.__version__,
                  "numpy": numpy.__version__, "pillow": PIL.__version__},
    )  # fmt: skip


def update(former: Summary, new: Summary) -> Summary:
    """Return the results of a new run of some families, with those of the other families from a former one."""
    rows = {row["family"]: row for row in [*former["families"], *new["families"]]}
    return Summary(**{**new, "families": list(rows.values())})


def _summarize_family(family: str, results: Sequence[Result]) -> FamilySummary:
    failed = [result for result in results if result.problems]
    return FamilySummary(
        family=family, tried=len(results), good=len(results) - len(failed), failed=len(failed),
        seconds=round(sum(result.seconds for result in results), 1),
        failures=[f"{result.name}: {result.problems[0][:300]}" for result in failed[:MAX_EXAMPLES]],
    )  # fmt: skip


def format_table(summary: Summary) -> str:
    """Return the table of all families as Markdown."""
    rows: list[tuple[str, ...]] = [("family", "tried", "good", "failed", "seconds")]
    rows += [
        (row["family"], f"{row['tried']:,}", f"{row['good']:,}", f"{row['failed']:,}", f"{row['seconds']:,.0f}")
        for row in summary["families"]
    ]
    counts = [sum(row[key] for row in summary["families"]) for key in ("tried", "good", "failed", "seconds")]
    rows.append(("all", *(f"{count:,.0f}" for count in counts)))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
             for row in rows]  # fmt: skip
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
