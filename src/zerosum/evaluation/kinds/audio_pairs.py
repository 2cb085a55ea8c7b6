"""Metrics that compare each sound of a translation with its target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from zerosum.evaluation.kinds.pair_metrics import PairMetrics
from zerosum.evaluation.metrics.paired_sounds import (
    mel_cepstral_distance,
    mel_l1,
    multi_resolution_stft,
    si_sdr,
)
from zerosum.game.mel_filters import DYNAMIC_RANGE

if TYPE_CHECKING:
    from zerosum.data.audio.log_mel import LogMel


class SoundPairMetrics(PairMetrics):
    """Distances of spectrograms, and the ratio of signal and distortion, of waveforms (N, 1, T)."""

    def __init__(self, log_mel: LogMel) -> None:
        """Start without pairs.

        Args:
            log_mel: the form of log-mel spectrograms.
        """
        super().__init__()
        self._log_mel = log_mel

    def compare(self, generated: Tensor, target: Tensor) -> Mapping[str, Tensor]:
        """Return each metric of each pair (N,)."""
        sounds = [waves[:, 0].float() for waves in (generated, target)]
        mels = [self._log_mel.spectrogram(wave)[:, 0] * (DYNAMIC_RANGE / 2) for wave in sounds]
        return {
            "mel_l1": mel_l1(*mels),
            "mel_cepstral": mel_cepstral_distance(*mels),
            "multi_resolution_stft": multi_resolution_stft(*sounds),
            "si_sdr": si_sdr(*sounds),
        }
