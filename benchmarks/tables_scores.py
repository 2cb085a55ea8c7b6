"""The scores of benchmarks/tables.py: synthetic rows of any origin against the training and test rows of a table.

- *TSTR*: gradient boosting trained on synthetic rows, tested on the test rows: area under the ROC curve, or R2 and mean
  absolute error. TRTR is the same trained on the training rows.
- *Shape* of a column: 1 minus the Kolmogorov-Smirnov distance of numbers, 1 minus the total variation of categories,
  between synthetic and test rows; a missing cell is the smallest number, and a category.
- *Correlation difference*: mean absolute difference of Spearman's correlations over all pairs of columns; categories
  count by their alphabetical number.
- *C2ST*: area under the ROC curve of gradient boosting that tells synthetic from test rows, in three folds; 0.5 is
  best.
- *DCR*: distance to the closest training row, in standard deviations; a different category is at sqrt(2). Its median,
  and that of the test rows.
- *Nearest-training share*: how many synthetic rows are closer to a training row than to a test row, among as many of
  both; ties count half. 0.5 if nothing is memorized.
- *Exact copies*: fraction of the rows that equal a training row, and that of the test rows.

Shape, correlation and TSTR use all rows; the others at most 4,000 of each kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import ks_2samp
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.neighbors import NearestNeighbors
from tables_data import Table

MAX_ROWS = 4_000
C2ST_ITERATIONS, C2ST_FOLDS = 60, 3
MISSING = "(missing)"
MAX_CATEGORY_VALUES = 20
"""Numbers of at most so many values are categories for the peers."""
Scores = dict[str, float | str]


def read_rows(path: Path, table: Table) -> pd.DataFrame:
    """Read a CSV file: dates as seconds (missing as NaN), all else as texts ("" is missing)."""
    rows = pd.read_csv(path, dtype=str, keep_default_na=False)
    dates = {}
    for name, pattern in table.dates.items():
        date = pd.to_datetime(rows[name].where(rows[name] != ""), format=pattern)
        dates[name] = (date - pd.Timestamp(0)).dt.total_seconds()
    return rows.assign(**dates)


def is_numeric(column: pd.Series) -> bool:
    """Return whether all cells of a column that are not missing are numbers."""
    present = column[column != ""]
    return bool(pd.to_numeric(present, errors="coerce").notna().all())


def column_types(rows: pd.DataFrame, table: Table) -> dict[str, str]:
    """Return what the peers are told of each column of training rows: categorical, numerical or datetime."""
    types = {}
    for name, column in rows.items():
        is_number = column.dtype.kind == "f" and column.nunique() > MAX_CATEGORY_VALUES
        types[str(name)] = "datetime" if name in table.dates else "numerical" if is_number else "categorical"
    return types


@dataclass(frozen=True)
class Rows:
    """Rows of a table in the forms that the scores need; every table of a comparison shares the categories."""

    cells: pd.DataFrame
    """Numbers as floats; categories as texts, `MISSING` where there is none."""
    categories: dict[str, list[str]]
    """All categories of each column of categories, in alphabetical order."""

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def codes(self) -> pd.DataFrame:
        """All columns as floats: a category as its number among the sorted ones."""
        frame = self.cells.copy()
        for name, values in self.categories.items():
            frame[name] = frame[name].map({value: code for code, value in enumerate(values)}).astype(float)
        return frame

    def take(self, indices: NDArray[np.int64]) -> Rows:
        """Return the rows at these indices."""
        return Rows(self.cells.iloc[indices].reset_index(drop=True), self.categories)

    def vectors(self, mean: pd.Series, deviation: pd.Series) -> NDArray[np.float64]:
        """Return the rows for distances (N, D): standardized numbers, missing as the mean with a one of its own."""
        parts = []
        for name in self.cells:
            if name in self.categories:
                values = np.asarray(self.categories[name])
                parts.append((self.cells[name].to_numpy()[:, None] == values).astype(float))
            else:
                number = (self.cells[name].to_numpy() - mean[name]) / deviation[name]
                parts += [np.nan_to_num(number)[:, None], np.isnan(number)[:, None].astype(float)]
        return np.concatenate(parts, 1)


def shared_categories(*frames: pd.DataFrame) -> list[Rows]:
    """Return rows of the same columns with the categories of all of them."""
    names = [name for name in frames[0] if frames[0][name].dtype.kind != "f"]
    filled = [frame.assign(**{name: frame[name].replace("", MISSING) for name in names}) for frame in frames]
    categories = {name: sorted(set().union(*(frame[name] for frame in filled))) for name in names}
    return [Rows(frame, categories) for frame in filled]


class Scorer:
    """The scores of synthetic rows against the training and test rows of a table in a folder."""

    def __init__(self, table: Table, folder: Path) -> None:
        self.table = table
        self.train = self.training_rows(table, table.path(folder, "train"))
        self.test = self._read(table.path(folder, "test"))

    @property
    def num_train(self) -> int:
        """The number of training rows."""
        return len(self.train)

    @staticmethod
    def training_rows(table: Table, path: Path) -> pd.DataFrame:
        """Return training rows; a column is one of numbers if all its cells that are not missing are."""
        rows = read_rows(path, table)
        return rows.assign(**{name: pd.to_numeric(rows[name]).astype(float) for name in rows if is_numeric(rows[name])})

    def _read(self, path: Path) -> pd.DataFrame:
        """Return the rows of a file with the columns of the training rows, numbers where those are numbers."""
        rows = read_rows(path, self.table)[list(self.train)]
        numbers = [name for name in rows if self.train[name].dtype.kind == "f"]
        return rows.assign(**{name: pd.to_numeric(rows[name]).astype(float) for name in numbers})

    def score(self, path: Path) -> Scores:
        """Return all scores of the rows of a CSV file."""
        train, test, synthetic = shared_categories(self.train, self.test, self._read(path))
        return {
            **self._utility(train, test, "trtr"), **self._utility(synthetic, test, "tstr"),
            **_shape(synthetic, test), **_pairs(synthetic, test), **_privacy(synthetic, train, test),
            "c2st": _c2st(synthetic, test), "rows": float(len(synthetic)),
        }  # fmt: skip

    def _utility(self, fitted: Rows, test: Rows, prefix: str) -> Scores:
        """Return the test scores of gradient boosting trained on `fitted`; rows without a target are left out."""
        (x, y), (test_x, test_y) = ((_split(rows.codes, self.table.target)) for rows in (fitted, test))
        if self.table.is_class:
            if len(set(y)) < 2:  # one class alone predicts nothing
                return {f"{prefix}_auc": 0.5}
            model = HistGradientBoostingClassifier(random_state=0).fit(x, y)
            return {f"{prefix}_auc": float(roc_auc_score(test_y, model.predict_proba(test_x)[:, 1]))}
        if self.table.log_target:
            y, test_y = np.log(y.clip(1)), np.log(test_y.clip(1))
        predicted = HistGradientBoostingRegressor(random_state=0).fit(x, y).predict(test_x)
        r2 = float(r2_score(test_y, predicted))
        if self.table.log_target:
            test_y, predicted = np.exp(test_y), np.exp(predicted)
        return {f"{prefix}_r2": r2, f"{prefix}_mae": float(mean_absolute_error(test_y, predicted))}


def _split(codes: pd.DataFrame, target: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    known = codes[codes[target].notna()]
    return known.drop(columns=target).to_numpy(), known[target].to_numpy()


def _shape(synthetic: Rows, test: Rows) -> Scores:
    shapes = {}
    for name in test.cells:
        real, fake = test.cells[name], synthetic.cells[name]
        if name in test.categories:
            difference = real.value_counts(normalize=True).sub(fake.value_counts(normalize=True), fill_value=0)
            shapes[name] = 1 - 0.5 * float(difference.abs().sum())
        else:
            shapes[name] = 1 - float(ks_2samp(real.fillna(-np.inf), fake.fillna(-np.inf)).statistic)
    worst = min(shapes, key=lambda name: shapes[name])
    return {"shape": float(np.mean(list(shapes.values()))), "worst_shape": shapes[worst], "worst_column": worst}


def _pairs(synthetic: Rows, test: Rows) -> Scores:
    upper = np.triu_indices(test.codes.shape[1], 1)
    real, fake = (np.nan_to_num(rows.codes.corr("spearman").to_numpy()[upper]) for rows in (test, synthetic))
    return {"correlation_difference": float(np.abs(real - fake).mean())}


def _selected(rows: Rows, count: int, seed: int) -> Rows:
    """Return `count` different rows, the same ones for a seed and a number of rows."""
    return rows.take(np.random.default_rng(seed).choice(len(rows), count, replace=False))


def _c2st(synthetic: Rows, test: Rows) -> float:
    count = min(len(synthetic), len(test), MAX_ROWS)
    codes = pd.concat([_selected(rows, count, seed=0).codes for rows in (test, synthetic)]).to_numpy()
    labels = np.repeat([0, 1], count)
    model = HistGradientBoostingClassifier(random_state=0, max_iter=C2ST_ITERATIONS)
    scores = cross_val_predict(model, codes, labels, cv=C2ST_FOLDS, method="predict_proba")
    return float(roc_auc_score(labels, scores[:, 1]))


def _privacy(synthetic: Rows, train: Rows, test: Rows) -> Scores:
    count = min(len(synthetic), len(test), MAX_ROWS)
    mean, deviation = train.codes.mean(), train.codes.std().replace(0, 1)
    real = train.vectors(mean, deviation)
    fakes, held_out, few = (
        _selected(rows, count, seed).vectors(mean, deviation) for seed, rows in enumerate((synthetic, test, train), 1)
    )
    to_train, to_test = _nearest(few, fakes), _nearest(held_out, fakes)
    known = {row.tobytes() for row in real}
    return {
        "dcr": float(np.median(_nearest(real, fakes))),
        "holdout_dcr": float(np.median(_nearest(real, held_out))),
        "nearest_training_share": float(np.where(to_train == to_test, 0.5, to_train < to_test).mean()),
        "copies": float(np.mean([row.tobytes() in known for row in fakes])),
        "holdout_copies": float(np.mean([row.tobytes() in known for row in held_out])),
    }


def _nearest(points: NDArray[np.float64], queries: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distance of each query (N, D) to the nearest of the points (M, D)."""
    distances: NDArray[np.float64] = NearestNeighbors(n_neighbors=1).fit(points).kneighbors(queries)[0][:, 0]
    return distances
