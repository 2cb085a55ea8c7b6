"""Numbers that have to add up to another one, each within the range of the training rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from zerosum.data.tables.formats import Rows

RoundFn = Callable[[Rows], Rows]
"""Rounds cells as they are written."""
_PASSES = 2  # over the parts, of which some have more decimals than others


def share_out(parts: Rows, wanted: NDArray[np.float64], low: Rows, high: Rows) -> Rows:
    """Return parts (N, P) that add up to what is wanted (N,), each of which has moved by the same share of its room.

    Args:
        parts: the parts, each within its bounds.
        wanted: their sums; out of reach, all parts are at their bounds.
        low: (N, P) least values.
        high: (N, P) largest values.

    Example:
        >>> share_out(np.array([[6.0, 8.0]]), np.array([7.0]), np.array([[2.0, 0.0]]), np.array([[9.0, 9.0]])).tolist()
        [[3.6666666666666665, 3.333333333333333]]
    """
    missing = wanted - parts.sum(1)
    ends = np.where((missing > 0)[:, None], high, low)
    room = ends.sum(1) - parts.sum(1)
    share = np.divide(missing, room, out=np.zeros_like(room), where=room != 0).clip(0, 1)
    shared: Rows = parts + (ends - parts) * share[:, None]
    return shared


def move_parts(
    rows: Rows, parts: Sequence[int], wanted: NDArray[np.float64], low: Rows, high: Rows, round_rows: RoundFn
) -> Rows:
    """Return rows (N, C) in which some columns add up to what is wanted (N,), as nearly as they can be written.

    Args:
        rows: the rows.
        parts: the P columns.
        wanted: their sums.
        low: (N, P) least values.
        high: (N, P) largest values.
        round_rows: rounds cells as they are written.
    """
    columns = list(parts)
    moved = rows.copy()
    moved[:, columns] = share_out(rows[:, columns], wanted, low, high)
    moved = round_rows(moved)
    for place in [*range(len(columns))] * _PASSES:
        rest = wanted - moved[:, columns].sum(1)
        moved[:, columns[place]] = (moved[:, columns[place]] + rest).clip(low[:, place], high[:, place])
        moved = round_rows(moved)
    return moved
