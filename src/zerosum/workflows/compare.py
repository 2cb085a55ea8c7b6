"""The verb that compares: judged runs beside each other, like with like only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from zerosum.errors import BadInput
from zerosum.evaluation.ranking import Entry, Group, apart, grouped
from zerosum.run_folder import RunFolder


def compare(runs: Sequence[str | Path]) -> tuple[list[Group], list[str]]:
    """Judged runs (or folders of `evaluate_folders`) beside each other.

    Returns:
        The judgements by protocol, each group best first; and sentences: who has not been judged, and why groups are
        not ranked together.

    Raises:
        BadInput: none of them has been judged, or one is no run.
    """
    if not runs:
        raise BadInput("compare what? Name runs that have been judged: zerosum compare runs/a runs/b")
    found = {str(run): _entries(RunFolder(Path(run))) for run in runs}
    missing = [f"{run} has not been judged; run `zerosum evaluate {run}` first" for run, of in found.items() if not of]
    if len(missing) == len(found):
        raise BadInput(missing[0])
    groups = grouped([entry for several in found.values() for entry in several])
    return groups, [*apart(groups), *missing]


def _entries(folder: RunFolder) -> list[Entry]:
    """The newest judgement of each checkpoint by each protocol; one made in training where there are no others."""
    if not folder.path.is_dir():
        RunFolder.open(folder.path)  # which says what is wrong with it
    rows = list(folder.rows("scores.jsonl"))
    asked = [row for row in rows if row.get("when") == "asked"] or rows[-1:]
    entries = {}
    for row in asked:
        try:
            entry = Entry.of(f"{folder.path}{' (best)' if row.get('checkpoint') == 'best' else ''}", row)
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(
                f"{folder.path / 'scores.jsonl'}: a line lacks {error}; delete that line, and judge the run again"
            ) from error
        entries[entry.name, entry.protocol.key] = entry
    return list(entries.values())


def table(groups: Sequence[Group], sentences: Sequence[str]) -> list[str]:
    """A comparison in lines of text."""
    lines = []
    for group in groups:
        names = list(dict.fromkeys(name for rank in group.ranks for name in rank.entry.scores))
        head = ["", "run", "images", *names]
        rows = [head, *([_place(r.place, r.tied), r.entry.name, f"{r.entry.images:,}", *_cells(r.entry, names)]
                        for r in group.ranks)]  # fmt: skip
        floor = {name: {"value": s["floor"]} for name, s in group.ranks[0].entry.scores.items()}
        rows.append(["", "real against real", "", *(_cell(floor.get(name, {})) for name in names)])
        wide = [max(len(row[column]) for row in rows) for column in range(len(head))]
        lines += ["  ".join(f"{c:<{w}}" for c, w in zip(row, wide, strict=True)).rstrip() for row in rows]
        lines += [f"protocol {group.protocol.line()}", ""]
    if any(rank.tied for group in groups for rank in group.ranks):
        lines.append("= not told apart from the best: within two standard errors of the difference")
    return [*lines, *sentences]


def _place(place: int, tied: bool) -> str:
    return "=1" if tied else str(place)


def _cells(entry: Entry, names: Sequence[str]) -> list[str]:
    return [_cell(entry.scores.get(name, {})) for name in names]


def _cell(score: Mapping[str, float | None]) -> str:
    value, error = score.get("value"), score.get("error")
    return "-" if value is None else f"{value:.4g}" + ("" if error is None else f"±{error:.1g}")


def as_json(groups: Sequence[Group], sentences: Sequence[str]) -> str:
    """A comparison for programs."""
    told = [
        {
            "protocol": group.protocol.as_dict(),
            "ranks": [
                {
                    "place": r.place,
                    "tied": r.tied,
                    "run": r.entry.name,
                    "images": r.entry.images,
                    "scores": r.entry.scores,
                }
                for r in group.ranks
            ],
        }
        for group in groups
    ]
    return json.dumps({"groups": told, "notes": list(sentences)}, indent=1)
