"""Statistics of a whole batch, also where several ranks share it.

Neither a network nor a term knows the ranks: the accelerator says, for the length of a move, how the mean over a part
of the batch becomes the mean over all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor


class BatchShares(NamedTuple):
    """How a batch is shared: into how many equal parts, and how a mean over one part becomes one over all of them."""

    parts: int
    """Number of parts, 1 if nothing is shared."""
    mean: Callable[[Tensor], Tensor]
    """Return the mean over all parts, from the mean over this part; differentiable."""


WHOLE_BATCH = BatchShares(1, lambda values: values)
"""The batch of a forward pass is the whole batch."""
_shares = WHOLE_BATCH


@contextmanager
def shared_batch(shares: BatchShares) -> Iterator[None]:
    """Take the statistics of a batch over all its parts.

    All parts must compute the same statistics in the same order, or they wait for each other forever.
    """
    global _shares  # as a global it also holds in the threads in which autograd recomputes a forward pass
    former, _shares = _shares, shares
    try:
        yield
    finally:
        _shares = former


def batch_shares() -> BatchShares:
    """Return how the batch of the current move is shared."""
    return _shares
