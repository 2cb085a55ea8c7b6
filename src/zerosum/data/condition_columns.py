"""Columns of a table as numeric conditions: numbers are standardized, and each text is a number of its own, 0 or 1."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from zerosum.data.text import natural_sort_key, pluralize, printable
from zerosum.errors import BadInput
from zerosum.game.sample_spec import TensorSpec

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.run_folder import Json

MAX_TEXTS = 1_000
"""Largest number of different texts of a column."""
MAX_NUMBER = 1e30
"""Largest number of a cell; squares of larger ones overflow in float32."""
MAX_KEPT_ROWS = 65_536
"""Number of training rows that are kept, from which conditions are drawn."""


class ConditionColumn(ABC):
    """A column of the table, as numbers that a network takes."""

    name: str
    """The column, as the user named it."""

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers a cell becomes."""

    @property
    @abstractmethod
    def entries(self) -> tuple[str, ...]:
        """The names of these numbers."""

    @abstractmethod
    def accepts(self, cell: str) -> bool:
        """Return whether a cell can be one of this column."""

    @abstractmethod
    def encode(self, cells: Sequence[str]) -> NDArray[np.float32]:
        """Return the numbers (N, width) of cells.

        Raises:
            BadInput: if a cell cannot be one of this column.
        """

    @abstractmethod
    def describe(self) -> str:
        """Return the column and its values in words."""

    @abstractmethod
    def settings(self) -> Mapping[str, Json]:
        """Return what `restore_column` needs."""


