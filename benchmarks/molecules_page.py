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


AT_LEAST: Mapping[str, float] = {
    "valid": 0.95, "unique_10k": 0.99, "novel": 0.80, "filters": 0.97, "scaffolds": 0.80,
}  # fmt: skip
"""What the scores of the test set are to reach."""
MAX_FCD, MAX_SA_DIFFERENCE, DIVERSITY, MAX_BASELINE_SHARE = 0.8, 0.15, (0.84, 0.86), 0.5
"""The largest FCD, and the largest share of the baseline's in what it is above that of real molecules; and others."""
MIN_EXACT, MIN_NOISY_VALID = 0.85, 0.97
MAX_LOGP_DIFFERENCE, MAX_LOGP_ERROR = 0.2, 0.6
MIN_QED, MIN_QED_VALID, MIN_QED_UNIQUE = 0.88, 0.90, 0.98
OPTIMIZED, MIN_OPTIMIZED_QED, MAX_SA, MIN_DIVERSITY, MAX_SECONDS = 100, 0.9, 3.0, 0.80, 300.0


def page(result: Record) -> str:
    """Return the page in Markdown."""
    lines = [
        "# Molecules",
        "",
        "Made by `benchmarks/molecules.py` from `benchmarks/molecules.json`; no figure is typed by hand, but those of"
        " MOSES's own table.",
        "",
        f"Machine: {result.get('machine', '?')}; {result.get('date', '?')}.",
        *_targets(result),
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


def _targets(result: Record) -> list[str]:
    """Return the table of what is to be reached, of what was measured."""
    rows = [*_score_targets(_record(_record(_record(result, "scores"), "test"), "scores"))]
    for row in _list(result, "rebuilding"):
        if not row["temperature"]:
            name, bound = ("exact", MIN_EXACT) if not row["noise"] else ("valid", MIN_NOISY_VALID)
            rows.append(_at_least(f"{name}, from codes of real molecules, noise {row['noise']:g}", row[name], bound))
    for row in _list(result, "steering"):
        rows += _steering_targets(row)
    found = _record(result, "optimizing")
    if found:
        rows += [
            _at_least("optimized: new molecules", found["novel"], OPTIMIZED),
            _at_least("optimized: QED", found["least_qed"], MIN_OPTIMIZED_QED),
            _at_most("optimized: SA", found["largest_sa"], MAX_SA),
            _at_least("optimized: diversity", found["diversity"], MIN_DIVERSITY),
            _at_most("optimized: seconds", found["seconds"], MAX_SECONDS),
        ]
    return _table(("score", "target", "measured", "reached"), rows) if rows else []


def _score_targets(scores: Record) -> list[tuple[str, ...]]:
    """Return the rows of the scores of samples against the test set."""
    if not scores:
        return []
    rows = [_at_least(name, scores[name]["value"], bound) for name, bound in AT_LEAST.items()]
    fcd = {field: float(scores["fcd"][field]) for field in ("value", "floor", "baseline")}
    excess = (fcd["value"] - fcd["floor"]) / (fcd["baseline"] - fcd["floor"])
    diversity = scores["intdiv"]["value"]
    reached = "yes" if DIVERSITY[0] <= diversity <= DIVERSITY[1] else "no"
    return [
        *rows, _at_most("fcd", fcd["value"], MAX_FCD),
        _at_most("SA, Wasserstein distance", scores["sa_w1"]["value"], MAX_SA_DIFFERENCE),
        ("intdiv", f"{DIVERSITY[0]:g} to {DIVERSITY[1]:g}", _number(diversity), reached),
        _at_most("fcd above real molecules, by that of Gaussian codes", excess, MAX_BASELINE_SHARE),
    ]  # fmt: skip


def _steering_targets(row: Record) -> list[tuple[str, ...]]:
    """Return the rows of samples that were asked for a property."""
    asked, mean = float(str(row["asked"])), float(str(row["mean"]))
    name = f"{row['property']} {asked:g} asked"
    if row["property"] == "logp":
        return [_at_most(f"{name}: difference of the mean", abs(mean - asked), MAX_LOGP_DIFFERENCE),
                _at_most(f"{name}: mean absolute error", row["error"], MAX_LOGP_ERROR)]  # fmt: skip
    return [_at_least(f"{name}: mean", mean, MIN_QED), _at_least(f"{name}: valid", row["valid"], MIN_QED_VALID),
            _at_least(f"{name}: unique", row["unique"], MIN_QED_UNIQUE)]  # fmt: skip


def _at_least(name: str, value: object, bound: float) -> tuple[str, ...]:
    return name, f"at least {bound:g}", _number(value), "yes" if float(str(value)) >= bound else "no"


def _at_most(name: str, value: object, bound: float) -> tuple[str, ...]:
    return name, f"at most {bound:g}", _number(value), "yes" if float(str(value)) <= bound else "no"


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
        f"Trained for {_number(speed['seconds'])} s on {speed['examples']:,} examples:"
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
