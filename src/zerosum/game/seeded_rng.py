"""Stateless random numbers: pure functions of a sample's seed.

A sample's latent, its interpolation weight in a gradient penalty, its horizontal flip: all derive from the one seed of
the sample. A resumed run, a batch split into micro-batches, and a batch distributed over ranks therefore draw the same
numbers as an uninterrupted run, and sample 7 of seed 3 is the same image in every batch.

The generator is SplitMix64 used as a counter-based hash (Steele, Lea and Flood 2014, OOPSLA).
"""

from __future__ import annotations

import math
from enum import IntEnum, unique

import torch
from torch import Tensor

_UINT64_MASK = (1 << 64) - 1


@unique  # two streams of one number would draw the same numbers
class RandomStream(IntEnum):
    """Purpose of random numbers: different streams of one seed are independent.

    The numbers are part of every result and never change.
    """

    LATENT = 1
    INTERPOLATION = 2
    HFLIP = 3
    PERTURBATION = 4
    CLASS = 5
    INSTANCE_NOISE = 6
    REPLAY_BUFFER = 7
    STYLE_MIXING = 11
    STYLE_MIXING_CUTOFF = 12
    LAYER_NOISE = 13
    AUGMENT = 21
    DROPOUT = 31
    PATCHES = 33
    NOISE_INJECTION = 41
    BLUR = 51
    JPEG = 52
    SENSOR_NOISE = 53
    MASK = 54
    OLD_FILM = 55
    ROTATE90 = 61
    CONDITION = 71
    FINITE_DIFFERENCE = 81
    LEVEL_NOISE = 82
    CODE_NOISE = 83
    CATEGORY = 91
    TIES = 92
    RARE_VALUE = 93
    GIVEN_COLUMNS = 94
    COMBINATION = 95
    REDRAW = 96
    TOKEN = 97
    NOISE_LEVEL = 98
    GAUSSIAN_CODES = 99
    PHASE = 111
    TIME_SHIFT = 112
    GAIN = 113
    SOUND_NOISE = 114
    CUTOFF = 115
    WINDOW = 116


@unique
class SeedSeries(IntEnum):
    """Series of seeds: training and sampling derive different seeds from the same number."""

    TRAINING = 1
    SAMPLING = 2


def _to_signed_int64(value: int) -> int:
    """Return the int64 with the low 64 bits of `value` (two's complement)."""
    value &= _UINT64_MASK
    return value - (1 << 64) if value >> 63 else value


_GOLDEN_GAMMA, _MIX_MULTIPLIER_1, _MIX_MULTIPLIER_2 = (
    _to_signed_int64(c) for c in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
)


def _logical_right_shift(x: Tensor, bits: int) -> Tensor:
    """Shift int64 right and fill with zeros."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)


def _splitmix64(x: Tensor) -> Tensor:
    """Apply SplitMix64's finalizer, a bijection of int64 in which every output bit depends on every input bit."""
    x = (x ^ _logical_right_shift(x, 30)) * _MIX_MULTIPLIER_1
    x = (x ^ _logical_right_shift(x, 27)) * _MIX_MULTIPLIER_2
    return x ^ _logical_right_shift(x, 31)


def _stream_key(random_stream: RandomStream) -> int:
    """Return `_splitmix64` of the number of a stream, which is the same for all samples, without a tensor."""
    x = int(random_stream)
    x = (x ^ (x >> 30)) * _MIX_MULTIPLIER_1 & _UINT64_MASK
    x = (x ^ (x >> 27)) * _MIX_MULTIPLIER_2 & _UINT64_MASK
    return _to_signed_int64(x ^ (x >> 31))


