"""Randomness without a state: numbers that are a pure function of a sample's seed.

A sample's latent, its place on the line of a gradient penalty, whether its picture is mirrored: each derives from the
one seed the sample carries. So a resumed run, a batch cut into micro-batches, and a batch spread over ranks draw the
same numbers as an undisturbed run, and sample 7 of seed 3 is the same picture whatever is drawn beside it.

The generator is SplitMix64 used as a counter-based hash (Steele, Lea and Flood 2014, OOPSLA).
"""

from __future__ import annotations

import math
from enum import IntEnum

import torch
from torch import Tensor

_MASK = (1 << 64) - 1


class Purpose(IntEnum):
    """What the numbers are for: different purposes draw independent numbers from one seed."""

    LATENT = 1
    BETWEEN = 2
    MIRROR = 3
    TURN = 61
    AROUND = 4
    CLASS = 5
    INSTANCE = 6
    RECALL = 7
    SPECKLE = 41
    MIX = 11
    CUT = 12
    NOISE = 13
    AUGMENT = 21
    DROP = 31
    BLUR = 51
    JPEG = 52
    GRAIN = 53
    HOLE = 54
    FILM = 55
    PLACES = 33


class Series(IntEnum):
    """Whom a series of seeds is for: the same number gives training and sampling different seeds."""

    TRAINING = 1
    SAMPLES = 2


def _signed(value: int) -> int:
    """A 64-bit pattern as the int64 that has it."""
    value &= _MASK
    return value - (1 << 64) if value >> 63 else value


_GOLDEN, _FIRST, _SECOND = (_signed(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def _right(x: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    """SplitMix64's finaliser: a bijection of the 64-bit integers whose every output bit depends on every input bit."""
    x = (x ^ _right(x, 30)) * _FIRST
    x = (x ^ _right(x, 27)) * _SECOND
    return x ^ _right(x, 31)


def seeds(seed: int, first: int, count: int, series: Series = Series.SAMPLES) -> Tensor:
    """The seeds of samples number `first` .. `first + count - 1` of a series: (count,) int64."""
    stream = _mix(_mix(torch.tensor(_signed(seed), dtype=torch.int64) + _GOLDEN) + series)
    return _mix(stream + _GOLDEN * torch.arange(first + 1, first + count + 1, dtype=torch.int64))


def fork(seed: Tensor, number: int) -> Tensor:
    """Seeds of their own for the `number`-th of several uses of one purpose: (N,) int64 to (N,) int64."""
    return _mix(seed + _signed(_GOLDEN * (number + 1)))


def pick(seed: Tensor, shares: Tensor) -> Tensor:
    """A class for each seed, drawn with these shares: (N,) int64 and (K,) float to (N,) int64."""
    place = uniform(seed, 1, Purpose.CLASS)[:, 0].to(shares.dtype)
    return torch.bucketize(place * shares.sum(), shares.cumsum(0)[:-1], right=True)


def uniform(seed: Tensor, size: int, purpose: Purpose) -> Tensor:
    """Numbers in the open interval (0, 1), a row for each seed: (N,) int64 to (N, size) float32."""
    stream = _mix(seed ^ _mix(torch.full_like(seed, purpose)))
    counter = torch.arange(1, size + 1, device=seed.device, dtype=torch.int64)
    bits = _right(_mix(stream[:, None] + _GOLDEN * counter), 41)  # 23 bits: both ends stay open in float32
    return (bits.float() + 0.5) * 2.0**-23


def normal(seed: Tensor, size: int, purpose: Purpose, within: float = math.inf) -> Tensor:
    """Standard normal numbers, a row for each seed: (N,) int64 to (N, size) float32.

    `within` cuts the distribution off: no number is farther from 0 (BigGAN's truncation, Brock et al. 2018,
    arXiv:1809.11096, drawn here by inverting the distribution function rather than by trying again).
    """
    inside = math.erf(within / math.sqrt(2))
    return torch.erfinv((2 * uniform(seed, size, purpose) - 1) * inside) * math.sqrt(2)
