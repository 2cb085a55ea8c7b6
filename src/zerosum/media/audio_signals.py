"""Sounds, or their spectrograms, as inputs of a translation into sounds of any length."""

from __future__ import annotations

import math
import wave
from collections.abc import Callable, Iterator
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
from zerosum.data.audio.degradations import MEL, SoundDegradations
from zerosum.data.audio.imports import require_audio_packages
from zerosum.data.audio.mono import SILENCE_PEAK
from zerosum.data.audio.resampling import BLOCK_NUMBERS, ResampledSound
from zerosum.data.audio.sound_file import COMMON_SUFFIXES, SoundReader, is_sound_file, refuse_unreadable
from zerosum.data.audio.wave_codec import WaveCodec
from zerosum.data.content_hash import hash_content
from zerosum.data.text import printable
from zerosum.errors import BadInput
from zerosum.files import write_atomically
from zerosum.media.audio_file import FULL_SCALE, SUFFIX
from zerosum.media.signals import Signal, SignalFiles

MAX_SECONDS = 4 * 3600.0
"""Longest sound that is translated."""
MAX_DEGRADED_NUMBERS = 2**24
"""Longest sound that is degraded, at the rate of the run, all channels together: it is held in memory."""
MAX_WAV_BYTES = 2**32 - 2**10
"""Largest WAV file, whose header counts the bytes in 32 bits, without its header."""
MEL_SUFFIX = ".npy"
"""The suffix of spectrograms."""
_SEED_HEADER = "degraded"  # part of the hash: another header would change every degraded sound
_SEED_SECONDS = 60  # so much of a sound decides the seed of its degradations
ReadSound = Callable[[int, int], Tensor]
"""Returns numbers `start` to `stop` of N channels, (N, n): fewer where the sound ends."""


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

    def __post_init__(self) -> None:
        if self.degrade and not self._sound_degradations:
            raise BadInput("`degrade`: this run makes sounds of spectrograms, and degrades none; leave it out")

    @property
    def _sound_degradations(self) -> tuple[str, ...]:
        """The degradations that make a sound of a sound."""
        return tuple(name for name in self.degradations if name != MEL)

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
            if self.degrade:
                raise BadInput(
                    f"`degrade`: {printable(str(path))} is a spectrogram, and sounds are degraded; leave it out"
                )
            signal = GivenSpectrogram(self.codec, read_mel(path, self.codec.bands))
            _require_wav(printable(str(path)), signal.length * self.codec.hop, 1, self.codec.rate)
            return signal
        if not is_sound_file(path.name):
            arrays = f", or a {MEL_SUFFIX} file of a spectrogram" if self.takes_spectrograms else ""
            raise BadInput(f"{path}: is no sound; give a file {COMMON_SUFFIXES}{arrays}")
        require_audio_packages()
        return self._open_sound(path)

    def _open_sound(self, path: Path) -> Signal:
        """Return the channels of a sound at the rate and the level of the training sounds.

        Its level follows from all of it, so it is read twice: now, and while it is translated.
        """
        with refuse_unreadable(path):
            file = SoundReader(path)
            sound = ResampledSound(file.read, file.channels, file.rate, self.codec.rate)
            self._require_length(path, file, sound.length_of(file.total))
            length, peak = 0, 0.0
            for block in sound.blocks():
                length, peak = length + len(block), max(peak, float(np.abs(block).max()))
            level = PEAK / peak if self.codec.normalize and peak >= SILENCE_PEAK else 1.0
            read: ReadSound = partial(_read_channels, path, sound, level)
            if self.degrade:
                read = self._degrade(read, length, _draw_seed(file))
        kind = SoundSpectrogram if self.takes_spectrograms else SoundWave
        return kind(self.codec, read, length, level, file.rate)

    def _require_length(self, path: Path, file: SoundReader, length: int) -> None:
        """Raise if a sound, of this length at the rate of the run, is too long.

        Raises:
            BadInput: it is.
        """
        name = printable(str(path))
        if file.seconds > MAX_SECONDS:
            raise BadInput(f"{name}: is longer than {MAX_SECONDS / 3600:g} hours; cut it into parts")
        if self.degrade and length * file.channels > MAX_DEGRADED_NUMBERS:
            most = MAX_DEGRADED_NUMBERS // file.channels // self.codec.rate
            raise BadInput(f"`degrade`: {name} is longer than the {most} seconds that are degraded; cut it into parts")
        _require_wav(name, length, file.channels, self.codec.rate)

    def _degrade(self, read: ReadSound, length: int, seed: Tensor) -> ReadSound:
        """Return a degraded sound, which is held in memory; all channels have one seed (1,)."""
        degrade = SoundDegradations(self._sound_degradations, self.codec.log_mel_of(math.ceil(length / self.codec.hop)))
        waves = torch.cat([read(start, start + BLOCK_NUMBERS) for start in range(0, length, BLOCK_NUMBERS)], 1)
        for channel in waves:  # one after the other: a degradation takes several times the memory of what it degrades
            channel[:] = degrade(channel[None, None], seed)[0, 0]
        return lambda start, stop: waves[:, start:stop]


