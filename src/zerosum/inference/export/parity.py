"""Compare what an exported model computes with what the network computes, at batches and sizes it was not traced at."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.inference.export.graph import BATCH, FRAMES, HEIGHT, WIDTH, Graph
from zerosum.run_folder import Json

TRACED_SIZES = {BATCH: 3, HEIGHT: 44, WIDTH: 70, FRAMES: 29}
"""Lengths of the free axes of the inputs with which a network is traced: no two are equal, and none is 0 or 1."""
CHECKED_SIZES = (
    {BATCH: 1, HEIGHT: 8, WIDTH: 8, FRAMES: 2},
    {BATCH: 5, HEIGHT: 37, WIDTH: 53, FRAMES: 90},
)
"""Those at which the result is compared: a single sample, smallest and odd sides."""
MAX_ERROR = 1e-4
"""Largest error of a model, as a fraction of the largest value of its output: 100 times the rounding of float32."""
MAX_HALF_ERROR = 4 / 255
"""The same with weights in half precision, where bounded outputs are compared as they are shown, between -1 and 1: 2 of
the 255 steps."""
DRAWN_SIZES = ({BATCH: 1}, {BATCH: 200})
"""Those at which sequences of tokens are compared."""
MAX_DIFFERENT = 0.02
"""Largest fraction of sequences of tokens that differ: a draw next to a boundary of float32 may become another token,
and then all after it differ."""

RunFn = Callable[[tuple[Tensor, ...]], Sequence[NDArray[np.float32]]]
"""Run an exported model."""
CompareFn = Callable[[NDArray[np.floating], NDArray[np.floating]], float]
"""Return the error of an output, given what was found and what is true."""


class Parity(NamedTuple):
    """How far an exported model is from its network."""

    error: float
    """Largest difference of two values, as a fraction of the largest value: 1 where shown values are compared."""
    sizes: Sequence[Mapping[str, int]]
    """The lengths of the free axes at which they were compared."""
    of_samples: bool = False
    """Whether the error is the fraction of samples that differ instead."""

    @property
    def allowed(self) -> float:
        """The largest error that an export with weights in full precision may have."""
        return MAX_DIFFERENT if self.of_samples else MAX_ERROR

    def describe(self) -> str:
        """Return the error, with the allowed one, in words."""
        if self.of_samples:
            return f"{self.error:.1%} of the samples differ, of {self.allowed:.0%} allowed"
        return f"error {self.error:.1e} of the largest value, of {self.allowed:.0e} allowed"

    @property
    def decibels(self) -> float:
        """The same as a ratio of amplitudes in decibels; infinite if nothing differs."""
        return -20 * math.log10(self.error) if self.error else math.inf

    def facts(self) -> dict[str, Json]:
        """Return the same as JSON."""
        return {"error": float(f"{self.error:.3g}"), "compared_at": [dict(each) for each in self.sizes]}


def compare(found: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """Return the largest difference as a fraction of the largest true value; infinite for other shapes, and for NaN."""
    if found.shape != true.shape:
        return math.inf
    difference, scale = float(np.abs(found - true).max(initial=0)), float(np.abs(true).max(initial=0))
    error = difference / scale if scale else difference
    return error if math.isfinite(error) else math.inf


def compare_shown(found: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """Return the largest difference of bounded values as they are shown, clipped to [-1, 1]; infinite as `compare`."""
    if found.shape != true.shape:
        return math.inf
    error = float(np.abs(np.clip(found, -1, 1) - np.clip(true, -1, 1)).max(initial=0))
    return error if math.isfinite(error) else math.inf


def compare_samples(found: NDArray[np.floating], true: NDArray[np.floating]) -> float:
    """Return the fraction of samples (N, ...) with any difference; infinite for other shapes."""
    if found.shape != true.shape:
        return math.inf
    return float((found != true).reshape(len(true), -1).any(1).mean())


def measure_parity(
    graph: Graph,
    run: RunFn,
    sizes: Sequence[Mapping[str, int]] = (),
    compare_outputs: CompareFn | None = None,
) -> Parity:
    """Compare an exported model with its network.

    Args:
        graph: the network.
        run: runs the exported model.
        sizes: lengths of the free axes, one comparison for each; () for the usual ones.
        compare_outputs: the error of an output; by default relative to its largest value, or the fraction of samples
            that differ if they are sequences of tokens.

    Raises:
        Exception: what `run` raises, such as of a model that does not take another batch.
    """
    sizes = sizes or (DRAWN_SIZES if graph.draws_tokens else CHECKED_SIZES)
    compare_outputs = compare_outputs or (compare_samples if graph.draws_tokens else compare)
    errors, free = [0.0], {axis for axes in graph.free_axes for axis in axes.values()}
    for lengths in sizes:
        inputs = graph.example(lengths)
        pairs = zip(run(inputs), graph(inputs), strict=True)
        errors += [compare_outputs(found, true.float().numpy()) for found, true in pairs]
    compared_at = [{axis: lengths[axis] for axis in lengths if axis in free} for lengths in sizes]
    return Parity(max(errors), compared_at, graph.draws_tokens)


def require_parity(parity: Parity, to: str, largest: float = 0.0) -> None:
    """Raise if an exported model is too far from its network; `largest` is the allowed error, 0 for the usual one.

    Raises:
        BadInput: it is; nothing may be written then.
    """
    largest = largest or parity.allowed
    if parity.error > largest:
        of = "samples" if parity.of_samples else "largest value"
        raise BadInput(
            f"`to` {to}: the exported model differs from the network by {parity.error:.1e} of the {of}, and "
            f"{largest:.1e} is allowed, so nothing was written; choose another form, and report this with the recipe"
        )