def derive_seeds(seed: int, first: int, count: int, series: SeedSeries = SeedSeries.SAMPLING) -> Tensor:
    """Return the seeds of the samples with index `first` .. `first + count - 1`.

    Args:
        seed: the seed of the run or of the sampling.
        first: index of the first sample.
        count: number of samples.
        series: which series of seeds.

    Returns:
        (count,) int64.

    Example:
        >>> from zerosum.game.seeded_rng import derive_seeds
        >>> bool((derive_seeds(3, 5, 2) == derive_seeds(3, 0, 7)[5:]).all())
        True
    """
    state = _splitmix64(_splitmix64(torch.tensor(_to_signed_int64(seed), dtype=torch.int64) + _GOLDEN_GAMMA) + series)
    return _splitmix64(state + _GOLDEN_GAMMA * torch.arange(first + 1, first + count + 1, dtype=torch.int64))


def fork_seed(seed: Tensor, index: int) -> Tensor:
    """Return independent seeds for the `index`-th of several uses of one stream: (N,) int64 to (N,) int64."""
    return _splitmix64(seed + _to_signed_int64(_GOLDEN_GAMMA * (index + 1)))


def redraw_seeds(seed: Tensor, attempt: int) -> Tensor:
    """Return the seeds of samples that are drawn again: (N,) int64 to (N,) int64.

    Args:
        seed: (N,) int64, the seeds of their first draws.
        attempt: how often they are drawn again, 1 or more; each attempt of each sample has a seed of its own.
    """
    return fork_seed(seed ^ _stream_key(RandomStream.REDRAW), attempt)


def sample_classes(seed: Tensor, class_priors: Tensor) -> Tensor:
    """Draw one class per seed.

    Args:
        seed: (N,) int64.
        class_priors: (K,) float, relative frequencies of the classes.

    Returns:
        (N,) int64.
    """
    draws = uniform(seed, 1, RandomStream.CLASS)[:, 0].to(class_priors.dtype)
    return torch.bucketize(draws * class_priors.sum(), class_priors.cumsum(0)[:-1], right=True)


def uniform(seed: Tensor, size: int, random_stream: RandomStream) -> Tensor:
    """Draw uniform numbers in the open interval (0, 1), one row per seed: (N,) int64 to (N, size) float32."""
    state = _splitmix64(seed ^ _stream_key(random_stream))
    counter = torch.arange(1, size + 1, device=seed.device, dtype=torch.int64)
    # 23 bits, so that neither 0 nor 1 occurs in float32
    bits = _logical_right_shift(_splitmix64(state[:, None] + _GOLDEN_GAMMA * counter), 41)
    return (bits.float() + 0.5) * 2.0**-23


def normal(seed: Tensor, size: int, random_stream: RandomStream, truncation: float = math.inf) -> Tensor:
    """Draw standard normal numbers, one row per seed: (N,) int64 to (N, size) float32.

    With `truncation`, the distribution is truncated to [-truncation, truncation] (BigGAN's truncation trick, Brock et
    al. 2018, arXiv:1809.11096, by inverting the distribution function instead of resampling).
    """
    probability_inside = math.erf(truncation / math.sqrt(2))
    return torch.erfinv((2 * uniform(seed, size, random_stream) - 1) * probability_inside) * math.sqrt(2)


def coarse_normal(seed: Tensor, size: int, random_stream: RandomStream) -> Tensor:
    """Draw standard normal numbers of 16 random bits each, one row per seed: (N,) int64 to (N, size) float32.

    They take a tenth of the time of `normal`, which matters for noise of the size of images, and none exceeds 4.33 in
    absolute value.
    """
    state = _splitmix64(seed ^ _stream_key(random_stream))
    bits = state[:, None] + _GOLDEN_GAMMA * torch.arange(1, (size + 3) // 4 + 1, device=seed.device, dtype=torch.int64)
    # `_splitmix64`, in place: the memory for intermediate results would take most of the time
    bits.bitwise_xor_(_logical_right_shift(bits, 30)).mul_(_MIX_MULTIPLIER_1)
    bits.bitwise_xor_(_logical_right_shift(bits, 27)).mul_(_MIX_MULTIPLIER_2)
    bits.bitwise_xor_(_logical_right_shift(bits, 31))
    values = bits.view(torch.int16).float()  # 4 numbers from -2^15 to 2^15 - 1 of each hash
    return values.add_(0.5).mul_(2.0**-15).erfinv_().mul_(math.sqrt(2))[:, :size]
