"""Prepare sounds: mono, at one rate, without silence before them, of one length and one level."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from zerosum.data.audio.codec import PEAK, AudioCodec
from zerosum.data.audio.sound_file import Sound

SILENCE_PEAK = 1e-4
"""A sound whose largest absolute value is below this, -80 decibels of full scale, is silent."""
MAX_SILENCE_SECONDS = 60.0
"""So much silence before a sound is looked through."""
MAX_SECONDS_OF_PIECES = 3600.0
"""So much of a file is cut into pieces."""
_ONSET, _SECONDS_BEFORE_ONSET = 0.02, 0.002  # a sound starts where it reaches this share of its peak
_FADE_OUT_SECONDS, _FADE_IN_SECONDS = 0.05, 0.005
_LEAST_PIECE = 0.5  # the last piece of a sound is kept if the sound fills so much of it


@dataclass(frozen=True)
class Preparation:
    """What is done with each sound."""

    codec: AudioCodec
    """Rate, length and level."""
    trim: bool = True
    """Whether silence before a sound is removed."""
    pieces: bool = False
    """Whether longer sounds are cut into pieces, not to their start."""
    fades: bool = True
    """Whether the ends of what is cut are faded."""

    @property
    def key(self) -> str:
        """What the cache distinguishes."""
        return f"{dict(self.codec.settings())} trim {self.trim} pieces {self.pieces} fades {self.fades}"

    @property
    def max_seconds(self) -> float:
        """How much of a file is read."""
        return MAX_SECONDS_OF_PIECES if self.pieces else self.codec.seconds + MAX_SILENCE_SECONDS

    def describe(self) -> str:
        """Return it in words."""
        codec = self.codec
        kept = [*(["silence before them removed"] if self.trim else []), *(["in pieces"] if self.pieces else [])]
        level = f"peak {PEAK}" if codec.normalize else "at their level"
        form = f"mono, {codec.rate} Hz, {codec.seconds:.3f} s, {level}"
        return ", ".join([form, *kept, f"as {codec.bands} mel bands x {codec.frames} frames"])

    def __call__(self, sound: Sound) -> NDArray[np.float32]:
        """Return one sound or pieces of it, (k, T) in [-1, 1]; none if it is silent."""
        mono = _as_mono(sound)
        if np.abs(mono).max() < SILENCE_PEAK:
            return np.zeros((0, self.codec.length), np.float32)
        resampled = resample(mono, sound.rate, self.codec.rate)
        starting = trim_silence(resampled, self.codec.rate) if self.trim else resampled
        items = self._cut(starting)
        peaks = np.abs(items).max(1) if len(items) else np.zeros(0)
        if self.codec.normalize:
            items = items * (PEAK / max(float(peaks.max(initial=0)), SILENCE_PEAK))
        return items.clip(-1, 1).astype(np.float32)

    def keep(self, sound: Sound) -> NDArray[np.float32]:
        """Return a generated sound, (1, T) in [-1, 1]: as it is, at the level at which those of a run are written.

        So it may be silent, and is faded nowhere; what is after its first T numbers is left out.
        """
        resampled = resample(_as_mono(sound), sound.rate, self.codec.rate)[: self.codec.length]
        padded = np.pad(resampled, (0, self.codec.length - len(resampled)))[None]
        kept: NDArray[np.float32] = self.codec.scale(torch.from_numpy(padded.astype(np.float32))).numpy()
        return kept

    def _cut(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the sound (n,) or its pieces as (k, T), with faded ends; a piece that is silent is left out."""
        length, rate = self.codec.length, self.codec.rate
        count = max(1, len(sound) // length + (len(sound) % length >= _LEAST_PIECE * length)) if self.pieces else 1
        padded = np.zeros(max(count * length, len(sound)), np.float32)
        padded[: len(sound)] = sound
        items = padded[: count * length].reshape(count, length).copy()
        if self.fades:
            fade_out, fade_in = (min(round(each * rate), length) for each in (_FADE_OUT_SECONDS, _FADE_IN_SECONDS))
            items[:, length - fade_out :] *= np.linspace(1, 0, fade_out, dtype=np.float32)
            items[1:, :fade_in] *= np.linspace(0, 1, fade_in, dtype=np.float32)
        loud: NDArray[np.float32] = items[np.abs(items).max(1) >= SILENCE_PEAK]
        return loud


def _as_mono(sound: Sound) -> NDArray[np.float32]:
    """Return the mean (n,) of the channels of a sound; a constant is silence."""
    mono: NDArray[np.float32] = sound.values.mean(1)
    return mono - np.float32(mono.mean()) if np.ptp(mono) < SILENCE_PEAK else mono


def resample(sound: NDArray[np.float32], rate: int, new_rate: int) -> NDArray[np.float32]:
    """Return a sound (n,) at another rate, filtered so that no frequency is mirrored."""
    from scipy.signal import resample_poly

    divisor = math.gcd(rate, new_rate)
    if rate == new_rate:
        return sound
    return np.asarray(resample_poly(sound, new_rate // divisor, rate // divisor), np.float32)


def trim_silence(sound: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Return a sound (n,) from shortly before its onset: where it first reaches 2% of its peak."""
    size = np.abs(sound)
    onset = int(np.argmax(size > _ONSET * size.max()))
    return sound[max(0, onset - round(_SECONDS_BEFORE_ONSET * rate)) :]
