"""Bounds of the numbers that commands take, so that a typing error costs a sentence and not an hour or all memory."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from zerosum.data.host_memory import physical_memory_bytes
from zerosum.errors import BadInput
from zerosum.game.sample_spec import leaf_specs

if TYPE_CHECKING:
    from zerosum.inference.generator import Generator

MAX_SEED = 2**32 - 1
"""The largest seed, as of a run."""
MAX_SAMPLES = 100_000
"""Samples or frames of one command. More are taken with other seeds."""
MAX_STYLE_TRUNCATION = 10.0
"""Largest truncation of styles: 1 is none, and beyond 2 styles are far from all that the network has seen."""
BYTES_PER_VALUE = 12
"""Memory for each value of a sample: float32 twice, as generated and joined, and its 8-bit item with the grid."""
MEMORY_FRACTION = 0.5
"""Fraction of the machine's memory that the samples of a command may fill."""


def check_whole_number(name: str, value: int, low: int, high: int) -> None:
    """Raise unless a whole number lies in [low, high].

    Args:
        name: the argument, which the message names.
        value: its value.
        low: the smallest value.
        high: the largest value.

    Raises:
        BadInput: the number is smaller or larger.
    """
    if not low <= value <= high:
        raise BadInput(f"`{name}` {_brief(value)}: give a whole number from {low:,} to {high:,}")


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Raise unless a number lies in [low, high]; NaN does not.

    Raises:
        BadInput: the number is smaller or larger, or is no number.
    """
    if not low <= value <= high:
        raise BadInput(f"`{name}` {value}: give a number from {low:g} to {high:g}")


def check_seed(seed: int) -> None:
    """Raise unless a number can be a seed.

    Raises:
        BadInput: the seed is negative, or has more than 32 bits.
    """
    check_whole_number("seed", seed, 0, MAX_SEED)


def check_latent_truncation(truncation: float) -> None:
    """Raise unless a number can be the truncation of latents or of styles; infinity means none.

    Raises:
        BadInput: the number is not above 0, or is no number.
    """
    if not truncation > 0:
        raise BadInput(f"`truncation` {truncation}: give a number above 0 (0.5 to 1 is usual), or leave it out")


def check_memory(name: str, count: int, generator: Generator) -> None:
    """Raise if so many samples of a generator do not fit into memory.

    Args:
        name: the argument to lower, which the message names.
        count: the number of samples that are in memory together.
        generator: the generator, whose codec says how large a sample is.

    Raises:
        BadInput: they do not fit.
    """
    values = sum(math.prod(leaf.shape) for leaf in leaf_specs(generator.codec.spec))
    largest = int(MEMORY_FRACTION * physical_memory_bytes() / (BYTES_PER_VALUE * values))
    largest = max(1, min(MAX_SAMPLES, largest))
    if count > largest:
        raise BadInput(
            f"`{name}`: {_brief(count)} samples are too many for one command on this machine, which takes up to "
            f"{largest:,}; give a smaller number, and take others with another `seed`"
        )


def _brief(value: int) -> str:
    """Return a whole number as it is written, or its size if it has so many digits that a message cannot hold them."""
    if abs(value) < 10**18:
        return f"{value:,}"
    return str(value) if abs(value) < 10**40 else "with more than 40 digits"
