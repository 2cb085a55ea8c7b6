"""Rows under conditions, and missing cells: what the runs of benchmarks/tables.py do when a part of a row is given.

    python benchmarks/tables_conditions.py FOLDER [--tables insurance diamonds flights] [--seeds 0 1 2]
    python benchmarks/tables_conditions.py FOLDER --draw          # only the page

FOLDER is that of benchmarks/tables.py, whose runs of Zerosum are used.

- *Given values*: for the most frequent value of each column of categories, and for the first two of these together,
  4,000 rows are generated. Each other column is compared with that of the test rows of this value by total variation,
  numbers in ten bins that hold as many training rows each; training rows of this value are compared in the same way.
- *Missing cells*: a fifth of the cells of up to 4,000 test rows are removed at random and filled by `zerosum apply`, by
  the median or the most frequent category of the training rows, and by scikit-learn's IterativeImputer with its
  defaults, fitted to 20,000 training rows with as many holes; it sees a column for each category but the first, and
  fills numbers alone. Dates have no holes: `zerosum apply` gets them as they are, and IterativeImputer as seconds.
  Errors of numbers are root mean squares in standard deviations of the training rows; of categories, the fraction that
  is right.

Results go to benchmarks/tables_conditions.json, the page to benchmarks/tables_conditions.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer
from tables_conditions_page import page
from tables_data import TABLES, Table
from tables_scores import MAX_CATEGORY_VALUES

import zerosum

HERE = Path(__file__).parent
RESULT, PAGE = HERE / "tables_conditions.json", HERE / "tables_conditions.md"
GENERATED, FILLED, FITTED = 4_000, 4_000, 20_000
HOLES, BINS = 0.2, 10
MAX_CATEGORIES = 50
"""A column of more categories is not given, and is not filled by one column for each."""
Record = dict[str, object]


@dataclass(frozen=True)
class Rows:
    """The training and the test rows of a table."""

    table: Table
    train: pd.DataFrame
    """Without columns of dates, as `test`."""
    test: pd.DataFrame
    train_dates: pd.DataFrame
    """The columns of dates as seconds since 1970, as `test_dates`."""
    test_dates: pd.DataFrame

    @classmethod
    def read(cls, table: Table, folder: Path) -> Rows:
        """Read both files."""
        frames = [pd.read_csv(table.path(folder, part)) for part in ("train", "test")]
        others = (frame.drop(columns=list(table.dates)) for frame in frames)
        return cls(table, *others, *(seconds_of_dates(table, frame) for frame in frames))

    @cached_property
    def categories(self) -> list[str]:
        """The columns of at most `MAX_CATEGORIES` categories."""
        others = [name for name in self.train if name not in self.numbers]
        return [name for name in others if self.train[name].nunique() <= MAX_CATEGORIES]

    @cached_property
    def numbers(self) -> list[str]:
        """The columns of numbers."""
        return [name for name, column in self.train.items()
                if column.dtype.kind in "if" and column.nunique() > MAX_CATEGORY_VALUES]  # fmt: skip

    def distance(self, first: pd.DataFrame, second: pd.DataFrame, name: str) -> float:
        """Return the total variation between a column of two tables; a missing cell is a value of its own."""
        if name in self.numbers:
            edges = np.unique(self.train[name].quantile(np.linspace(0, 1, BINS + 1)[1:-1]))
            first, second = (pd.DataFrame({name: np.where(frame[name].isna(), -1, np.searchsorted(
                edges, frame[name], side="right"))}) for frame in (first, second))  # fmt: skip
        shares = [frame[name].value_counts(normalize=True, dropna=False) for frame in (first, second)]
        return float(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)


def seconds_of_dates(table: Table, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of dates of rows as seconds since 1970, NaN where one is missing."""
    dates = {name: pd.to_datetime(frame[name], format=form) for name, form in table.dates.items()}
    seconds = {name: (column - pd.Timestamp(1970, 1, 1)).dt.total_seconds() for name, column in dates.items()}
    return pd.DataFrame(seconds, index=frame.index)


def choose_wishes(rows: Rows) -> list[dict[str, str]]:
    """Return what is given: the most frequent value of each column of categories, and two of them together."""
    frequent = {name: str(as_texts(rows.train[name]).mode()[0]) for name in rows.categories}
    pair = dict(list(frequent.items())[:2])
    return [*({name: value} for name, value in frequent.items()), *([pair] if len(pair) == 2 else [])]


def matching(frame: pd.DataFrame, wish: Mapping[str, str]) -> pd.DataFrame:
    """Return the rows that have the given values."""
    is_match = np.ones(len(frame), bool)
    for name, value in wish.items():
        is_match &= (as_texts(frame[name]) == value).to_numpy()
    return frame[is_match]


def measure_given(rows: Rows, run: Path, seed: int) -> list[Record]:
    """Return how close rows under each wish are to the test rows that fulfil it, and how close training rows are."""
    generator = zerosum.load(run)
    results: list[Record] = []
    for wish in choose_wishes(rows):
        made = generator.sample(GENERATED, seed=seed, given=wish)
        assert isinstance(made, pd.DataFrame), "samples of tables are a DataFrame"
        real, test = matching(rows.train, wish), matching(rows.test, wish)
        others = [name for name in rows.train if name not in wish]
        results.append({
            "given": wish, "obeyed": len(matching(made, wish)) / len(made), "test_rows": len(test),
            "real": float(np.mean([rows.distance(real, test, name) for name in others])),
            "made": float(np.mean([rows.distance(made, test, name) for name in others])),
        })  # fmt: skip
    return results


