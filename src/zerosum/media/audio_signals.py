"""Sounds, or their spectrograms, as inputs of a translation into sounds of any length."""

from __future__ import annotations

import math
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from zerosum.data.audio.codec import PEAK
from zerosum.data.audio.degradations import SoundDegradations
from zerosum.data.audio.imports import require_audio_packages
from zerosum.data.audio.prepare import SILENCE_PEAK, resample
from zerosum.data.audio.sound_file import COMMON_SUFFIXES, is_sound_file, read_one_sound
from zerosum.data.audio.wave_codec import WaveCodec
from zerosum.data.text import printable
from zerosum.errors import BadInput
from zerosum.files import write_atomically
from zerosum.media.audio_file import FULL_SCALE, SUFFIX
from zerosum.media.signals import Signal, SignalFiles

MAX_SECONDS = 4 * 3600.0
"""Longest sound that is read: it is held in memory."""
MEL_SUFFIX = ".npy"
"""The suffix of spectrograms."""


@dataclass(frozen=True)
class AudioSignals(SignalFiles):
    """Sound files and, for a vocoder, arrays of log-mel spectrograms."""

    codec: WaveCodec
    degradations: tuple[str, ...]
    """Those of the training data."""
    degrade: bool = False
    """Whether sounds are degraded first, as in training; a spectrogram is made of them in any case."""
    noun: ClassVar[str] = "sound"
    suffix: ClassVar[str] = SUFFIX

    @property
    def takes_spectrograms(self) -> bool:
        """Whether an input is a spectrogram."""
        return SoundDegradations(self.degradations, self.codec.log_mel).makes_spectrograms

    def is_input(self, path: Path) -> bool:
        """Return whether a file is a sound or, for a vocoder, an array."""
        return is_sound_file(path.name) or (self.takes_spectrograms and path.suffix.lower() == MEL_SUFFIX)

    def open(self, path: Path) -> Signal:
        """Open a sound or an array.

        Raises:
            BadInput: it cannot be used.
        """
        if path.suffix.lower() == MEL_SUFFIX:
            if not self.takes_spectrograms:
                raise BadInput(f"{path}: this run translates sounds, not spectrograms; give a file {COMMON_SUFFIXES}")
            return GivenSpectrogram(self.codec, read_mel(path, self.codec.bands))
        if not is_sound_file(path.name):
            arrays = f", or a {MEL_SUFFIX} file of a spectrogram" if self.takes_spectrograms else ""
            raise BadInput(f"{path}: is no sound; give a file {COMMON_SUFFIXES}{arrays}")
        require_audio_packages()
        return self._prepare(path)

    def _prepare(self, path: Path) -> Signal:
        """Return the channels of a sound at the rate and the level of the training sounds."""
        sound = read_one_sound(path, MAX_SECONDS)
        if sound.seconds > MAX_SECONDS:
            raise BadInput(f"{path}: is longer than {MAX_SECONDS / 3600:g} hours; cut it into parts")
        channels = np.stack([resample(channel, sound.rate, self.codec.rate) for channel in sound.values.T])
        peak = float(np.abs(channels).max())
        level = PEAK / peak if self.codec.normalize and peak >= SILENCE_PEAK else 1.0
        waves = torch.from_numpy(channels.astype(np.float32)) * level
        names = tuple(name for name in self.degradations if name != "mel")
        if self.degrade and names:
            form = self.codec.log_mel_of(math.ceil(waves.shape[1] / self.codec.hop))
            waves = SoundDegradations(names, form)(waves[:, None], torch.arange(len(waves)))[:, 0]
        kind = SoundSpectrogram if self.takes_spectrograms else SoundWave
        return kind(self.codec, waves, level)


