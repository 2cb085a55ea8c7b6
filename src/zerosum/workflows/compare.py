"""Compare evaluated runs: rank those that were evaluated by the same protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from zerosum.errors import BadInput
from zerosum.evaluation.ranking import (
    EvaluatedRun,
    RankedGroup,
    describe_overlaps,
    incomparable_reasons,
    rank_by_protocol,
)
from zerosum.files import quote_path
from zerosum.inference.model_folder import is_model_folder
from zerosum.run_folder import Row, RunFolder


def compare(runs: Sequence[str | Path]) -> tuple[list[RankedGroup], list[str]]:
    """Rank evaluated runs, or folders of `evaluate_folders`, by their scores.

    Args:
        runs: the folders.

    Returns:
        The runs in groups of equal protocol, each group with the best run first; and notes: which runs have scores of
        copies, which have not been evaluated, and why groups are not ranked together.

    Raises:
        BadInput: none of the folders has scores, or one is neither a run nor a folder of scores.

    Example:
        >>> groups, notes = zerosum.compare(["runs/ring"])
        >>> groups[0].runs[0].rank
        1
    """
    if not runs:
        raise BadInput("`runs` is empty: name runs that have been evaluated, as in `zerosum compare runs/a runs/b`")
    entries = {str(run): _load_entries(RunFolder(Path(run))) for run in runs}
    missing = [run for run, run_entries in entries.items() if not run_entries]
    notes = [f"{run} has not been evaluated; run `zerosum evaluate {quote_path(run)}` first" for run in missing]
    if len(missing) == len(entries):
        raise BadInput(notes[0])
    groups = rank_by_protocol([entry for run_entries in entries.values() for entry in run_entries])
    return groups, [*describe_overlaps(groups), *incomparable_reasons(groups), *notes]


def _load_entries(folder: RunFolder) -> list[EvaluatedRun]:
    """Return the newest scores of each checkpoint by each protocol.

    Evaluations during training count only if there are no others; then the last one is returned.

    Raises:
        BadInput: the folder does not exist, or its scores cannot be read.
    """
    if not folder.path.is_dir() or (folder.path / "recipe.toml").exists() or is_model_folder(folder.path):
        RunFolder.open(folder.path)  # raises if there is no run, or one of another format version
    rows = list(folder.rows("scores.jsonl"))
    offline = [row for row in rows if row.get("mode") == "offline"] or rows[-1:]
    entries = {}
    for row in offline:
        try:
            entry = EvaluatedRun.from_row(f"{folder.path}{_variant(row)}", row)
        except KeyError as error:
            raise _bad_row(folder, f"lacks {error}") from error
        except (AttributeError, TypeError, ValueError) as error:
            raise _bad_row(folder, f"cannot be read ({error})") from error
        entries[entry.name, entry.protocol.key] = entry
    return list(entries.values())


def _variant(row: Row) -> str:
    """Return what tells an evaluation from the usual one of its run: the best networks, or translation to the input."""
    variants = ["best"] if row.get("checkpoint") == "best" else []
    variants += ["reverse"] if row.get("direction") == "reverse" else []
    return f" ({', '.join(variants)})" if variants else ""


def _bad_row(folder: RunFolder, problem: str) -> BadInput:
    path = folder.path / "scores.jsonl"
    return BadInput(f"{path}: a row {problem}; delete that row, and evaluate the run again")


def format_table(groups: Sequence[RankedGroup], notes: Sequence[str]) -> list[str]:
    """Return a comparison as lines of text, a table for each group."""
    lines = []
    for group in groups:
        names = list(dict.fromkeys(name for ranked in group.runs for name in ranked.run.scores))
        rows = [["", "run", "examples", *names]]
        rows += [
            [_format_rank(r.rank, r.is_tied), r.run.name, f"{r.run.examples:,}", *_format_scores(r.run, names)]
            for r in group.runs
        ]
        floor = {name: {"value": score["floor"]} for name, score in group.runs[0].run.scores.items()}
        rows.append(["", "real against real", "", *(_format_score(floor.get(name, {})) for name in names)])
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines += ["  ".join(f"{c:<{w}}" for c, w in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines += [f"protocol {group.protocol.describe()}", ""]
    if any(ranked.is_tied for group in groups for ranked in group.runs):
        lines.append("= tied with the best: the difference is within two standard errors")
    return [*lines, *notes]


def _format_rank(rank: int, is_tied: bool) -> str:
    return "=1" if is_tied else str(rank)


def _format_scores(entry: EvaluatedRun, names: Sequence[str]) -> list[str]:
    return [_format_score(entry.scores.get(name, {})) for name in names]


def _format_score(score: Mapping[str, float | None]) -> str:
    value, error = score.get("value"), score.get("error")
    return "-" if value is None else f"{value:.4g}" + ("" if error is None else f"±{error:.1g}")


def format_json(groups: Sequence[RankedGroup], notes: Sequence[str]) -> str:
    """Return a comparison as a JSON object with "groups" and "notes"."""
    records = [
        {
            "protocol": group.protocol.as_dict(),
            "entries": [
                {
                    "rank": ranked.rank,
                    "tied": ranked.is_tied,
                    "run": ranked.run.name,
                    "examples": ranked.run.examples,
                    "scores": ranked.run.scores,
                }
                for ranked in group.runs
            ],
        }
        for group in groups
    ]
    return json.dumps({"groups": records, "notes": list(notes)}, indent=1)
