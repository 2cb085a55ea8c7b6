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


MAX_EXCESS = 0.05
"""What ours is to reach: so much more than training rows, in each wish and in the mean."""
MAX_ERROR_RATIO = 1.05
"""And so many times the error of IterativeImputer; its own score is that of numbers."""
OURS, REFERENCE, SIMPLE = "zerosum", "IterativeImputer", "median or mode"


def page(results: Results) -> str:
    """Return the page as Markdown."""
    lines = ["# Tables: given values and missing cells", ""]
    lines += [
        "Made by `python benchmarks/tables_conditions.py` from `benchmarks/tables_conditions.json`.",
        "",
        NOTES,
        "",
        *_targets(results),
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


def _targets(results: Results) -> list[str]:
    """Return the table of what ours is to reach, in the median of the seeds, and whether it does."""
    lines = ["| table | score | target | median | seeds | reached |", "|---|---|---|---|---|---|"]
    for name, seeds in results.items():
        excess = [[each["made"] - each["real"] for each in result["given"]] for result in seeds.values()]
        errors = [{method: scores["error"] for method, scores in result["filled"].items()} for result in seeds.values()]
        rows = {
            "given values, mean of the wishes": (MAX_EXCESS, map(statistics.mean, excess)),
            "given values, worst wish": (MAX_EXCESS, map(max, excess)),
            "error of filled cells, times IterativeImputer's": (
                MAX_ERROR_RATIO, (error[OURS] / error[REFERENCE] for error in errors)),
            "error of filled cells, times that of the median": (1.0, (error[OURS] / error[SIMPLE] for error in errors)),
        }  # fmt: skip
        for score, (bound, values) in rows.items():
            value = statistics.median(values)
            reached = "yes" if value <= bound else "no"
            lines.append(f"| {name} | {score} | at most {bound:g} | {value:.3f} | {len(seeds)} | {reached} |")
    return lines


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
