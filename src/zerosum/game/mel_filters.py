"""Filters at equal distances on the mel scale, which spectrograms of sounds and losses on them share."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

LOWEST_FREQUENCY = 20.0
"""The lower end of the lowest band in Hz: the limit of hearing."""
SMALLEST_WEIGHT = 1e-4
"""Smaller weights of a filter are errors of rounding, which the inversion would make a bin of the spectrum of."""
DYNAMIC_RANGE = 80.0
"""Decibels between -1 and 1 of a log-mel spectrogram; at 1 is a sine of amplitude 1."""
_FLOOR = 10 ** (-DYNAMIC_RANGE / 10)  # power at -1, which is added so that silence has a logarithm


def to_unit(power: Tensor) -> Tensor:
    """Scale powers, of which that of a sine of amplitude 1 is 1, to decibels in [-1, 1]."""
    return (torch.log10(power + _FLOOR) * (20 / DYNAMIC_RANGE) + 1).clamp(-1, 1)


def from_unit(values: Tensor) -> Tensor:
    """Return the powers of values of `to_unit`; those outside of [-1, 1] are clipped."""
    return (10 ** ((values.clamp(-1, 1) - 1) * (DYNAMIC_RANGE / 20)) - _FLOOR).clamp_min(0)


def mel_filters(bands: int, window: int, rate: int) -> Tensor:
    """Return triangular filters (bands, window // 2 + 1) at equal distances on the mel scale, each with a sum of 1.

    The mel scale is 2595 log10(1 + f / 700) (O'Shaughnessy 1987). A band that is narrower than a bin of the spectrum,
    so that it holds none, has the nearest one.
    """
    lowest, highest = (2595 * torch.log10(1 + torch.tensor([LOWEST_FREQUENCY, rate / 2]) / 700)).tolist()
    frequencies, edges = bin_frequencies(window, rate), mel_edges(lowest, highest, bands)
    filters = triangles(frequencies, edges)
    filters[filters < SMALLEST_WEIGHT] = 0
    nearest = (frequencies - edges[1:-1, None]).abs().argmin(1)
    empty = filters.sum(1) == 0
    filters[empty, nearest[empty]] = 1
    return (filters / filters.sum(1, keepdim=True)).float()


def bin_frequencies(window: int, rate: int) -> Tensor:
    """Return the frequencies (window // 2 + 1,) of a spectrum in Hz, float64."""
    return torch.linspace(0, rate / 2, window // 2 + 1, dtype=torch.float64)


def mel_edges(lowest: float, highest: float, bands: int) -> Tensor:
    """Return the frequencies (bands + 2,) in Hz, float64, between which bands at equal distances in mel lie.

    Args:
        lowest: the lower end of the lowest band in mel.
        highest: the upper end of the highest band in mel.
        bands: number of bands, each of which ends in the center of the next one.
    """
    mels = torch.from_numpy(np.linspace(lowest, highest, bands + 2))  # as published networks have it, to the last bit
    edges: Tensor = 700 * (10 ** (mels / 2595) - 1)
    return edges


def triangles(frequencies: Tensor, edges: Tensor) -> Tensor:
    """Return the heights (H, F) of H triangles at frequencies (F,): 1 at their centers, and negative outside.

    Args:
        frequencies: (F,) in Hz.
        edges: (H + 2,) in Hz, of which triangle i has i, i + 1 and i + 2 as its start, its center and its end.
    """
    low, center, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return torch.minimum((frequencies - low) / (center - low), (high - frequencies) / (high - center))
