"""Scores that sdmetrics has, too, equal its values.

sdmetrics_scores.json holds what sdmetrics 0.32.0 (with pandas 2.3.3) returned for `make_rows(21, 300, 0)` as the real
table and `make_rows(22, 400, 1)` as the synthetic one: "when" as dates but, for ContingencySimilarity, as seconds,
"city" as texts, "flag" as booleans, and numbers of ContingencySimilarity as `continuous_column_names`. "of invented
categories" are those of `invent(SYNTHETIC)`, with "city" and "flag" as the texts that `write_rows` writes. It is no
dependency, since it needs another version of pandas.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from zerosum.data.kind import DATA_KINDS, LoadOptions
from zerosum.data.tables.config import TableDataConfig
from zerosum.evaluation.kinds.tables import column_facts
from zerosum.evaluation.metrics.tables.columns import ColumnFacts
from zerosum.evaluation.metrics.tables.pairs import correlation_differences, pair_similarities
from zerosum.evaluation.metrics.tables.shape import category_coverage, column_similarities, missing_similarities

COLUMNS = (
    ColumnFacts("amount"), ColumnFacts("count"), ColumnFacts("when"), ColumnFacts("city", 8), ColumnFacts("flag", 2),
)  # fmt: skip
NAMES = [column.name for column in COLUMNS]
SCORES = json.loads(Path(__file__).with_name("sdmetrics_scores.json").read_text("utf8"))


def make_rows(seed: int, count: int, shift: int) -> NDArray[np.float64]:
    """Rows of two numbers, a date, a category and a flag that depend on each other, with missing cells."""
    u = np.random.default_rng(seed).random((count, 7))
    amount = -np.log(u[:, 0]) * (20 + 5 * shift)
    number = np.floor(amount / 7 + 6 * u[:, 1])
    when = 1.6e9 + np.floor(1e7 * (u[:, 2] + 0.1 * shift + amount / 300))
    city = np.floor((8 - shift) * u[:, 3] ** (1.5 - 0.5 * shift) * (0.5 + 0.5 * (u[:, 0] < 0.5)))
    flag = (u[:, 4] < 0.3 + 0.05 * city).astype(float)
    amount[u[:, 5] < 0.05 + 0.05 * shift] = np.nan
    city[u[:, 6] < 0.1] = np.nan
    return np.stack([amount, number, when, city, flag], 1)


REAL, SYNTHETIC = make_rows(21, 300, 0), make_rows(22, 400, 1)


def invent(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows with cities and a flag that real ones do not have."""
    amount, number, when, city, flag = rows.T
    return np.stack([amount, number, when, city + 5, np.where(np.arange(len(rows)) % 5 == 0, 2, flag)], 1)


def write_rows(path: Path, rows: NDArray[np.float64]) -> TableDataConfig:
    """Write rows without dates, with categories as texts."""
    names = [NAMES[index] for index in FILE_COLUMNS]
    lines = [
        ",".join([
            "" if np.isnan(amount) else repr(float(amount)), f"{number:.0f}",
            "" if np.isnan(city) else f"c{city:.0f}", ("no", "yes", "maybe")[int(flag)],
        ])
        for amount, number, _, city, flag in rows
    ]  # fmt: skip
    path.write_text("\n".join([",".join(names), *lines]) + "\n", "utf8")
    return TableDataConfig(source=str(path))


FILE_COLUMNS = (0, 1, 3, 4)


def test_single_columns() -> None:
    own = {
        "KSComplement": column_similarities(REAL, SYNTHETIC, COLUMNS),
        "TVComplement": column_similarities(REAL, SYNTHETIC, COLUMNS),
        "CategoryCoverage": category_coverage(REAL, SYNTHETIC, COLUMNS),
        "MissingValueSimilarity": missing_similarities(REAL, SYNTHETIC),
    }
    for metric, values in own.items():
        for name, expected in SCORES[metric].items():
            assert values[NAMES.index(name)] == pytest.approx(expected, abs=1e-6), f"{metric} of {name}"


@pytest.mark.parametrize("metric", ["CorrelationSimilarity", "CorrelationSimilarity Spearman", "ContingencySimilarity"])
def test_pairs_of_columns(metric: str) -> None:
    """Of Spearman's correlation we score the difference itself, of which sdmetrics takes half from 1."""
    for names, expected in SCORES[metric].items():
        first, second = (NAMES.index(name) for name in names.split(","))
        if metric.endswith("Spearman"):
            (own,) = 1 - correlation_differences(REAL, SYNTHETIC, COLUMNS, [(first, second)]) / 2
        else:
            (own,) = pair_similarities(REAL, SYNTHETIC, COLUMNS, [(first, second)])
        assert own == pytest.approx(expected, abs=1e-6), names


def test_categories_that_only_one_file_has(tmp_path: Path) -> None:
    options = LoadOptions(held_out_fraction=0.0, for_evaluation=True)
    kind = DATA_KINDS.find("tables")
    first = kind.load(write_rows(tmp_path / "real.csv", REAL), options)
    second = kind.load_comparable(write_rows(tmp_path / "fake.csv", invent(SYNTHETIC)), first, options)
    datasets = kind.align({"real": first, "fake": second}).values()
    sides = [np.asarray(dataset.items(np.arange(len(dataset))), np.float64) for dataset in datasets]
    facts = column_facts(second)
    names = [column.name for column in facts]
    assert names == [NAMES[index] for index in FILE_COLUMNS]
    for metric, values in (("TVComplement", column_similarities(*sides, facts)),
                           ("CategoryCoverage", category_coverage(*sides, facts))):  # fmt: skip
        for name, expected in SCORES[f"{metric} of invented categories"].items():
            assert values[names.index(name)] == pytest.approx(expected, abs=1e-6), f"{metric} of {name}"
    for pair, expected in SCORES["ContingencySimilarity of invented categories"].items():
        first_name, second_name = pair.split(",")
        (own,) = pair_similarities(*sides, facts, [(names.index(first_name), names.index(second_name))])
        assert own == pytest.approx(expected, abs=1e-6), pair


def test_there_are_values_to_compare_with() -> None:
    assert {metric: len(values) for metric, values in SCORES.items()} == {
        "KSComplement": 3, "TVComplement": 2, "CategoryCoverage": 2, "MissingValueSimilarity": 2,
        "CorrelationSimilarity": 3, "CorrelationSimilarity Spearman": 3, "ContingencySimilarity": 7,
        "TVComplement of invented categories": 2, "CategoryCoverage of invented categories": 2,
        "ContingencySimilarity of invented categories": 3,
    }  # fmt: skip
