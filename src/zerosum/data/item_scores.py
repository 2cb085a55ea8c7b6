"""What a search for better items needs to know of them: their scores, which are equal, and how similar they are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Items: TypeAlias = NDArray[np.generic]
"""See `zerosum.data.codec.Items`."""
FindKnown: TypeAlias = Callable[[Sequence[str]], NDArray[np.bool_]]
"""From names (N,) of items, see `ItemScores.name_items`, to which of them are training examples, (N,)."""


@dataclass(frozen=True)
class ScoreRange:
    """The values that a score has in the training examples, which can be asked for."""

    mean: float
    low: float
    high: float


class ItemScores(ABC):
    """Scores of items, and their similarity."""

    @abstractmethod
    def find_name(self, name: str) -> str:
        """Return the name of the score that a user means, in any case.

        Raises:
            BadInput: there is none, with the names of all.
        """

    @abstractmethod
    def find_range(self, name: str) -> ScoreRange | None:
        """Return the values of a score that a generator can be asked for; None if it cannot."""

    @abstractmethod
    def score(self, items: Items, name: str) -> NDArray[np.float64]:
        """Return a score (N,) of items (N, ...), NaN where it is not known."""

    @property
    def measured(self) -> tuple[str, ...]:
        """The names of numbers that each item has, whose means the monitor compares between samples and real items.

        They take a few milliseconds an item at most, and need not be scores. By default there are none.
        """
        return ()

    def measure(self, items: Items, names: Sequence[str]) -> NDArray[np.float64]:
        """Return some of the `measured` numbers of items (N, ...): (N, number of names), NaN where not known."""
        assert not names, "items that are measured have a `measure` of their own"
        return np.zeros((len(items), 0))

    @abstractmethod
    def name_items(self, items: Items) -> list[str]:
        """Return names (N,) of items (N, ...): equal items have the same, and an invalid one has ""."""

    @abstractmethod
    def compare(self, items: Items, others: Items) -> NDArray[np.float32]:
        """Return similarities (N, M) of items (N, ...) and others (M, ...), from 0 to 1 for equal ones."""

    @abstractmethod
    def training_names(self, content_hashes: NDArray[np.uint64]) -> FindKnown:
        """Return a function that finds training examples by their names; their content hashes (N,) are known."""
