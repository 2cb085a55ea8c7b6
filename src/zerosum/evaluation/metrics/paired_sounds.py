"""Metrics of paired sounds, for models with a target sound for each input.

All take batches (N, T) in [-1, 1] of one length and compute in float64.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from zerosum.errors import BadInput
from zerosum.evaluation.metrics.base import MetricInfo
from zerosum.game.spectral_distance import WINDOWS, stft_distance

CEPSTRAL_COEFFICIENTS = 13
"""Coefficients of the mel cepstral distance, without the first one, which is the level."""
MAX_SDR = 100.0
"""Largest scale-invariant ratio in decibels, which equal sounds are given."""
_TINY = 1e-12


def multi_resolution_stft(generated: Tensor, target: Tensor) -> Tensor:
    """Return the multi-resolution STFT distance of each pair: (N,), 0 for equal sounds; lower is better.

    It is the mean over three windows of `zerosum.game.spectral_distance.stft_distance`.

    Example:
        >>> sounds = torch.sin(torch.arange(4096) / 7)[None]
        >>> round(multi_resolution_stft(sounds, sounds).item(), 3)
        0.0

    Raises:
        BadInput: the shapes differ.
    """
    _check_same_shape(generated, target)
    return torch.stack([stft_distance(generated.double(), target.double(), window) for window in WINDOWS]).mean(0)


def si_sdr(generated: Tensor, target: Tensor) -> Tensor:
    """Return the scale-invariant signal-to-distortion ratio of each pair: (N,) in dB; higher is better.

    Le Roux, Wisdom, Erdogan and Hershey 2018, "SDR: half-baked or well done?", arXiv:1811.02508: the target is scaled
    to fit the sound best, and what remains is distortion. NaN where the target is silent; at most `MAX_SDR`.

    Raises:
        BadInput: the shapes differ.
    """
    _check_same_shape(generated, target)
    x, y = generated.double(), target.double()
    power = y.square().sum(1)
    fitted = ((x * y).sum(1) / power.clamp_min(_TINY))[:, None] * y
    ratio = fitted.square().sum(1) / (x - fitted).square().sum(1).clamp_min(_TINY)
    decibels = (10 * ratio.clamp_min(_TINY).log10()).clamp_max(MAX_SDR)
    return torch.where(power > _TINY, decibels, math.nan)


def mel_l1(generated: Tensor, target: Tensor) -> Tensor:
    """Return the mean absolute difference of log-mel spectrograms (N, H, W) in decibels: (N,); lower is better."""
    _check_same_shape(generated, target)
    return (generated.double() - target.double()).abs().flatten(1).mean(1)


def mel_cepstral_distance(generated: Tensor, target: Tensor) -> Tensor:
    """Return the mel cepstral distance of log-mel spectrograms (N, H, W) in decibels: (N,); lower is better.

    Kubichek 1993, "Mel-cepstral distance measure for objective speech quality assessment", of the power in bands:
    per frame, 10 / ln 10 sqrt(2 sum (c - c')^2) over the cepstral coefficients 1 to 13. So it is the root mean square
    of the part of the difference that these express, and a change of the level makes none. Frames are not aligned.
    """
    _check_same_shape(generated, target)
    difference = generated.double() - target.double()
    bands = difference.shape[1]
    places = (torch.arange(bands, dtype=torch.float64, device=difference.device) + 0.5) / bands
    orders = torch.arange(1, 1 + min(CEPSTRAL_COEFFICIENTS, bands - 1), device=difference.device)
    basis = torch.cos(math.pi * orders[:, None] * places) / bands  # decibels are 10 / ln 10 logarithms of power
    return (2 * (basis @ difference).square().sum(1)).sqrt().mean(1)


def _check_same_shape(generated: Tensor, target: Tensor) -> None:
    if generated.shape != target.shape:
        raise BadInput(f"shape mismatch: generated {tuple(generated.shape)} and target {tuple(target.shape)}")


DESCRIBED_SCORES = (
    MetricInfo("mel_l1", "mean difference of log-mel spectrograms in dB: lower is better", lower_is_better=True),
    MetricInfo("mel_cepstral", "mel cepstral distance in dB, without the level: lower is better", lower_is_better=True),
    MetricInfo(
        "multi_resolution_stft",
        "distance of spectrograms of 3 windows: 0 for equal {noun}s",
        lower_is_better=True,
    ),
    MetricInfo(
        "si_sdr", "scale-invariant signal-to-distortion ratio in dB, of curves: higher is better", lower_is_better=False
    ),
)
