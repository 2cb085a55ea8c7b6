"""Sounds as samples that are waveforms, into which other sounds or their spectrograms are translated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from zerosum.data.audio.codec import INT16_SCALE, SOUND, AudioCodec, embed_spectrograms
from zerosum.data.audio.faults import measure_ends, measure_inner_clicks, measure_silence
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.sample_tree import leaves

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from zerosum.data.audio.log_mel import LogMel
    from zerosum.data.codec import Items
    from zerosum.game.types import Sample
    from zerosum.run_folder import Json

FORM = "wave"
"""What saved settings call this form."""


@dataclass(frozen=True)
class WaveCodec(AudioCodec):
    """Encodes mono sounds (N, T) as waveforms (N, 1, T); they are drawn and compared as log-mel spectrograms.

    Example:
        >>> codec = WaveCodec(rate=16_000, bands=64, frames=64, hop=256, window=1024)
        >>> codec.spec.shape
        (1, 16384)
    """

    @property
    def spec(self) -> TensorSpec:
        """A waveform (1, T), bounded."""
        return TensorSpec((1, self.length), bounded=True, rate=self.rate, window=self.window)

    def log_mel_of(self, frames: int) -> LogMel:
        """Return the spectrogram of sounds of so many frames."""
        return replace(self.log_mel, frames=frames)

    def encode(self, raw: Sample) -> Tensor:
        """Return the samples float32 (N, 1, T) of raw examples, of which they are a part."""
        assert isinstance(raw, Mapping), "raw sounds are a tree"
        return leaves(raw[SOUND])[0].float()[:, None] / INT16_SCALE

    def decode(self, sample: Sample, seed: Tensor) -> Items:
        """Return the sounds float32 (N, T) in [-1, 1] of samples (N, 1, T); NaN becomes silence."""
        return _as_sounds(sample).cpu().numpy()

    def preview_samples(self, sample: Sample, seed: Tensor) -> NDArray[np.uint8]:
        """Return the spectrograms of samples (N, 1, T) as gray images uint8 (N, H, W, 1)."""
        return self.preview(self.decode(sample, seed))

    @property
    def shown_bands(self) -> tuple[int, ...]:
        """None: samples are no images."""
        return ()

    def compared(self, samples: Tensor) -> Tensor:
        """Return the spectrograms (N, 1, H, W) of waveforms (N, 1, T) of any number of whole frames."""
        return self.log_mel.spectrogram(_as_sounds(samples))

    def embed(self, sample: Sample) -> Tensor:
        """Return spectrograms of samples (N, 1, T) at 8 x 8 as features (N, 64)."""
        return embed_spectrograms(self.compared(leaves(sample)[0]))

    def measure_faults(self, items: Items) -> NDArray[np.float64]:
        """Return how far sounds (N, T) are silent, click and break off, (N, 3), where ends of pieces are no clicks."""
        sounds = np.asarray(items, np.float32)
        clicks = measure_inner_clicks(sounds, self.rate)
        return np.stack([measure_silence(sounds), clicks, measure_ends(sounds, self.rate)], 1)

    def settings(self) -> Mapping[str, Json]:
        """Return the rate, the shape and the level, and that samples are waveforms."""
        return {**super().settings(), "form": FORM}


def _as_sounds(sample: Sample) -> Tensor:
    """Return the sounds (N, T) in [-1, 1] of waveforms (N, 1, T)."""
    (waves,) = leaves(sample)
    return waves.detach().float().nan_to_num(0.0)[:, 0].clamp(-1, 1)
