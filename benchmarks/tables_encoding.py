"""Zerosum's game on CTGAN's encoding of numbers, an ablation of benchmarks/tables.py.

    python benchmarks/tables_encoding.py TABLE DATA FOLDER --seconds 300 --rows 17874 --seed 0

Numbers of more than 20 values are encoded as Xu et al. 2019, arXiv:1907.00503, section 4.2, describe: a mixture of at
most ten normal distributions is fitted to the column, and a cell becomes the mode that it is drawn to belong to and its
distance from the mode's mean in units of four standard deviations, clipped to [-1, 1]. Missing is a mode of its own,
and dates count in seconds. All else, networks, loss and training, is the recipe `table`: it is trained on a table that
has two columns for each such column, a category and a number, and numbers are left as they are. Samples are decoded,
rounded to the column's decimals and limited to its range. Writes FOLDER/samples.csv and FOLDER/cost.json.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import BayesianGaussianMixture
from tables_data import TABLES, Table
from tables_scores import Scorer, column_types

import zerosum
from zerosum.data.tables import load
from zerosum.data.tables.encoder import SCORE_SCALE, ColumnEncoder

Cells = NDArray[np.float64]
MAX_MODES, MAX_FITTED_ROWS = 10, 20_000
STEPS = {"numerical": [10.0**-n for n in range(10)], "datetime": [86_400.0, 3_600.0, 60.0, 1.0]}
MODE, VALUE = "_mode", "_value"
PREFIX = "="
"""Before each category, so that none is taken for a number."""


@dataclass(frozen=True)
class Modes:
    """The modes of a column of numbers."""

    means: Cells
    deviations: Cells
    """(K,) of the modes."""
    weights: Cells
    step: float
    """What all cells are multiples of: a power of ten, or of dates a day, an hour or a minute."""
    low: float
    high: float

    @classmethod
    def fit(cls, cells: Cells, steps: Sequence[float]) -> Modes:
        """Fit to cells (N,), NaN where missing; the step is the first that fits, else the last."""
        known = cells[~np.isnan(cells)]
        few = np.random.default_rng(0).choice(known, min(len(known), MAX_FITTED_ROWS), replace=False)
        center, scale = few.mean(), few.std()
        mixture = BayesianGaussianMixture(
            n_components=MAX_MODES, weight_concentration_prior_type="dirichlet_process", max_iter=300, random_state=0
        )
        mixture.fit((few[:, None] - center) / scale)
        step = next((step for step in steps if np.allclose(few / step, (few / step).round(), rtol=0)), steps[-1])
        means, deviations = mixture.means_[:, 0] * scale + center, np.sqrt(mixture.covariances_[:, 0, 0]) * scale
        return cls(means, deviations, mixture.weights_, step, float(known.min()), float(known.max()))

    def encode(self, cells: Cells, rng: np.random.Generator) -> tuple[NDArray[np.int64], Cells]:
        """Return the mode (N,) of each cell, K of a missing one, and its value (N,) in that mode."""
        distances = (cells[:, None] - self.means) / self.deviations
        logits = np.nan_to_num(np.log(self.weights / self.deviations) - distances**2 / 2)
        noisy = logits + rng.gumbel(size=logits.shape)  # its maximum is a draw of the mode
        modes = np.where(np.isnan(cells), len(self.means), noisy.argmax(1))
        chosen = np.take_along_axis(distances, np.minimum(modes, len(self.means) - 1)[:, None], 1)[:, 0]
        return modes, np.nan_to_num(chosen / 4).clip(-1, 1)

    def decode(self, modes: NDArray[np.int64], values: Cells) -> Cells:
        """Return the cells (N,) of modes and values."""
        known = np.minimum(modes, len(self.means) - 1)
        cells = self.means[known] + 4 * self.deviations[known] * values.clip(-1, 1)
        rounded = ((cells / self.step).round() * self.step).round(9).clip(self.low, self.high)
        return np.where(modes == len(self.means), np.nan, rounded)


class PlainNumbers(ColumnEncoder):
    """The encoder of a column whose numbers, in [-1, 1], are left as they are."""

    @classmethod
    def fit(cls, cells: Cells, is_numeric: bool) -> ColumnEncoder:  # type: ignore[override]
        """Return the encoder of numbers that maps each to itself; any other column as usual."""
        if not is_numeric:
            return ColumnEncoder.fit(cells, is_numeric)
        grid, none = np.linspace(-1, 1, 4_001), np.zeros(0)
        return ColumnEncoder(none, none, none, grid, torch.special.ndtr(torch.from_numpy(grid * SCORE_SCALE)).numpy())


def fit_modes(rows: pd.DataFrame, table: Table) -> dict[str, Modes]:
    """Return the modes of the columns of numbers and dates."""
    types = column_types(rows, table)
    numbers = {name: kind for name, kind in types.items() if kind != "categorical"}
    return {name: Modes.fit(rows[name].to_numpy(), STEPS[kind]) for name, kind in numbers.items()}


def encode_rows(rows: pd.DataFrame, modes: dict[str, Modes], rng: np.random.Generator) -> pd.DataFrame:
    """Return rows with a category and a number in place of each column that has modes."""
    columns: dict[str, object] = {}
    for name in rows:
        if name in modes:
            codes, values = modes[name].encode(rows[name].to_numpy(), rng)
            columns[name + MODE], columns[name + VALUE] = [f"{PREFIX}{code}" for code in codes], values.round(6)
        else:
            columns[name] = [PREFIX + cell for cell in rows[name].astype(str)]
    return pd.DataFrame(columns)


def decode_rows(encoded: pd.DataFrame, names: list[str], modes: dict[str, Modes], table: Table) -> pd.DataFrame:
    """Return rows with their own columns again."""
    columns: dict[str, object] = {}
    for name in names:
        if name in modes:
            codes = encoded[name + MODE].str.removeprefix(PREFIX).astype(int).to_numpy()
            cells = modes[name].decode(codes, encoded[name + VALUE].astype(float).to_numpy())
            is_date = name in table.dates
            columns[name] = pd.to_datetime(cells, unit="s").strftime(table.dates[name]) if is_date else cells
        else:
            columns[name] = encoded[name].str.removeprefix(PREFIX)
    return pd.DataFrame(columns)


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--examples", type=int, default=0, help="train on so many, instead of for the seconds")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def main() -> None:
    """Encode, train, sample and decode."""
    options = parse_arguments()
    warnings.filterwarnings("ignore", category=ConvergenceWarning)  # a mixture that is not done is good enough
    table, source, run = TABLES[options.table], options.folder / "encoded.csv", options.folder / "run"
    rows = Scorer.training_rows(table, table.path(options.data, "train"))
    start = time.process_time()
    modes = fit_modes(rows, table)
    encode_rows(rows, modes, np.random.default_rng(options.seed)).to_csv(source, index=False)
    with patch.object(load, "ColumnEncoder", PlainNumbers):
        work = {"examples": options.examples} if options.examples else {"budget": options.seconds}
        zerosum.train(source, run=run, seed=options.seed, **work)
    seconds = time.process_time() - start
    examples = json.loads((run / "status.json").read_text("utf8"))["examples"]
    samples = zerosum.load(run).sample(options.rows)
    decode_rows(samples, list(rows), modes, table).to_csv(options.folder / "samples.csv", index=False)
    (options.folder / "encoded.json").write_text(
        json.dumps({"cpu_seconds": seconds, "examples": examples}) + "\n", "utf8"
    )


if __name__ == "__main__":
    main()
