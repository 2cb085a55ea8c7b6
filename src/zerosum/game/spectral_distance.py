"""The distance of the spectra of waveforms, which a term and a metric share."""

from __future__ import annotations

import torch
from torch import Tensor

from zerosum.game.stft_window import choose_hop

WINDOWS = (512, 1024, 2048)
"""Windows at which spectra are compared."""
FLOOR = 1e-4
"""A magnitude below which sounds are silent: 80 decibels below a sine of amplitude 1."""


def stft_distance(generated: Tensor, target: Tensor, window: int) -> Tensor:
    """Return the distance of the spectra of waveforms (N, T) from those of others: (N,), 0 for equal ones.

    Yamamoto, Song and Kim 2020 (Parallel WaveGAN), arXiv:1910.11480, equations 4 to 6: the spectral convergence
    |Y - X| / |Y| of magnitudes plus the mean absolute difference of their natural logarithms. Here magnitudes are those
    at which a sine of amplitude 1 has a peak of 1, and what is below `FLOOR` is silent.
    """
    x, y = (_magnitudes(waves, window) for waves in (generated, target))
    scale = y.square().sum((1, 2)).sqrt()
    convergence = ((x - y).square().sum((1, 2)) + FLOOR**2).sqrt() / scale.clamp_min(FLOOR)
    distance: Tensor = convergence + (x.log() - y.log()).abs().mean((1, 2))
    return distance


def _magnitudes(waves: Tensor, window: int) -> Tensor:
    """Return the magnitudes (N, F, W) of waveforms (N, T), at least `FLOOR`."""
    hann = torch.hann_window(window, dtype=waves.dtype, device=waves.device)
    return (power_spectrum(waves, hann) + FLOOR**2).sqrt()


def power_spectrum(waves: Tensor, hann: Tensor) -> Tensor:
    """Return the power (N, F, W) of waveforms (N, T), silent outside, at which a sine of amplitude 1 has a peak of 1.

    Args:
        waves: (N, T).
        hann: the window of a frame (window,).
    """
    window = len(hann)
    spectrum = torch.stft(waves, window, choose_hop(window), window=hann, pad_mode="constant", return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square()) * (2 / hann.sum()) ** 2
