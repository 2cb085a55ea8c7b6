"""The verb that compares: judged runs beside each other, like with like only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from zerosum.errors import BadInput
from zerosum.evaluation.ranking import EvaluatedRun, RankedGroup, incomparable_reasons, rank_by_protocol
from zerosum.run_folder import RunFolder


def compare(runs: Sequence[str | Path]) -> tuple[list[RankedGroup], list[str]]:
    """Judged runs (or folders of `evaluate_folders`) beside each other.

    Returns:
        The judgements by protocol, each group best first; and sentences: who has not been judged, and why groups are
        not ranked together.

    Raises:
        BadInput: none of them has been judged, or one is no run.
    """
    if not runs:
        raise BadInput("compare what? Name runs that have been judged: zerosum compare runs/a runs/b")
    found = {str(run): _load_entries(RunFolder(Path(run))) for run in runs}
    missing = [f"{run} has not been judged; run `zerosum evaluate {run}` first" for run, of in found.items() if not of]
    if len(missing) == len(found):
        raise BadInput(missing[0])
    groups = rank_by_protocol([entry for several in found.values() for entry in several])
    return groups, [*incomparable_reasons(groups), *missing]


def _load_entries(folder: RunFolder) -> list[EvaluatedRun]:
    """The newest judgement of each checkpoint by each protocol; one made in training where there are no others."""
    if not folder.path.is_dir():
        RunFolder.open(folder.path)  # which says what is wrong with it
    rows = list(folder.rows("scores.jsonl"))
    asked = [row for row in rows if row.get("mode") == "offline"] or rows[-1:]
    entries = {}
    for row in asked:
        try:
            entry = EvaluatedRun.from_row(f"{folder.path}{' (best)' if row.get('checkpoint') == 'best' else ''}", row)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(
                f"{folder.path / 'scores.jsonl'}: a line lacks {error}; delete that line, and judge the run again"
            ) from error
        entries[entry.name, entry.protocol.key] = entry
    return list(entries.values())


def format_table(groups: Sequence[RankedGroup], notes: Sequence[str]) -> list[str]:
    """A comparison in lines of text."""
    lines = []
    for group in groups:
        names = list(dict.fromkeys(name for rank in group.runs for name in rank.run.scores))
        head = ["", "run", "examples", *names]
        rows = [head, *([_format_rank(r.rank, r.is_tied), r.run.name, f"{r.run.examples:,}", *_format_scores(r.run, names)]
                        for r in group.runs)]  # fmt: skip
        floor = {name: {"value": s["floor"]} for name, s in group.runs[0].run.scores.items()}
        rows.append(["", "real against real", "", *(_format_score(floor.get(name, {})) for name in names)])
        wide = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines += ["  ".join(f"{c:<{w}}" for c, w in zip(row, wide, strict=True)).rstrip() for row in rows]
        lines += [f"protocol {group.protocol.describe()}", ""]
    if any(rank.is_tied for group in groups for rank in group.runs):
        lines.append("= not told apart from the best: within two standard errors of the difference")
    return [*lines, *notes]


def _format_rank(rank: int, tied: bool) -> str:
    return "=1" if tied else str(rank)


def _format_scores(entry: EvaluatedRun, names: Sequence[str]) -> list[str]:
    return [_format_score(entry.scores.get(name, {})) for name in names]


def _format_score(score: Mapping[str, float | None]) -> str:
    value, error = score.get("value"), score.get("error")
    return "-" if value is None else f"{value:.4g}" + ("" if error is None else f"±{error:.1g}")


def format_json(groups: Sequence[RankedGroup], notes: Sequence[str]) -> str:
    """A comparison for programs."""
    conditioning = [
        {
            "protocol": group.protocol.as_dict(),
            "entries": [
                {
                    "rank": r.rank,
                    "tied": r.is_tied,
                    "run": r.run.name,
                    "examples": r.run.examples,
                    "scores": r.run.scores,
                }
                for r in group.runs
            ],
        }
        for group in groups
    ]
    return json.dumps({"groups": conditioning, "notes": list(notes)}, indent=1)