def as_texts(column: pd.Series) -> pd.Series:
    """Return the categories of a column as texts, whole numbers without a point; missing cells stay missing."""
    texts = column.map(lambda value: f"{value:g}" if isinstance(value, float | int) else str(value))
    return texts.where(column.notna())


def encode(rows: Rows, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of rows, and a column for each category but the first, all missing where the cell is."""
    columns = [frame[rows.numbers]]
    for name in rows.categories:
        texts = as_texts(frame[name])
        values = sorted(as_texts(rows.train[name]).dropna().unique())[1:]
        one_hot = pd.DataFrame({(name, value): (texts == value).astype(float) for value in values})
        one_hot.loc[texts.isna()] = np.nan
        columns.append(one_hot)
    return pd.concat(columns, axis=1)


def fill_iteratively(rows: Rows, test: pd.DataFrame, holes: NDArray[np.bool_]) -> pd.DataFrame:
    """Return the numbers of test rows, whose holes scikit-learn has filled."""
    train = rows.train[test.columns].head(FITTED)
    train_holes = np.random.default_rng(1).random(train.shape) < HOLES
    both = pd.concat([train.mask(train_holes), test.mask(holes)], ignore_index=True)
    dates = pd.concat([rows.train_dates.head(FITTED), rows.test_dates.head(len(test))], ignore_index=True)
    values = pd.concat([encode(rows, both), dates], axis=1)
    mean, deviation = values.mean(), values.std().clip(lower=1e-9)
    scaled = ((values - mean) / deviation).to_numpy()
    filled = IterativeImputer(random_state=0).fit(scaled[: len(train)]).transform(scaled[len(train) :])
    numbers = (filled * deviation.to_numpy() + mean.to_numpy())[:, : len(rows.numbers)]
    return pd.DataFrame(numbers, columns=rows.numbers)


def fill_simply(rows: Rows, test: pd.DataFrame) -> pd.DataFrame:
    """Return medians and most frequent categories in all cells."""
    medians = {name: np.full(len(test), rows.train[name].median()) for name in rows.numbers}
    modes = {name: np.full(len(test), as_texts(rows.train[name]).mode()[0], object) for name in rows.categories}
    return pd.DataFrame(medians | modes)


def score_filled(rows: Rows, test: pd.DataFrame, filled: pd.DataFrame, holes: NDArray[np.bool_]) -> Record:
    """Return the error of numbers and the accuracy of categories, means over the columns; true cells alone count."""
    errors, right = [], []
    for name in (name for name in rows.numbers + rows.categories if name in filled):
        own = holes[:, test.columns.get_loc(name)] & test[name].notna().to_numpy()
        true, found = test[name][own], filled[name][own]
        if name in rows.numbers:
            difference = found.astype(float) - true.astype(float)
            errors.append(float(np.sqrt(np.mean(difference**2)) / rows.train[name].std()))
        else:
            right.append(float((as_texts(true) == as_texts(found)).mean()))
    return {"error": float(np.mean(errors)), "accuracy": float(np.mean(right)) if right else None}


def measure_filling(rows: Rows, run: Path, scratch: Path) -> Record:
    """Return the scores of filled test rows, of ours and of two others."""
    test = rows.test.head(FILLED).reset_index(drop=True)
    holes = np.random.default_rng(0).random(test.shape) < HOLES
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    with_dates = pd.read_csv(rows.table.path(run.parent.parent / "data", "test")).head(FILLED)
    given = with_dates.astype(object)
    given[list(test.columns)] = test.astype(object).mask(holes)
    given.to_csv(scratch / "holes.csv", index=False)
    zerosum.apply(run, scratch / "holes.csv", into=scratch / "filled")
    (path,) = (scratch / "filled").glob("*.csv")
    contenders = {"zerosum": pd.read_csv(path), "median or mode": fill_simply(rows, test),
                  "IterativeImputer": fill_iteratively(rows, test, holes)}  # fmt: skip
    return {name: score_filled(rows, test, filled, holes) for name, filled in contenders.items()}


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=list(TABLES))
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--draw", action="store_true", help="only write the page")
    return parser.parse_args()


def measure(folder: Path, names: Sequence[str], seeds: Sequence[int], results: dict[str, dict[str, Record]]) -> None:
    """Add the results of the runs that there are, and write all after each."""
    for name in names:
        rows = Rows.read(TABLES[name], folder / "data")
        for seed in seeds:
            run = folder / f"{name}-zerosum-{seed}" / "run"
            if not run.exists():
                continue
            result = {
                "given": measure_given(rows, run, seed),
                "filled": measure_filling(rows, run, run.parent / "filled"),
            }
            results.setdefault(name, {})[str(seed)] = result
            RESULT.write_text(json.dumps(results, indent=1) + "\n", "utf8")
            print(name, seed, json.dumps(result), flush=True)


def main() -> None:
    """Measure, and write the results and the page."""
    options = parse_arguments()
    results: dict[str, dict[str, Record]] = json.loads(RESULT.read_text("utf8")) if RESULT.exists() else {}
    if not options.draw:
        measure(options.folder, options.tables, options.seeds, results)
    PAGE.write_text(page(results), "utf8")


if __name__ == "__main__":
    main()
