"""The page of benchmarks/tables.py, made from its results alone."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Runs = Mapping[str, Mapping[str, Any]]
"""Outcomes by seed."""
OURS, FLOOR = "zerosum", "training rows"
UTILITY = {"tstr_auc": "TSTR AUC", "tstr_r2": "TSTR R2", "tstr_mae": "TSTR MAE"}
"""Titles of the scores that depend on the target; a table has some of them."""
COLUMNS = {"shape": "shape", "worst_shape": "worst column", "correlation_difference": "correlation difference",
           "c2st": "C2ST", "dcr": "DCR median", "nearest_training_share": "nearest-training share",
           "copies": "exact copies"}  # fmt: skip
PRIVACY = ("dcr", "nearest_training_share", "copies")
"""Scores that say nothing of the training rows themselves."""
COMPARED = {"tstr_auc": 1, "tstr_r2": 1, "tstr_mae": -1, "shape": 1, "correlation_difference": -1, "c2st": -1}
"""Scores in which contenders are compared, with 1 where higher is better and -1 where lower is."""
TARGETS: Mapping[str, Mapping[str, float]] = {
    "insurance": {"tstr_auc": 0.965, "shape": 0.98, "worst_shape": 0.95, "correlation_difference": 0.015, "c2st": 0.60},
    "diamonds": {"tstr_r2": 0.985, "tstr_mae": 380, "shape": 0.98, "c2st": 0.70},
}
"""What ours is to reach in the median of the seeds, by table."""
MAX_TRAINING_SHARE = 0.52
"""The same of any table; its DCR median is to be at least that of the test rows."""
LOWER_IS_BETTER = frozenset({"tstr_mae", "correlation_difference", "c2st", "nearest_training_share"})

NOTES = """Every method trained on the same rows, in one thread, and wrote as many rows as it was trained on; the
table says the CPU seconds of training. Work is counted in examples and epochs, as many as take the time on an idle
core of the first machine, so some took longer: on a slower one, or next to other work. The two ablations, another
objective and another encoding, saw as many examples as zerosum. Medians over the seeds, and
their range. Scores compare with test rows that no method saw; `benchmarks/tables_scores.py` defines each, and
`benchmarks/tables_data.py` says where the tables come from. The line of the training rows is what real rows score.
The copula draws the same rows with every seed. DCR and the share of nearest training rows measure memorization; no
score is a privacy guarantee."""


def page(results: Mapping[str, Mapping[str, Runs]]) -> str:
    """Return the page as Markdown."""
    lines = ["# Synthetic tables", "", "Made by `python benchmarks/tables.py` from `benchmarks/tables.json`.", ""]
    lines += [*_targets(results), ""]
    lines += [NOTES, *_versions(results), ""]
    for name, contenders in results.items():
        lines += [f"## {name}", "", *_scores(contenders), ""]
        if OURS in contenders:
            lines += [*_comparison(contenders), ""]
    return "\n".join(lines)


def _targets(results: Mapping[str, Mapping[str, Runs]]) -> list[str]:
    """Return the table of what ours is to reach, and whether it does."""
    titles = ["table", "score of zerosum", "target", "median", "seeds", "reached"]
    lines = [_line(titles), _line(["---"] * len(titles))]
    for name, contenders in results.items():
        runs = [run["scores"] for run in contenders.get(OURS, {}).values()]
        if not runs:
            continue
        privacy = {"dcr": _median(runs, "holdout_dcr"), "nearest_training_share": MAX_TRAINING_SHARE}
        for key, bound in {**TARGETS.get(name, {}), **privacy}.items():
            value, is_low = _median(runs, key), key in LOWER_IS_BETTER
            is_reached = value <= bound if is_low else value >= bound
            wanted = f"at {'most' if is_low else 'least'} {bound:.4g}"
            cells = [name, (UTILITY | COLUMNS)[key], wanted, f"{value:.4g}", str(len(runs))]
            lines.append(_line([*cells, "yes" if is_reached else "no"]))
    return lines


def _median(runs: Sequence[Mapping[str, float]], key: str) -> float:
    """Return the median of a score over the runs."""
    return statistics.median(scores[key] for scores in runs)


def _versions(results: Mapping[str, Mapping[str, Runs]]) -> list[str]:
    """Return a line of the versions of the peers, if there are any."""
    runs = [run for contenders in results.values() for each in contenders.values() for run in each.values()]
    versions = {name: version for run in runs for name, version in run.get("versions", {}).items()}
    return [f"Peers: {', '.join(f'{name} {version}' for name, version in versions.items())}."] if versions else []


def _scores(contenders: Mapping[str, Runs]) -> list[str]:
    """Return the table of the scores of all contenders, and a line of what the test rows score."""
    example = next(iter(next(iter(contenders.values())).values()))["scores"]
    utility = {key: title for key, title in UTILITY.items() if key in example}
    titles = ["method", "seeds", "CPU seconds", *utility.values(), *COLUMNS.values()]
    lines = [_line(titles), _line(["---"] * len(titles))]
    for name, runs in contenders.items():
        cells = ["" if name == FLOOR and key in PRIVACY else _cell(runs, key) for key in (*utility, *COLUMNS)]
        seconds = _format_range([run["cpu_seconds"] for run in runs.values()])
        lines.append(_line([name, str(len(runs)), "" if name == FLOOR else seconds, *cells]))
    test = f"DCR median {example['holdout_dcr']:.3g}, exact copies {example['holdout_copies']:.2g}"
    return [*lines, "", f"The test rows themselves: {test}."]


def _comparison(contenders: Mapping[str, Runs]) -> list[str]:
    """Return the table of how many seeds ours scored better in than each other method, of those that both have."""
    ours = contenders[OURS]
    example = next(iter(ours.values()))["scores"]
    compared = {key: sign for key, sign in COMPARED.items() if key in example}
    titles = ["zerosum is better than", *((UTILITY | COLUMNS)[key] for key in compared)]
    lines = [_line(titles), _line(["---"] * len(titles))]
    for name, runs in contenders.items():
        seeds = [seed for seed in runs if seed in ours]
        if name in (OURS, FLOOR) or not seeds:
            continue
        cells = []
        for key, sign in compared.items():
            better = [sign * ours[seed]["scores"][key] > sign * runs[seed]["scores"][key] for seed in seeds]
            cells.append(f"{sum(better)} of {len(seeds)}")
        lines.append(_line([name, *cells]))
    return lines


def _cell(runs: Runs, key: str) -> str:
    scores = [run["scores"] for run in runs.values()]
    text = _format_range([each[key] for each in scores])
    worst = min(scores, key=lambda each: each["worst_shape"])["worst_column"]
    return f"{text} {worst}" if key == "worst_shape" else text


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _format_range(values: Sequence[float]) -> str:
    median = f"{statistics.median(values):.4g}"
    is_same = max(values) == min(values)
    return median if is_same else f"{median} ({min(values):.4g} to {max(values):.4g})"
