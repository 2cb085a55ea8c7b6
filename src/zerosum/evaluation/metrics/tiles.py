"""The products of all pairs of rows of two feature tables, tile by tile: what pairwise metrics are computed from.

A tile is a block of the matrix of products: those of the rows of one block of each table. The whole matrix is never in
memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.features.table import BLOCK_ROWS, FeatureTable

BLOCKS_IN_MEMORY = 4
"""Blocks of the first set kept in float64 in a pass over the second set: 20 MB at D = 1280."""


class CenteredBlock(NamedTuple):
    """A block of a table, prepared for products."""

    block_index: int
    row_slice: slice
    """Its rows in the table."""
    values: Tensor
    """(n, D) float64, minus the center c."""
    squared_norms: Tensor
    """(n,) |x - c|^2"""
    product_offsets: Tensor
    """(n,) terms that turn (x - c).(y - c) into x.y = (x - c).(y - c) + offset of x + offset of y."""


class Tile(NamedTuple):
    """The products of two blocks."""

    first: CenteredBlock
    """n rows"""
    second: CenteredBlock
    """m rows"""
    products: Tensor
    """(n, m) (x - c).(y - c)"""
    is_self: bool
    """Whether the two tables are one, so that this tile also represents its transpose below the diagonal."""

    @property
    def is_diagonal(self) -> bool:
        return self.is_self and self.first.block_index == self.second.block_index

    @property
    def is_mirrored(self) -> bool:
        return self.is_self and self.first.block_index != self.second.block_index


class TileAccumulator(Protocol):
    """Sums or extremes over all tiles."""

    def update(self, tile: Tile) -> None:
        """Add one tile."""


def accumulate(tiles: Iterator[Tile], accumulators: Sequence[TileAccumulator]) -> None:
    """Update every accumulator with every tile, in one pass."""
    for tile in tiles:
        for accumulator in accumulators:
            accumulator.update(tile)


def self_tiles(features: FeatureTable) -> Iterator[Tile]:
    """Yield the tiles of a table with itself, on and above the diagonal."""
    return cross_tiles(features, features, center(features), is_self=True)


def cross_tiles(first: FeatureTable, second: FeatureTable, center: Tensor, is_self: bool = False) -> Iterator[Tile]:
    """Yield the tiles of two tables; of a table with itself, those on and above the diagonal."""
    for start in range(0, len(first.stored_blocks), BLOCKS_IN_MEMORY):
        rows = [
            _center_block(first, index, center)
            for index in range(start, min(start + BLOCKS_IN_MEMORY, len(first.stored_blocks)))
        ]
        for column_index in range(start if is_self else 0, len(second.stored_blocks)):
            column = _center_block(second, column_index, center)
            for row in rows:
                if not is_self or row.block_index <= column_index:
                    yield Tile(row, column, row.values @ column.values.T, is_self)


def _center_block(features: FeatureTable, block_index: int, center: Tensor) -> CenteredBlock:
    values = features.block(block_index).double()
    values -= center
    offsets = (values @ center).add_(center @ center / 2)
    row_slice = slice(block_index * BLOCK_ROWS, block_index * BLOCK_ROWS + len(values))
    return CenteredBlock(block_index, row_slice, values, torch.linalg.vector_norm(values, dim=1).square_(), offsets)


def center(features: FeatureTable) -> Tensor:
    """Return the mean (D,), rounded to float32, so that its difference to all but tiny float32 values is exact.

    Distances do not depend on it, but centering reduces the cancellation in |x|^2 + |y|^2 - 2 x.y.
    """
    total = sum(
        (block.double().sum(0) for block in features.blocks()), torch.zeros(features.num_columns, dtype=torch.float64)
    )
    mean = (total / len(features)).float().double()
    if not mean.isfinite().all():
        raise BadInput("the features of an item are not finite: look for NaN or infinity in the items")
    return mean


def check_same_num_columns(reals: FeatureTable, fakes: FeatureTable) -> None:
    """Raise `BadInput` if two tables have different numbers of features."""
    if reals.num_columns != fakes.num_columns:
        raise BadInput(
            f"size mismatch: {reals.num_columns} and {fakes.num_columns} features per item: "
            "use one feature network for both sets"
        )
