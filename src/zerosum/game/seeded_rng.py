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

_UINT64_MASK = (1 << 64) - 1


class RandomStream(IntEnum):
    """What the numbers are for: different purposes draw independent numbers from one seed."""

    LATENT = 1
    INTERPOLATION = 2
    HFLIP = 3
    ROTATE90 = 61
    PERTURBATION = 4
    CLASS = 5
    INSTANCE_NOISE = 6
    REPLAY_BUFFER = 7
    NOISE_INJECTION = 41
    STYLE_MIXING = 11
    STYLE_MIXING_CUTOFF = 12
    LAYER_NOISE = 13
    AUGMENT = 21
    DROPOUT = 31
    BLUR = 51
    JPEG = 52
    SENSOR_NOISE = 53
    MASK = 54
    OLD_FILM = 55
    PATCHES = 33


class SeedSeries(IntEnum):
    """Whom a series of seeds is for: the same number gives training and sampling different seeds."""

    TRAINING = 1
    SAMPLING = 2


def _to_signed_int64(value: int) -> int:
    """A 64-bit pattern as the int64 that has it."""
    value &= _UINT64_MASK
    return value - (1 << 64) if value >> 63 else value


_GOLDEN_GAMMA, _MIX_MULTIPLIER_1, _MIX_MULTIPLIER_2 = (
    _to_signed_int64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def _logical_right_shift(x: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _splitmix64(x: Tensor) -> Tensor:
    """SplitMix64's finaliser: a bijection of the 64-bit integers whose every output bit depends on every input bit."""
    x = (x ^ _logical_right_shift(x, 30)) * _MIX_MULTIPLIER_1
    x = (x ^ _logical_right_shift(x, 27)) * _MIX_MULTIPLIER_2
    return x ^ _logical_right_shift(x, 31)


def derive_seeds(seed: int, first: int, count: int, series: SeedSeries = SeedSeries.SAMPLING) -> Tensor:
    """The seeds of samples number `first` .. `first + count - 1` of a series: (count,) int64."""
    loader = _splitmix64(_splitmix64(torch.tensor(_to_signed_int64(seed), dtype=torch.int64) + _GOLDEN_GAMMA) + series)
    return _splitmix64(loader + _GOLDEN_GAMMA * torch.arange(first + 1, first + count + 1, dtype=torch.int64))


def fork_seed(seed: Tensor, index: int) -> Tensor:
    """Seeds of their own for the `index`-th of several uses of one purpose: (N,) int64 to (N,) int64."""
    return _splitmix64(seed + _to_signed_int64(_GOLDEN_GAMMA * (index + 1)))


def sample_classes(seed: Tensor, class_priors: Tensor) -> Tensor:
    """A class for each seed, drawn with these shares: (N,) int64 and (K,) float to (N,) int64."""
    place = uniform(seed, 1, RandomStream.CLASS)[:, 0].to(class_priors.dtype)
    return torch.bucketize(place * class_priors.sum(), class_priors.cumsum(0)[:-1], right=True)


def uniform(seed: Tensor, size: int, random_stream: RandomStream) -> Tensor:
    """Numbers in the open interval (0, 1), a row for each seed: (N,) int64 to (N, size) float32."""
    loader = _splitmix64(seed ^ _splitmix64(torch.full_like(seed, random_stream)))
    counter = torch.arange(1, size + 1, device=seed.device, dtype=torch.int64)
    bits = _logical_right_shift(
        _splitmix64(loader[:, None] + _GOLDEN_GAMMA * counter), 41
    )  # 23 bits: both ends stay open in float32
    return (bits.float() + 0.5) * 2.0**-23


def normal(seed: Tensor, size: int, random_stream: RandomStream, truncation: float = math.inf) -> Tensor:
    """Standard normal numbers, a row for each seed: (N,) int64 to (N, size) float32.

    `truncation` cuts the distribution off: no number is farther from 0 (BigGAN's truncation, Brock et al. 2018,
    arXiv:1809.11096, drawn here by inverting the distribution function rather than by trying again).
    """
    inside = math.erf(truncation / math.sqrt(2))
    return torch.erfinv((2 * uniform(seed, size, random_stream) - 1) * inside) * math.sqrt(2)
