"""Conditions of numbers of which any may be given or not, such as the properties of a molecule.

Such a condition is a tree of tensors (N, P): `values`, and `known`, 1 for each value that is given. Those of training
also have `labeled`, 1 for each value that the data have: others are 0, and may be given only if they are predicted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from zerosum.game.types import Sample


class GivenValues(NamedTuple):
    """A condition of this kind."""

    values: Tensor
    """(N, P)"""
    known: Tensor
    """(N, P), 1 for each value that is given."""
    labeled: Tensor
    """(N, P), 1 for each value that is true."""

    @classmethod
    def of(cls, condition: Sample) -> GivenValues:
        """Return a condition as such; all values that are given to a generator are true."""
        assert isinstance(condition, Mapping), "checked when the network is built"
        values, known, labeled = (condition.get(name, condition["known"]) for name in ("values", "known", "labeled"))
        assert isinstance(values, Tensor), "values are one row"
        assert isinstance(known, Tensor), "there is a number for each value"
        assert isinstance(labeled, Tensor), "there is a number for each value"
        return cls(values, known, labeled)

    def complete(self, predicted: Tensor) -> Mapping[str, Sample]:
        """Return the condition with predicted values (N, P) where the data have none.

        Example:
            >>> row = torch.tensor([[0.0, 2.0]])
            >>> condition = {"values": row, "known": torch.ones(1, 2), "labeled": row / 2}
            >>> GivenValues.of(condition).complete(torch.tensor([[5.0, 5.0]]))["values"]
            tensor([[5., 2.]])
        """
        values = torch.where(self.labeled > 0, self.values, predicted.to(self.values.dtype))
        return {"values": values, "known": self.known}

    def without_any(self) -> Mapping[str, Sample]:
        """Return the condition in which nothing is given."""
        return {"values": self.values, "known": torch.zeros_like(self.known)}

    def join(self, vectors: Tensor) -> Tensor:
        """Return vectors (N, F) with what is given and true: (N, F + 2P)."""
        known = self.known * self.labeled
        return torch.cat([vectors, (self.values * known).to(vectors.dtype), known.to(vectors.dtype)], 1)

    def squared_error(self, predicted: Tensor) -> Tensor:
        """Return the mean squared difference (N,) of predictions (N, P) from all values that the data have."""
        return ((predicted - self.values).square() * self.labeled).mean(1)

    def squared_distance(self, predicted: Tensor) -> Tensor:
        """Return the mean squared difference (N,) of predictions (N, P) from the values that are given."""
        return ((predicted - self.values).square() * self.known).mean(1)
