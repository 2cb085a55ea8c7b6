"""The page of the benchmark of sounds, from its results."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

COLUMNS = (
    ("class_own", "class heard, own classifier"),
    ("class_probe", "class heard, aiSFX probe"),
    ("class_probe_without_other", "the same without `other`"),
    ("kid_aisfx", "`kid_aisfx` x 1000"),
    ("nearest_ratio", "distance to the nearest training sound"),
)
"""Scores with their titles."""
UNSEEN = "unseen kits"


def page(results: Mapping[str, Mapping[str, Mapping[str, object]]]) -> str:
    """Return the page in Markdown, of results by contender and seed."""
    lines = [
        "# Drum hits of a second",
        "",
        "Made by `python benchmarks/audio.py FOLDER DATA`; see there for the data, the contenders and how each was",
        "run. Each had one thread and the CPU seconds of the table. Classes are heard in as many samples as there are",
        "training sounds. `kid_aisfx` is against the training kits' sounds, and so is the distance to the nearest",
        "training sound, relative to that of the unseen kits' sounds: below 1 for copies.",
        "",
        f"| | seeds | CPU s | work | {' | '.join(title for _, title in COLUMNS)} |",
        f"|{' --- |' * (len(COLUMNS) + 4)}",
    ]
    for name, by_seed in results.items():
        lines.append(_row(name, list(by_seed.values())))
    times = [
        float(str(row["decoding"])) for by_seed in results.values() for row in by_seed.values() if "decoding" in row
    ]
    if times:
        lines += ["", f"A sound is made of a spectrogram in {min(times):.3f} CPU s."]
    return "\n".join(lines) + "\n"


def _row(name: str, rows: Sequence[Mapping[str, object]]) -> str:
    """Return the row of a contender: the mean of its seeds, and their range if there are several."""
    scores = [row["scores"] for row in rows]
    cells = [name, str(len(rows)) if name != UNSEEN else "", _numbers(rows, "cpu_seconds", 0)]
    cells.append("; ".join(f"{_numbers(rows, unit, 0)} {unit}" for unit in ("examples", "steps") if unit in rows[0]))
    for key, _ in COLUMNS:
        values = [
            (1000 if key == "kid_aisfx" else 1) * float(score[key]) for score in scores if isinstance(score, Mapping)
        ]
        cells.append(_format(values, 3 if key != "kid_aisfx" else 2))
    return f"| {' | '.join(cells)} |"


def _numbers(rows: Sequence[Mapping[str, object]], key: str, digits: int) -> str:
    values = [float(json.dumps(row[key])) for row in rows if row.get(key)]
    return _format(values, digits) if values else ""


def _format(values: Sequence[float], digits: int) -> str:
    mean = f"{sum(values) / len(values):,.{digits}f}"
    spread = f" ({min(values):,.{digits}f} to {max(values):,.{digits}f})"
    return mean if len(values) == 1 else mean + spread
