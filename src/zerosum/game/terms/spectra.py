"""Terms of translation into waveforms, which compare spectra."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from zerosum.game.schedule import Schedule
from zerosum.game.terms.base import RoundInterval, TermSettings

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from zerosum.game.play import Play

Window = Annotated[int, Field(ge=64, le=8192)]
MIN_BANDS = 8


class LogMelDistance(TermSettings):
    """Mean absolute difference of the log-mel spectrograms of output and target, waveforms both.

    Kong et al. 2020 (HiFi-GAN), arXiv:2010.05646, equation 5; with windows of several lengths as in Yamamoto, Song and
    Kim 2020 (Parallel WaveGAN), arXiv:1910.11480. Spectrograms are those of `zerosum.game.mel_filters`: from -1
    to 1 are 80 decibels.
    """

    kind: Literal["log-mel"] = "log-mel"
    weight: Schedule = 45.0
    """Weight of the term."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    windows: Annotated[tuple[Window, ...], Field(min_length=1, max_length=8)] = (512, 1024, 2048)
    """Lengths of the windows."""
    player: ClassVar[str] = "generator"
    is_paired: ClassVar[bool] = True
    requires: ClassVar[frozenset[str]] = frozenset({"waveforms"})

    def __call__(self, play: Play) -> Tensor:
        """Return the mean over windows, bands and frames: (N,)."""
        from zerosum.game.sample_spec import require_single_tensor

        rate = require_single_tensor(play.game.sample_spec, "`terms` log-mel").rate
        fake, real = _read_waves(play)
        distances = [
            (log_mel(fake, window, rate) - log_mel(real, window, rate)).abs().flatten(1).mean(1)
            for window in self.windows
        ]
        return sum(distances[1:], distances[0]) / len(distances)


class STFTDistance(TermSettings):
    """Distance of the spectra of output and target, waveforms both: see `zerosum.game.spectral_distance`.

    Yamamoto, Song and Kim 2020 (Parallel WaveGAN), arXiv:1910.11480, section 2.2.
    """

    kind: Literal["stft"] = "stft"
    weight: Schedule = 1.0
    """Weight of the term."""
    every_rounds: RoundInterval = 1
    """Interval in rounds; see `zerosum.game.terms`."""
    windows: Annotated[tuple[Window, ...], Field(min_length=1, max_length=8)] = (512, 1024, 2048)
    """Lengths of the windows."""
    player: ClassVar[str] = "generator"
    is_paired: ClassVar[bool] = True
    requires: ClassVar[frozenset[str]] = frozenset({"waveforms"})

    def __call__(self, play: Play) -> Tensor:
        """Return the mean over windows: (N,)."""
        from zerosum.game.spectral_distance import stft_distance

        fake, real = _read_waves(play)
        distances = [stft_distance(fake[:, 0], real[:, 0], window) for window in self.windows]
        return sum(distances[1:], distances[0]) / len(distances)


def _read_waves(play: Play) -> tuple[Tensor, Tensor]:
    """Return the generated and the real waveforms (N, 1, T), at least float32."""
    from zerosum.game.sample_tree import single_tensor
    from zerosum.game.types import at_least_float32

    return at_least_float32(single_tensor(play.fake_samples)), at_least_float32(single_tensor(play.real_samples))


def log_mel(waves: Tensor, window: int, rate: int) -> Tensor:
    """Return the log-mel spectrograms (N, H, W) in [-1, 1] of waveforms (N, 1, T), with a band for each 16 numbers.

    Args:
        waves: (N, 1, T).
        window: length of the window of a frame.
        rate: values a second, in Hz.
    """
    from zerosum.game.mel_filters import to_unit
    from zerosum.game.spectral_distance import power_spectrum

    hann, filters = _window_and_filters(window, rate, waves.device)
    return to_unit(filters @ power_spectrum(waves[:, 0], hann))


@lru_cache(maxsize=32)
def _window_and_filters(window: int, rate: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return a Hann window (window,), and mel filters (H, window // 2 + 1)."""
    import torch

    from zerosum.game.mel_filters import mel_filters

    bands = max(MIN_BANDS, window // 16)
    return torch.hann_window(window, device=device), mel_filters(bands, window, rate).to(device)