@dataclass(frozen=True, eq=False)
class SoundWave(Signal):
    """The channels of a sound as waveforms."""

    codec: WaveCodec
    waves: Tensor
    """(N, T), at the level of training sounds."""
    level: float = 1.0
    """By what the sound was multiplied."""

    @property
    def length(self) -> int:
        """Length T of the sound."""
        return self.waves.shape[1]

    def read(self, start: int, stop: int) -> Tensor:
        """Return numbers `start` to `stop`: (N, 1, stop - start)."""
        return self.waves[:, None, start:stop]

    def write(self, pieces: Iterator[Tensor], path: Path) -> None:
        """Write a WAV file of 16 bits as long as the sound, at its level."""
        write_atomically(path, partial(write_pieces, pieces, self.waves.shape[1], self.level, self.codec.rate))


@dataclass(frozen=True, eq=False)
class SoundSpectrogram(SoundWave):
    """The channels of a sound as log-mel spectrograms, computed when they are read."""

    @property
    def length(self) -> int:
        """Number of frames."""
        return math.ceil(self.waves.shape[1] / self.codec.hop)

    def read(self, start: int, stop: int) -> Tensor:
        """Return frames `start` to `stop`: (N, H, stop - start), the same as of the whole sound."""
        hop, margin = self.codec.hop, math.ceil(self.codec.window / 2 / self.codec.hop)
        first, last = (start - margin) * hop, (stop + margin) * hop
        within = self.waves[:, max(first, 0) : last]
        silence = max(-first, 0), max(0, last - max(first, 0) - within.shape[1])
        form = self.codec.log_mel_of(stop - start + 2 * margin)
        return form.spectrogram(functional.pad(within, silence))[:, 0, :, margin:-margin]


@dataclass(frozen=True, eq=False)
class GivenSpectrogram(Signal):
    """A log-mel spectrogram as it is."""

    codec: WaveCodec
    mel: Tensor
    """(H, W) in [-1, 1]."""

    @property
    def length(self) -> int:
        """Number of frames."""
        return self.mel.shape[1]

    def read(self, start: int, stop: int) -> Tensor:
        """Return frames `start` to `stop`: (1, H, stop - start)."""
        return self.mel[None, :, start:stop]

    def write(self, pieces: Iterator[Tensor], path: Path) -> None:
        """Write a WAV file of 16 bits."""
        write_atomically(path, partial(write_pieces, pieces, self.length * self.codec.hop, 1.0, self.codec.rate))


def read_mel(path: Path, bands: int) -> Tensor:
    """Return the log-mel spectrogram (H, W) of an array (H, W) or (1, H, W), the highest band first.

    Raises:
        BadInput: it is none of a run with so many bands.
    """
    name = printable(str(path))
    try:
        array: NDArray[np.generic] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadInput(f"{name}: cannot be read as an array ({error}); replace the file") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise BadInput(f"{name}: is no array of numbers; give a log-mel spectrogram of shape ({bands}, frames)")
    values = np.asarray(array[0] if array.ndim == 3 and len(array) == 1 else array, np.float32)
    if values.ndim != 2 or values.shape[0] != bands or not values.shape[1]:
        raise BadInput(f"{name}: has the shape {array.shape}, and this run takes spectrograms ({bands}, frames)")
    if not (np.abs(values) <= 1.001).all():  # also if it is NaN
        raise BadInput(
            f"{name}: has values outside of -1 to 1; give a log-mel spectrogram in the scale of the run, in which 1 is "
            "a sine of amplitude 1 and -1 is 80 decibels below"
        )
    return torch.from_numpy(values).clamp(-1, 1)


def write_pieces(pieces: Iterator[Tensor], length: int, level: float, rate: int, path: Path) -> None:
    """Write pieces (N, 1, t) of N channels as a WAV file of 16 bits of so many numbers, divided by a level."""
    left = length
    with path.open("wb") as file, wave.open(file, "wb") as writer:
        for piece in pieces:
            if left == length:
                writer.setnchannels(len(piece))
                writer.setsampwidth(2)
                writer.setframerate(rate)
            part = (piece[:, 0, :left] / level).nan_to_num().clamp(-1, 1).t().numpy()
            writer.writeframes(np.rint(part * FULL_SCALE).astype("<i2").tobytes())
            left -= len(part)
