"""Sounds as samples: what all forms of samples share, and log-mel spectrograms, of which sounds are made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from zerosum.data.audio.faults import measure_clicks, measure_ends, measure_silence
from zerosum.data.audio.log_mel import LogMel
from zerosum.data.codec import Codec, Items
from zerosum.game.sample_spec import TensorSpec
from zerosum.game.sample_tree import leaves

if TYPE_CHECKING:
    from zerosum.game.types import Sample
    from zerosum.run_folder import Json

PEAK = 0.9
"""The largest absolute value of sounds whose level is normalized."""
MAX_GAIN = 4.0
"""Largest factor by which a generated sound is amplified to that: one that is almost silent stays so."""
INT16_SCALE = 32767
"""The 16-bit number of 1.0: raw sounds are stored so, and files that are written."""
SOUND, SPECTROGRAM = "sound", "spectrogram"
"""The parts of a raw example: int16 (N, T) and float16 (N, H, W)."""
_DECODED_TOGETHER = 64  # sounds, so that memory does not grow with their number
_EMBEDDED_SIDE = 8
_NUMBERS = ("rate", "bands", "frames", "hop", "window")


@dataclass(frozen=True)
class AudioCodec(Codec):
    """The form of mono sounds (N, T) in [-1, 1] and of their log-mel spectrograms (N, 1, H, W) in [-1, 1].

    Sounds are drawn, compared and stored alike, whatever samples are made of them.
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
    """Length of the window of a frame."""
    normalize: bool = True
    """Whether sounds have been scaled to a peak of `PEAK`, and generated ones are."""

    @classmethod
    def of(cls, codec: AudioCodec) -> Self:
        """Return this form of samples of the same sounds as another one."""
        return cls(codec.rate, codec.bands, codec.frames, codec.hop, codec.window, codec.normalize)

    @cached_property
    def log_mel(self) -> LogMel:
        """The spectrogram of a sound and its inverse."""
        return LogMel(self.rate, self.bands, self.frames, self.hop, self.window)

    @property
    def length(self) -> int:
        """Length T of a sound."""
        return self.frames * self.hop

    @property
    def seconds(self) -> float:
        """Length of a sound in seconds."""
        return self.length / self.rate

    # ------------------------------------------------------------------ sounds

    def encode_sounds(self, sounds: Items) -> Tensor:
        """Return the spectrograms (N, 1, H, W) of sounds (N, T) on the CPU."""
        given = torch.from_numpy(np.asarray(sounds, np.float32))
        parts = [self.log_mel.spectrogram(part) for part in torch.split(given, _DECODED_TOGETHER) if len(part)]
        return torch.cat(parts) if parts else torch.zeros(0, 1, self.bands, self.frames)

    def scale(self, sounds: Tensor) -> Tensor:
        """Return sounds (N, T) at the level of training sounds, and at most 1."""
        peaks = sounds.abs().amax(1, keepdim=True).clamp_min(1e-9)
        gains = (PEAK / peaks).clamp_max(MAX_GAIN) if self.normalize else (1 / peaks).clamp_max(1)
        return sounds * gains

    def items(self, raw: Sample) -> Items:
        """Return the sounds float32 (N, T) of raw examples."""
        assert isinstance(raw, Mapping), "raw sounds are a tree"
        return leaves(raw[SOUND])[0].numpy().astype(np.float32) / np.float32(INT16_SCALE)

    def preview(self, items: Items) -> NDArray[np.uint8]:
        """Return the spectrograms of sounds (N, T) as gray images uint8 (N, H, W, 1), high frequencies on top."""
        return _as_gray(self.encode_sounds(items))

    @property
    def fault_names(self) -> tuple[str, ...]:
        """What is wrong with some generated sounds, whatever they are meant to be."""
        return ("silence", "clicks", "abrupt_ends")

    def measure_faults(self, items: Items) -> NDArray[np.float64]:
        """Return how far sounds (N, T) are silent, click and break off, (N, 3): up to 1 they do not."""
        sounds = np.asarray(items, np.float32)
        ends = measure_ends(sounds, self.rate)
        return np.stack([measure_silence(sounds), measure_clicks(sounds, self.rate), ends], 1)

    # ------------------------------------------------------------------ saved state

    def settings(self) -> Mapping[str, Json]:
        """Return the rate, the shape and the level."""
        numbers = {name: int(vars(self)[name]) for name in _NUMBERS}
        return {**numbers, "normalize": self.normalize}

    @classmethod
    def restore(cls, settings: Mapping[str, Json]) -> Self:
        """Return the codec that was saved.

        Raises:
            KeyError, ValueError: the settings are damaged.
        """
        rate, bands, frames, hop, window = (int(str(settings[name])) for name in _NUMBERS)
        return cls(rate, bands, frames, hop, window, bool(settings["normalize"]))


