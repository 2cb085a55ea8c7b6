"""The page of the benchmark of molecules, from its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Record = Mapping[str, object]

PUBLISHED: Mapping[str, Sequence[str]] = {
    "CharRNN": (".975", ".999", ".073", ".520"),
    "VAE": (".977", ".998", ".099", ".567"),
    "LatentGAN": (".897", ".997", ".297", ".828"),
    "JTN-VAE": ("1", "1", ".395", ".938"),
    "AAE": (".937", ".997", ".556", "1.057"),
}
"""MOSES's newest table: valid, unique@10k, FCD on the test set, FCD on the scaffold test set."""


def page(result: Record) -> str:
    """Return the page in Markdown."""
    lines = [
        "# Molecules",
        "",
        "Made by `benchmarks/molecules.py` from `benchmarks/molecules.json`; no figure is typed by hand, but those of"
        " MOSES's own table.",
        "",
        f"Machine: {result.get('machine', '?')}; {result.get('date', '?')}.",
        *_speed(_record(result, "speed")),
        *_charrnn(_record(result, "charrnn")),
        *_scores(_record(result, "scores")),
        *_rebuilding(_list(result, "rebuilding")),
        *_steering(_list(result, "steering")),
        *_optimizing(_record(result, "optimizing")),
    ]
    return "\n".join(lines) + "\n"


def _record(result: Record, name: str) -> Record:
    value = result.get(name)
    return value if isinstance(value, Mapping) else {}


def _list(result: Record, name: str) -> list[Record]:
    value = result.get(name)
    return list(value) if isinstance(value, list) else []


def _table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [titles, ["---"] * len(titles), *rows]
    return ["", *(f"| {' | '.join(map(str, line))} |" for line in lines)]


def _number(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "-"


def _speed(speed: Record) -> list[str]:
    if not speed:
        return []
    return [
        "",
        f"Trained for {_number(speed['seconds'])} s with {speed['threads']} threads, on {speed['examples']:,} examples:"
        f" {_number(speed['autoencoder_examples_per_second'])} molecules a second in the autoencoder's stage, and"
        f" {_number(speed['game_examples_per_second'])} in the game. {_number(speed['samples_per_second'])} samples a"
        " second are drawn.",
    ]


def _charrnn(speed: Record) -> list[str]:
    if not speed:
        return []
    return [
        "",
        "MOSES's CharRNN as a written-out loop with its published settings (`benchmarks/references_charrnn.py`) trains"
        f" on {_number(speed['examples_per_second'])} molecules a second on the same machine, and draws"
        f" {_number(speed['samples_per_second'])} samples a second. Its network is about 8 times as large as ours,"
        " and both were measured once, next to other work.",
    ]


def _scores(scores: Record) -> list[str]:
    """Return the table of scores: first draws, before any is drawn again."""
    lines: list[str] = []
    for name, record in scores.items():
        assert isinstance(record, Mapping)
        rows = [
            (key, *(_number(score[field]) for field in ("value", "floor", "baseline")))
            for key, score in record["scores"].items()
        ]
        titles = ("score", "samples", "real against real", str(record["baseline"]))
        lines += ["", f"## MOSES's {name} set", *_table(titles, rows), "", f"Protocol: {record['protocol']}."]
    published = [(name, *figures) for name, figures in PUBLISHED.items()]
    columns = ("MOSES's table", "valid", "unique@10k", "FCD/Test", "FCD/TestSF")
    return [*lines, *_table(columns, published)] if lines else []


def _rebuilding(rows: Sequence[Record]) -> list[str]:
    if not rows:
        return []
    fields = ("noise", "temperature", "exact", "valid")
    text = "Molecules of the test set, encoded, with noise on their codes, and decoded."
    return [
        "",
        "## Codes of real molecules",
        "",
        text,
        *_table(fields, [[_number(row[f]) for f in fields] for row in rows]),
    ]


def _steering(rows: Sequence[Record]) -> list[str]:
    if not rows:
        return []
    fields = ("property", "asked", "mean", "deviation", "error", "valid", "unique")
    titles = (*fields[:4], "mean absolute error", *fields[5:])
    cells = [[row["property"], *(_number(row[field]) for field in fields[1:])] for row in rows]
    return ["", "## Asked for a property", *_table(titles, cells)]


def _optimizing(record: Record) -> list[str]:
    if not record:
        return []
    return [
        "",
        "## Optimized",
        "",
        f"`zerosum optimize`, QED with SA of at most 3: {record['count']} molecules in {_number(record['seconds'])} s,"
        f" QED of {_number(record['least_qed'])} and more (mean {_number(record['mean_qed'])}), SA of at most"
        f" {_number(record['largest_sa'])}, {record['novel']} of them new, internal diversity"
        f" {_number(record['diversity'])}.",
    ]