@dataclass(frozen=True)
class NumberColumn(ConditionColumn):
    """Numbers, of which the mean is subtracted, and which are divided by the standard deviation."""

    name: str
    mean: float
    """The mean of the training examples."""
    deviation: float
    """Their standard deviation."""
    low: float
    """The least number of a training example."""
    high: float
    """The largest."""

    @classmethod
    def fit(cls, name: str, numbers: NDArray[np.float64]) -> NumberColumn:
        """Return the column of these numbers (N,) of the training examples, which are not all equal."""
        return cls(name, float(numbers.mean()), float(numbers.std()), float(numbers.min()), float(numbers.max()))

    @property
    def width(self) -> int:
        """1."""
        return 1

    @property
    def entries(self) -> tuple[str, ...]:
        """The name of the column."""
        return (self.name,)

    def accepts(self, cell: str) -> bool:
        """Return whether a cell is a number."""
        return parse_number(cell) is not None

    def encode(self, cells: Sequence[str]) -> NDArray[np.float32]:
        """Return the standardized numbers (N, 1)."""
        numbers = [parse_number(cell) for cell in cells]
        for cell, number in zip(cells, numbers, strict=True):
            if number is None:
                raise BadInput(
                    f"`given` {self.name}={printable(cell)}: give a number, such as {self.mean:.3g} (the training"
                    f" data have {self.low:.6g} to {self.high:.6g})"
                )
        standardized = [(number - self.mean) / self.deviation for number in numbers if number is not None]
        return np.array(standardized, np.float32)[:, None]

    def describe(self) -> str:
        """Return the column and the range of its numbers."""
        return f"{printable(self.name)} ({self.low:.6g} to {self.high:.6g})"

    def settings(self) -> Mapping[str, Json]:
        """Return its numbers."""
        return {"name": self.name, "mean": self.mean, "deviation": self.deviation, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class TextColumn(ConditionColumn):
    """Texts, each with a number that is 1 where the cell is this text, else 0."""

    name: str
    texts: tuple[str, ...]
    """The different texts in natural order."""

    @property
    def width(self) -> int:
        """The number of different texts."""
        return len(self.texts)

    @property
    def entries(self) -> tuple[str, ...]:
        """The name of the column with each text, such as "species=cat"."""
        return tuple(f"{self.name}={text}" for text in self.texts)

    def accepts(self, cell: str) -> bool:
        """Return whether a cell is one of the texts."""
        return cell in self.texts

    def encode(self, cells: Sequence[str]) -> NDArray[np.float32]:
        """Return one-hot rows (N, texts)."""
        positions = {text: position for position, text in enumerate(self.texts)}
        for cell in cells:
            if cell not in positions:
                nearest = difflib.get_close_matches(cell, self.texts, 1)
                hint = f"did you mean {nearest[0]}?" if nearest else f"give one of {', '.join(self.texts[:20])}"
                raise BadInput(f"`given` {self.name}={printable(cell)}: no such value; {printable(hint)}")
        one_hot = np.zeros((len(cells), self.width), np.float32)
        one_hot[np.arange(len(cells)), [positions[cell] for cell in cells]] = 1
        return one_hot

    def describe(self) -> str:
        """Return the column and its first texts."""
        shown = ", ".join(self.texts[:5])
        more = f" and {self.width - 5:,} more" if self.width > 5 else ""
        return printable(f"{self.name} ({shown}{more})")

    def settings(self) -> Mapping[str, Json]:
        """Return its texts."""
        return {"name": self.name, "texts": list(self.texts)}


def _no_rows() -> NDArray[np.float32]:
    return np.zeros((0, 0), np.float32)


@dataclass(frozen=True, eq=False)
class Conditions:
    """The conditions of a dataset: its columns, and the training examples' numbers, from which conditions are drawn."""

    columns: tuple[ConditionColumn, ...] = ()
    """The columns; () if there are no conditions."""
    rows: NDArray[np.float32] = field(default_factory=_no_rows)
    """(R, M) numbers of training examples, class by class."""
    labels: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(R,) classes of these examples, increasing; zeros if there are no classes."""

    @classmethod
    def of_training(
        cls, columns: Sequence[ConditionColumn], rows: NDArray[np.float32], labels: NDArray[np.int64]
    ) -> Conditions:
        """Return the conditions of the training examples (N, M) with classes (N,), of which some are kept."""
        kept = np.unique(np.linspace(0, len(rows) - 1, MAX_KEPT_ROWS).astype(np.int64))
        order = kept[np.argsort(labels[kept], kind="stable")]
        return cls(tuple(columns), rows[order], labels[order])

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def entries(self) -> tuple[str, ...]:
        """The names of the numbers of a row: of a column of texts, one for each text."""
        return tuple(entry for column in self.columns for entry in column.entries)

    @property
    def scales(self) -> Mapping[str, tuple[float, float]]:
        """Mean and standard deviation of the columns of numbers, by name."""
        return {c.name: (c.mean, c.deviation) for c in self.columns if isinstance(c, NumberColumn)}

    @property
    def spec(self) -> TensorSpec | None:
        """One row of numbers; None if there are no conditions."""
        return TensorSpec((sum(column.width for column in self.columns),)) if self.columns else None

    def draw(self, seed: Tensor, label: Tensor | None) -> Tensor | None:
        """Return the numbers (N, M) of random training examples, of these classes (N,) if there are any.

        Args:
            seed: (N,) int64 on the CPU.
            label: (N,) int64 on the CPU; None: of any class.
        """
        import torch

        from zerosum.game import seeded_rng

        if not self.columns:
            return None
        first, end = torch.zeros(len(seed), dtype=torch.int64), torch.full((len(seed),), len(self.rows))
        if label is not None:
            labels = torch.from_numpy(self.labels)
            class_first, class_end = (torch.searchsorted(labels, label, right=right) for right in (False, True))
            known = class_end > class_first  # not so if all examples of a class were held out
            first, end = torch.where(known, class_first, first), torch.where(known, class_end, end)
        draws = seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.CONDITION)[:, 0].double()
        index = torch.minimum(first + (draws * (end - first)).long(), end - 1)
        return torch.from_numpy(self.rows)[index]

    def set_value(self, condition: Tensor, name: str, value: str) -> Tensor:
        """Return conditions (N, M) with a cell of the table, such as "40", as the value of one column.

        Raises:
            BadInput: if there is no such column, or it has no such value.
        """
        import torch

        if name not in self.names:
            nearest = difflib.get_close_matches(name, self.names, 1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"give one of {', '.join(self.names)}"
            raise BadInput(f"`given` {printable(name)}: no such column; {printable(hint)}")
        position = self.names.index(name)
        first = sum(column.width for column in self.columns[:position])
        numbers = torch.from_numpy(self.columns[position].encode([value]))
        changed = condition.clone()
        changed[:, first : first + numbers.shape[1]] = numbers
        return changed

    def settings(self) -> list[Mapping[str, Json]]:
        """Return the columns, which `restore` needs besides the tensors."""
        return [column.settings() for column in self.columns]

    def tensors(self) -> Mapping[str, Tensor]:
        """Return the training examples' numbers and classes; {} if there are no conditions."""
        import torch

        if not self.columns:
            return {}
        return {"conditions": torch.from_numpy(self.rows), "condition_labels": torch.from_numpy(self.labels)}

    @classmethod
    def restore(cls, settings: object, tensors: Mapping[str, Tensor]) -> Conditions:
        """Return the conditions that were saved; none if no settings were.

        Raises:
            KeyError, TypeError, ValueError: if they are damaged.
        """
        if not settings:
            return NO_CONDITIONS
        if not isinstance(settings, list):
            raise TypeError(f"conditions are a list of columns, not {settings!r}")
        columns = tuple(restore_column(column) for column in settings)
        return cls(columns, tensors["conditions"].numpy(), tensors["condition_labels"].numpy())


NO_CONDITIONS = Conditions()
"""The conditions of data without any."""


def restore_column(settings: Mapping[str, Json]) -> ConditionColumn:
    """Return the column that was saved.

    Raises:
        KeyError, TypeError, ValueError: if it is damaged.
    """
    name = str(settings["name"])
    if "texts" in settings:
        return TextColumn(name, tuple(np.asarray(settings["texts"], str).tolist()))
    mean, deviation, low, high = (float(str(settings[key])) for key in ("mean", "deviation", "low", "high"))
    return NumberColumn(name, mean, deviation, low, high)


def parse_number(cell: str) -> float | None:
    """Return the number of a cell; None if it is no number, or a larger one than `MAX_NUMBER`."""
    try:
        number = float(cell)
    except ValueError:
        return None
    return number if abs(number) <= MAX_NUMBER else None


def fit_column(name: str, cells: Sequence[str], files: Sequence[str], train: NDArray[np.int64]) -> ConditionColumn:
    """Return the column of cells: of numbers if all of them are, else of texts.

    Args:
        name: the column.
        cells: (N,) the value of each example.
        files: (N,) names of the examples' files in messages.
        train: the indices of the training examples.

    Raises:
        BadInput: if a cell is empty, all are equal, or they are neither numbers nor repeated texts.
    """
    _require_filled(name, cells, files)
    trained = {cells[index] for index in train}
    numbers = {cell: parse_number(cell) for cell in set(cells)}
    distinct = len({numbers[cell] for cell in trained} if None not in numbers.values() else trained)
    if distinct < 2:
        raise BadInput(
            f"`data.conditions` {printable(name)}: is {printable(next(iter(trained)))} in all training data, from "
            "which nothing can be learned; leave it out"
        )
    if None not in numbers.values():
        return NumberColumn.fit(name, np.array([numbers[cells[index]] for index in train], np.float64))
    if len(numbers) > min(MAX_TEXTS, len(set(files)) // 2):
        position = next(index for index, cell in enumerate(cells) if numbers[cell] is None)
        raise BadInput(
            f"`data.conditions` {printable(name)}: has {len(numbers):,} different values for "
            f"{pluralize(len(set(files)), 'file')}, and not all are numbers, such as {printable(cells[position])} of "
            f"{printable(files[position])}; write numbers with a decimal point, or texts that repeat"
        )
    return TextColumn(name, tuple(sorted(numbers, key=natural_sort_key)))


def check_cells(column: ConditionColumn, cells: Sequence[str], files: Sequence[str]) -> None:
    """Check cells of other data than those that a column was fitted to.

    Args:
        column: the column.
        cells: (N,) the value of each example.
        files: (N,) names of the examples' files in messages.

    Raises:
        BadInput: if a cell is empty, or cannot be one of the column.
    """
    _require_filled(column.name, cells, files)
    unknown = {cell for cell in set(cells) if not column.accepts(cell)}
    if unknown:
        file, cell = next(pair for pair in zip(files, cells, strict=True) if pair[1] in unknown)
        raise BadInput(
            f"`data.conditions` {printable(column.name)}: is {printable(cell)} for {printable(file)}, which the run"
            f" cannot take: it was trained on {column.describe()}; correct the table, or start a new run from it with"
            " `start_from`"
        )


def _require_filled(name: str, cells: Sequence[str], files: Sequence[str]) -> None:
    """Raise BadInput if a cell is empty."""
    empty = sorted({file for file, cell in zip(files, cells, strict=True) if not cell})
    if empty:
        raise BadInput(
            f"`data.conditions` {printable(name)}: this column has no value for {pluralize(len(empty), 'file')}, such "
            f"as {printable(empty[0])}; fill it in, or move these files away"
        )