@dataclass(frozen=True, eq=False)
class SoundWave(Signal):
    """The channels of a sound as waveforms."""

    codec: WaveCodec
    read_sound: ReadSound
    """Reads a part of the sound, at the level of training sounds."""
    total: int
    """Length of the sound."""
    level: float = 1.0
    """By what the sound was multiplied."""
    given_rate: int = 0
    """The rate of the file in Hz; 0: that of the codec."""

    @property
    def length(self) -> int:
        """Length T of the sound."""
        return self.total

    @property
    def note(self) -> str:
        """The frequencies that its rate has and that of the run has not."""
        rate = self.codec.rate
        if self.given_rate <= rate:
            return ""
        return (
            f"sounds of more than {rate} Hz are resampled to it, the rate of this run, and lose what is above "
            f"{rate // 2} Hz; train with a larger `data.rate` to keep more"
        )

    def read(self, start: int, stop: int) -> Tensor:
        """Return numbers `start` to `stop`: (N, 1, stop - start)."""
        return self.read_sound(start, stop)[:, None]

    def write(self, pieces: Iterator[Tensor], path: Path) -> None:
        """Write a WAV file of 16 bits as long as the sound, at its level."""
        write_atomically(path, partial(write_pieces, pieces, self.total, self.level, self.codec.rate))


@dataclass(frozen=True, eq=False)
class SoundSpectrogram(SoundWave):
    """The channels of a sound as log-mel spectrograms, computed when they are read."""

    @property
    def length(self) -> int:
        """Number of frames."""
        return math.ceil(self.total / self.codec.hop)

    def read(self, start: int, stop: int) -> Tensor:
        """Return frames `start` to `stop`: (N, H, stop - start), the same as of the whole sound."""
        hop, margin = self.codec.hop, math.ceil(self.codec.window / 2 / self.codec.hop)
        first, last = (start - margin) * hop, (stop + margin) * hop
        within = self.read_sound(max(first, 0), last)
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
        with np.errstate(over="ignore"):  # memory-mapped: a damaged header may ask for any amount of memory
            array: NDArray[np.generic] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError, TypeError) as error:
        raise BadInput(f"{name}: cannot be read as an array ({error}); replace the file") from error
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        raise BadInput(f"{name}: is no array of numbers; give a log-mel spectrogram of shape ({bands}, frames)")
    values = np.array(array[0] if array.ndim == 3 and len(array) == 1 else array, np.float32)
    if values.ndim != 2 or values.shape[0] != bands or not values.shape[1]:
        raise BadInput(f"{name}: has the shape {array.shape}, and this run takes spectrograms ({bands}, frames)")
    if not (np.abs(values) <= 1.001).all():  # also if it is NaN
        raise BadInput(
            f"{name}: has values outside of -1 to 1; give a log-mel spectrogram in the scale of the run, in which 1 is "
            "a sine of amplitude 1 and -1 is 80 decibels below"
        )
    return torch.from_numpy(values).clamp(-1, 1)


def _read_channels(path: Path, sound: ResampledSound, level: float, start: int, stop: int) -> Tensor:
    """Return numbers `start` to `stop` of each channel of a sound in a file, (N, n), multiplied by a level."""
    with refuse_unreadable(path):
        return torch.from_numpy(np.ascontiguousarray(sound.read(start, stop).T)) * level


def _draw_seed(file: SoundReader) -> Tensor:
    """Return the seed (1,) of the degradations of a sound, which follows from its first minute."""
    start = np.ascontiguousarray(file.read(0, _SEED_SECONDS * file.rate), "<f4")
    return torch.from_numpy(np.array([hash_content(_SEED_HEADER, start.tobytes())], np.uint64).view(np.int64))


def _require_wav(name: str, length: int, channels: int, rate: int) -> None:
    """Raise if a WAV file cannot hold so many numbers of so many channels.

    Raises:
        BadInput: it cannot.
    """
    most = MAX_WAV_BYTES // (2 * channels)
    if length > most:
        raise BadInput(
            f"{name}: its translation would have {length * channels * 2 / 2**30:.1f} GiB, and a WAV file holds at most "
            f"4; cut it into parts of less than {most / rate / 3600:.1f} hours"
        )


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