@dataclass(frozen=True)
class SpectrogramCodec(AudioCodec):
    """Encodes mono sounds (N, T) as log-mel spectrograms (N, 1, H, W), and decodes these.

    Example:
        >>> codec = SpectrogramCodec(rate=16_000, bands=64, frames=64, hop=256, window=1024)
        >>> codec.spec.shape, codec.length, codec.seconds
        ((1, 64, 64), 16384, 1.024)
    """

    @property
    def spec(self) -> TensorSpec:
        """A log-mel spectrogram (1, H, W), bounded."""
        return TensorSpec((1, self.bands, self.frames), bounded=True)

    def encode(self, raw: Sample) -> Tensor:
        """Return the samples float32 (N, 1, H, W) of raw examples, of which they are a part."""
        assert isinstance(raw, Mapping), "raw sounds are a tree"
        return leaves(raw[SPECTROGRAM])[0].float()[:, None]

    def decode(self, sample: Sample, seed: Tensor) -> Items:
        """Return the sounds float32 (N, T) in [-1, 1] of samples (N, 1, H, W), with phases that their seeds start.

        Values outside of [-1, 1] are clipped, and NaN becomes silence.
        """
        (given,) = leaves(sample)
        samples = given.detach().float().nan_to_num(-1.0)
        pairs = zip(torch.split(samples, _DECODED_TOGETHER), torch.split(seed, _DECODED_TOGETHER), strict=True)
        parts = [self.scale(self.log_mel.sounds(part, part_seed)).cpu() for part, part_seed in pairs if len(part)]
        return torch.cat(parts).numpy() if parts else np.zeros((0, self.length), np.float32)

    def preview_samples(self, sample: Sample, seed: Tensor) -> NDArray[np.uint8]:
        """Return samples (N, 1, H, W) as gray images uint8 (N, H, W, 1), without making sounds of them."""
        (given,) = leaves(sample)
        return _as_gray(given.detach().float().nan_to_num(-1.0).clamp(-1, 1).cpu())

    @property
    def shown_bands(self) -> tuple[int, ...]:
        """The one channel of a spectrogram: samples are drawn as gray images."""
        return (0,)

    def embed(self, sample: Sample) -> Tensor:
        """Return samples (N, 1, H, W) at 8 x 8 as features (N, 64)."""
        return embed_spectrograms(leaves(sample)[0])


def embed_spectrograms(spectrograms: Tensor) -> Tensor:
    """Return spectrograms (N, 1, H, W) at 8 x 8 as features (N, 64) on the CPU."""
    pooled = torch.nn.functional.adaptive_avg_pool2d(spectrograms.detach().float(), _EMBEDDED_SIDE)
    return pooled.flatten(1).cpu()


def _as_gray(spectrograms: Tensor) -> NDArray[np.uint8]:
    """Return spectrograms (N, 1, H, W) in [-1, 1] as images uint8 (N, H, W, 1)."""
    return ((spectrograms[:, 0, :, :, None] + 1) * 127.5).round().to(torch.uint8).numpy()
