"""Symmetries of sounds: small shifts in time and small changes of level, under which a real sound stays real."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from zerosum.game import seeded_rng
from zerosum.game.mel_filters import from_unit, to_unit
from zerosum.game.sample_tree import leaves
from zerosum.game.types import Sample


@dataclass(frozen=True)
class TimeShift:
    """Shifts each spectrogram (N, 1, H, W) by up to some frames.

    A sound that starts with its onset is shifted to later times only, with silence before it, since the onset is what
    one hears first. Of a piece of a sound that goes on, the frame at the end is repeated.
    """

    frames: int
    """The largest shift."""
    goes_on: bool = False
    """Whether samples are pieces of sounds, which are shifted to either side."""

    def __call__(self, samples: Sample, seed: Tensor) -> Tensor:
        """Shift samples (N, 1, H, W) as their seeds (N,) determine it."""
        (images,) = leaves(samples)
        draws = seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.TIME_SHIFT)[:, 0]
        earliest = -self.frames if self.goes_on else 0
        shift = (draws * (self.frames - earliest + 1)).floor().long() + earliest
        width = images.shape[-1]
        places = torch.arange(width, device=images.device) - shift.to(images.device)[:, None]
        index = places.clamp(0, width - 1)[:, None, None].expand(images.shape)
        shifted = images.gather(3, index)
        return shifted if self.goes_on else shifted.masked_fill((places < 0)[:, None, None], -1.0)


@dataclass(frozen=True)
class Gain:
    """Makes each spectrogram (N, 1, H, W) louder or quieter by up to some decibels."""

    decibels: float
    """The largest change, to either side."""

    def __call__(self, samples: Sample, seed: Tensor) -> Tensor:
        """Change samples (N, 1, H, W) as their seeds (N,) determine it."""
        (images,) = leaves(samples)
        draws = seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.GAIN).to(images.device)
        change = self.decibels * (2 * draws - 1)
        return to_unit(from_unit(images) * 10 ** (change / 10)[:, :, None, None])


@dataclass(frozen=True)
class WaveGain:
    """Makes each waveform (N, 1, T) louder or quieter by up to some decibels, and none louder than full scale."""

    decibels: float
    """The largest change, to either side."""

    def __call__(self, samples: Sample, seed: Tensor) -> Tensor:
        """Change samples (N, 1, T) as their seeds (N,) determine it."""
        (waves,) = leaves(samples)
        draws = seeded_rng.uniform(seed, 1, seeded_rng.RandomStream.GAIN).to(waves.device)[:, :, None]
        peaks = waves.abs().amax(2, keepdim=True).clamp_min(1e-9)
        return waves * (10 ** (self.decibels * (2 * draws - 1) / 20)).minimum(1 / peaks)
