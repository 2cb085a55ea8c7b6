"""Cells with a value that the codec of a table does not know, such as a text that only held-out rows have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.tables.block_names import name_block
from zerosum.data.tables.codec import TableCodec
from zerosum.data.tables.constraint_base import find_members
from zerosum.data.tables.formats import Rows
from zerosum.data.tables.layout import TableLayout
from zerosum.data.tables.text_table import TextColumn
from zerosum.data.text import format_counts, pluralize, printable
from zerosum.game import seeded_rng


@dataclass(frozen=True)
class Origin:
    """Where the columns of a table are known from, for messages about what is not."""

    of_column: str
    of_value: str

    @classmethod
    def of_file(cls, name: str) -> Self:
        """Return the origin of columns that a file has, to which no run belongs."""
        return cls(f"which {name} has", f"of another form than those of {name}")


OF_RUN = Origin("which the run was trained on", "that the run does not know")


def add_unknown_category(codec: TableCodec) -> TableCodec:
    """Return a codec of which every column of categories has one more, for all values that none of its rows has.

    So a value that only other rows have is none of the known ones, where these are compared with the codec's.
    """
    pairs = zip(codec.columns, codec.encoders, strict=True)
    encoders = (
        encoder
        if column.is_numeric or len(encoder.rare)
        else replace(encoder, rare=np.array([float(len(column.values))]), rare_counts=np.ones(1))
        for column, encoder in pairs
    )
    return replace(codec, encoders=tuple(encoders))


def find_unknown(layout: TableLayout, columns: Mapping[str, TextColumn], cells: Rows) -> NDArray[np.bool_]:
    """Return which cells (N, C) are not missing, and yet none that the layout knows.

    Args:
        layout: the columns.
        columns: the texts of the table.
        cells: (N, C) the cells that they mean, NaN where they mean none.
    """
    unknown = np.isnan(cells)
    for index, column in enumerate(layout.columns):
        if unknown[:, index].any():
            own = columns[column.name]
            unknown[:, index] &= ~column.format.find_missing(own.values)[own.codes]
    return unknown


def _draw(values: NDArray[np.float64], seed: Tensor) -> NDArray[np.float64]:
    """Return one of some values for each seed (n,)."""
    draws = seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.RARE_VALUE)[:, 0].double().numpy()
    drawn: NDArray[np.float64] = values[(draws * len(values)).astype(np.int64)]
    return drawn


@dataclass(frozen=True)
class RareValues:
    """Gives unseen rows rare values that are known in place of texts that no training row has.

    The generator cannot know such texts. As missing cells they would tell held-out rows from training rows and from
    samples, and every score of the evaluation would be one of them.
    """

    codec: TableCodec
    train: NDArray[np.int64]
    """(T,) the rows of whose known values those with the fewest rows are taken: the training rows."""
    unseen: NDArray[np.int64]
    """(H,) the held-out rows; of other data than the run's all, which are `train`, too."""

    def __call__(self, cells: Rows, unknown: NDArray[np.bool_], seed: Tensor) -> tuple[Rows, dict[str, int]]:
        """Return rows with cells that are known, and the number of such cells by column, or columns of a combination.

        Args:
            cells: (N, C) all rows.
            unknown: (N, C) which cells have a value that is not known.
            seed: (N,) int64 of the rows, by which a value is drawn.
        """
        derived, counts = self.codec.derive(cells), dict[str, int]()
        for index in range(len(self.codec.columns)):
            columns = self._columns(index)
            lost = np.asarray(unknown[:, columns].any(1))
            if len(columns) > 1:  # values that are known, but not together
                lost |= np.isnan(derived[:, index])
            rows = self.unseen[lost[self.unseen]]
            values = self._rarest(derived[self.train, index])
            if len(rows) and len(values):
                derived[rows, index] = _draw(values, seeded_rng.fork_seed(seed[rows], index))
                restored = self.codec.restore_rows(derived[rows])
                for column in columns:
                    cells[rows, column], unknown[rows, column] = restored[:, column], False
                counts[name_block(self.codec.columns, self.codec.constraints, index)] = len(rows)
        return cells, counts

    def _columns(self, index: int) -> list[int]:
        """Return the columns of texts that a derived column stands for; [] for numbers and dates."""
        members = find_members(self.codec.constraints, index)
        return [] if members == (index,) and self.codec.columns[index].is_numeric else list(members)

    def _rarest(self, cells: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values of cells (T,) that the fewest of them have."""
        values, counts = np.unique(cells[~np.isnan(cells)], return_counts=True)
        return values[counts == counts.min()] if len(values) else values


def describe_unknown(
    layout: TableLayout, unknown: NDArray[np.bool_], replaced: Mapping[str, int], origin: Origin
) -> list[str]:
    """Return sentences about values that are not known.

    Args:
        layout: the columns.
        unknown: (N, C) which cells are taken as missing.
        replaced: the number of held-out cells with a value in place of theirs, by column.
        origin: where the columns are known from.
    """
    notes = []
    if replaced:
        notes.append("texts that no training row has are not learned; rare ones that are known stand for them in the "
                     f"evaluation: {format_counts(replaced)}")  # fmt: skip
    for column, count in zip(layout.columns, unknown.sum(0).tolist(), strict=True):
        if count:
            notes.append(f"column {printable(column.name)}: {pluralize(count, 'cell')} with a value {origin.of_value}, "
                         "taken as missing")  # fmt: skip
    return notes
