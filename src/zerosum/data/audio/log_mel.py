"""Log-mel spectrograms of sounds, and sounds of log-mel spectrograms.

A sound of T = frames * hop numbers at a rate is an image of mel bands by frames: the mean power in each band of the
mel scale, in decibels, scaled to [-1, 1]. Row 0 is the highest band, as spectrograms are drawn. The inverse finds the
power spectrum of each frame by Richardson's and Lucy's multiplicative steps, which keep the power in the bands, and
then phases that fit it by the fast algorithm of Griffin and Lim (Perraudin, Balazs and Sondergaard 2013, WASPAA).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from zerosum.game import seeded_rng
from zerosum.game.mel_filters import from_unit, mel_filters, to_unit

MEL_STEPS, PHASE_STEPS = 30, 48
"""Numbers of steps of the two parts of the inversion."""
ACCELERATION = 0.99
"""Momentum of the fast algorithm: alpha in its paper."""
_TINY = 1e-12


@dataclass(frozen=True)
class LogMel:
    """The log-mel spectrogram of sounds of one rate and length.

    Example:
        >>> form = LogMel(rate=16_000, bands=64, frames=64, hop=256, window=1024)
        >>> form.spectrogram(torch.zeros(2, form.length)).shape
        torch.Size([2, 1, 64, 64])
    """

    rate: int
    """Samples of sound a second, in Hz."""
    bands: int
    """Number H of mel bands."""
    frames: int
    """Number W of frames."""
    hop: int
    """Numbers of a sound from one frame to the next."""
    window: int
    """Length of the window of a frame (Hann), a power of two."""

    @property
    def length(self) -> int:
        """Length T of a sound."""
        return self.frames * self.hop

    @cached_property
    def filters(self) -> Tensor:
        """The mel filters (H, window // 2 + 1) from the lowest to the highest; each has a sum of 1."""
        return mel_filters(self.bands, self.window, self.rate)

    @cached_property
    def hann(self) -> Tensor:
        """The window (window,)."""
        return torch.hann_window(self.window)

    # ------------------------------------------------------------------ sound to spectrogram

    def spectrogram(self, sounds: Tensor) -> Tensor:
        """Return the samples (N, 1, H, W) in [-1, 1] of sounds (N, T) in [-1, 1], on their device.

        Sounds may have another length than T: each hop of them is a frame, and a rest is none.
        """
        power = self._scaled_spectrum(sounds).abs().square()[..., : sounds.shape[1] // self.hop]
        return to_unit(self.filters.to(power) @ power).flip(1)[:, None]

    def _scaled_spectrum(self, sounds: Tensor) -> Tensor:
        """Return the spectrum (N, F, W + 1) in which a sine of amplitude 1 has a peak of 1."""
        return self._spectrum(sounds) * (2 / self.hann.sum())

    def _spectrum(self, sounds: Tensor) -> Tensor:
        return torch.stft(
            sounds, self.window, self.hop, window=self.hann.to(sounds), pad_mode="constant", return_complex=True
        )

    # ------------------------------------------------------------------ spectrogram to sound

    def sounds(self, samples: Tensor, seed: Tensor) -> Tensor:
        """Return sounds (N, T) of samples (N, 1, H, W) in [-1, 1].

        Args:
            samples: log-mel spectrograms, of any number W of frames, each of which is a hop of T.
            seed: (N,) int64, from which the first phases derive.
        """
        band_power = from_unit(samples[:, 0].flip(1))
        # a sound has one frame more than a sample: the last one, which ends in silence
        band_power = torch.cat((band_power, band_power[..., -1:]), 2)
        magnitude = self._invert_filters(band_power).sqrt() * (self.hann.sum() / 2)
        return self._find_phases(magnitude, seed)

    def _invert_filters(self, band_power: Tensor) -> Tensor:
        """Return the power spectrum (N, F, W + 1) of which mel filters make this power of bands (N, H, W + 1).

        Richardson's and Lucy's steps: x is multiplied by A' (y / A x) / A' 1, with filters A and bands y.
        """
        filters = self.filters.to(band_power)
        back = filters.t() / (filters.sum(0)[:, None] + _TINY)
        power = back @ band_power
        for _ in range(MEL_STEPS):
            power = power * (back @ (band_power / (filters @ power + _TINY)))
        return power

    def _find_phases(self, magnitude: Tensor, seed: Tensor) -> Tensor:
        """Return sounds (N, T) whose spectra come close to a magnitude (N, F, W + 1)."""
        shape = magnitude.shape
        turns = seeded_rng.uniform(seed.to(magnitude.device), shape[1] * shape[2], seeded_rng.RandomStream.PHASE)
        spectrum = magnitude * torch.exp(2j * torch.pi * turns.view(shape))
        former = torch.zeros_like(spectrum)
        for _ in range(PHASE_STEPS):
            consistent = self._spectrum(self._sound(spectrum))
            guess = consistent + ACCELERATION * (consistent - former)
            former = consistent
            spectrum = magnitude * guess / (guess.abs() + _TINY)
        return self._sound(spectrum)

    def _sound(self, spectrum: Tensor) -> Tensor:
        length = (spectrum.shape[2] - 1) * self.hop
        return torch.istft(spectrum, self.window, self.hop, window=self.hann.to(spectrum.device), length=length)
