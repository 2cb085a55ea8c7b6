"""The page of benchmarks/tables_conditions.py, made from its results alone."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

Results = Mapping[str, Mapping[str, Any]]
"""Outcomes by table and seed."""
NOTES = """`benchmarks/tables_conditions.py` says what is measured, on the runs of `benchmarks/tables.py`. A distance is
the mean total variation of the columns that are not given, from test rows of the given value; that of training rows of
this value is what remains between two samples of the same rows. Errors of filled cells are in standard deviations."""


def page(results: Results) -> str:
    """Return the page as Markdown."""
    lines = ["# Tables: given values and missing cells", ""]
    lines += [
        "Made by `python benchmarks/tables_conditions.py` from `benchmarks/tables_conditions.json`.",
        "",
        NOTES,
        "",
    ]
    lines += ["## Given values", "", "| table | seed | given | test rows | obeyed | training rows | zerosum | more |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for name, seeds in results.items():
        for seed, result in seeds.items():
            lines += [_given(name, seed, each) for each in result["given"]]
            more = statistics.mean(each["made"] - each["real"] for each in result["given"])
            lines.append(f"| {name} | {seed} | mean of these | | | | | {more:.3f} |")
    lines += ["", "## Missing cells", "", "| table | seed | filled by | error of numbers | right categories |"]
    lines.append("|---|---|---|---|---|")
    for name, seeds in results.items():
        for seed, result in seeds.items():
            for method, scores in result["filled"].items():
                accuracy = "" if scores["accuracy"] is None else f"{scores['accuracy']:.3f}"
                lines.append(f"| {name} | {seed} | {method} | {scores['error']:.3f} | {accuracy} |")
    return "\n".join([*lines, ""])


def _given(name: str, seed: str, each: Mapping[str, Any]) -> str:
    """Return the line of one wish."""
    wish = ", ".join(f"{column}={value}" for column, value in each["given"].items())
    figures = [
        f"{each['obeyed']:.3f}",
        f"{each['real']:.3f}",
        f"{each['made']:.3f}",
        f"{each['made'] - each['real']:.3f}",
    ]
    return f"| {' | '.join([name, seed, wish, str(each['test_rows']), *figures])} |"
