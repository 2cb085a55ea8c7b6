"""Prepare sounds: mono, at one rate, without silence before them, of one length and one level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from zerosum.data.audio.codec import PEAK, AudioCodec
from zerosum.data.audio.mono import SILENCE_PEAK, MonoSound

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

    def __call__(self, sound: MonoSound) -> NDArray[np.float32]:
        """Return a sound at the rate of the codec or pieces of it, (k, T) in [-1, 1]; none if it is silent."""
        if sound.is_silent:
            return np.zeros((0, self.codec.length), np.float32)
        items = self._cut(self._start(sound))  # and in place from here on: of an hour there are many
        if self.codec.normalize:
            items *= PEAK / max(float(_peaks(items).max(initial=0)), SILENCE_PEAK)
        np.clip(items, -1, 1, out=items)
        return items

    def cuts_off(self, sound: MonoSound) -> bool:
        """Return whether more than 2% of a sound is left out."""
        return not self.pieces and len(self._start(sound)) > 1.02 * self.codec.length

    def _start(self, sound: MonoSound) -> NDArray[np.float32]:
        return trim_silence(sound.values, self.codec.rate) if self.trim else sound.values

    def keep(self, sound: MonoSound) -> NDArray[np.float32]:
        """Return a generated sound, (1, T) in [-1, 1]: as it is, at the level at which those of a run are written.

        So it may be silent, and is faded nowhere; what is after its first T numbers is left out.
        """
        start = sound.values[: self.codec.length]
        padded = np.pad(start, (0, self.codec.length - len(start)))[None]
        kept: NDArray[np.float32] = self.codec.scale(torch.from_numpy(padded)).numpy()
        return kept

    def _cut(self, sound: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the sound (n,) or its pieces as (k, T), with faded ends; a piece that is silent is left out."""
        length, rate = self.codec.length, self.codec.rate
        count = max(1, len(sound) // length + (len(sound) % length >= _LEAST_PIECE * length)) if self.pieces else 1
        items = np.zeros((count, length), np.float32)
        kept = sound[: count * length]
        items.reshape(-1)[: len(kept)] = kept
        if self.fades:
            fade_out, fade_in = (min(round(each * rate), length) for each in (_FADE_OUT_SECONDS, _FADE_IN_SECONDS))
            items[:, length - fade_out :] *= np.linspace(1, 0, fade_out, dtype=np.float32)
            items[1:, :fade_in] *= np.linspace(0, 1, fade_in, dtype=np.float32)
        is_loud = _peaks(items) >= SILENCE_PEAK
        return items if is_loud.all() else items[is_loud]


def _peaks(items: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the largest absolute values (k,) of sounds (k, T), without an array of all."""
    peaks: NDArray[np.float32] = np.maximum(items.max(1), -items.min(1))
    return peaks


def trim_silence(sound: NDArray[np.float32], rate: int) -> NDArray[np.float32]:
    """Return a sound (n,) from shortly before its onset: where it first reaches 2% of its peak."""
    least = _ONSET * max(sound.max(), -sound.min())
    onset = int(np.argmax((sound > least) | (sound < -least)))
    return sound[max(0, onset - round(_SECONDS_BEFORE_ONSET * rate)) :]
