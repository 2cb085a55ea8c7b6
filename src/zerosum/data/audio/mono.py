"""Sounds as the mean of their channels at one rate, read block by block: of a long one, only this is in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from zerosum.data.audio.resampling import ReadPart, ResampledSound
from zerosum.data.content_hash import ContentHash

SILENCE_PEAK = 1e-4
"""A sound whose largest absolute value is below this, -80 decibels of full scale, is silent."""
_HASHED_SECONDS = 60  # whatever the settings, so much of a file is read
_FULL_SCALE = 0.9985  # three numbers in a row of at least this are no peak, but a clipped one


class SoundSource(Protocol):
    """A sound of which any part is read, such as a file."""

    rate: int
    channels: int
    total: int

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return numbers `start` to `stop` of each channel, (n, C): fewer where the sound ends."""


@dataclass(frozen=True, eq=False)
class MonoSound:
    """The mean of the channels of a sound, and what was found of all channels."""

    values: NDArray[np.float32]
    """(n,) at the rate that was asked for."""
    is_silent: bool
    """Whether it is silent, or a constant."""
    is_clipped: bool
    """Whether three numbers in a row of a channel are at full scale or beyond."""
    content_hash: int
    """The hash of the sound as it is in its file, whatever the format of the file: of its first minute."""


def read_mono(source: SoundSource, new_rate: int, max_seconds: float) -> MonoSound:
    """Read a sound, at most its first `max_seconds`, as the mean of its channels at a rate; a constant is silence.

    Raises:
        UnreadableSound: it is damaged, or holds values that are no numbers.
        MemoryError: it does not fit in memory at the new rate.
    """
    scan = _Scan(source, int(max_seconds * source.rate) + 1)
    values = _resample(scan.read, scan, new_rate)
    if scan.is_constant:  # which would start and end with a step
        values = _resample(lambda start, stop: scan.read(start, stop) - scan.mean, scan, new_rate)
    return MonoSound(values, scan.is_silent, scan.is_clipped, scan.digest.value)


def _resample(read: ReadPart, scan: _Scan, new_rate: int) -> NDArray[np.float32]:
    """Return a sound of one channel as (n,) at another rate."""
    resampled = ResampledSound(read, scan.source.channels, scan.source.rate, new_rate)
    values = np.empty(resampled.length_of(min(scan.source.total, scan.most)), np.float32)
    length = 0
    for block in resampled.blocks():
        values[length : length + len(block)] = block[:, 0]
        length += len(block)
    return values[:length]


@dataclass(eq=False)
class _Scan:
    """Reads the mean of the channels, and looks at each number once, as it is read first."""

    source: SoundSource
    most: int
    """So many numbers of a channel are read."""
    seen: int = 0
    """So many have been read."""
    lowest: float = np.inf
    """Of the means, and so are the next two."""
    highest: float = -np.inf
    sum: float = 0.0
    is_clipped: bool = False
    ends: NDArray[np.bool_] = field(init=False)
    """(2, C) whether the last two numbers are at full scale."""
    digest: ContentHash = field(init=False)

    def __post_init__(self) -> None:
        source = self.source
        self.ends = np.zeros((2, source.channels), np.bool_)
        # the header is part of every split, so it never changes
        self.digest = ContentHash(f"sound {source.rate} {source.channels} {source.total}")

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the means (n, 1) of numbers `start` to `stop`; parts may overlap, and leave no gap."""
        values = self.source.read(start, min(stop, self.most))
        mono: NDArray[np.float32] = values.mean(1, keepdims=True)
        known = max(0, self.seen - start)
        if known < len(values):
            self._add(values[known:], mono[known:])
        return mono

    def _add(self, values: NDArray[np.float32], mono: NDArray[np.float32]) -> None:
        hashed = values[: max(0, _HASHED_SECONDS * self.source.rate - self.seen)]
        self.digest.add(np.ascontiguousarray(hashed, "<f4").tobytes())
        self.seen += len(values)
        self.lowest, self.highest = min(self.lowest, float(mono.min())), max(self.highest, float(mono.max()))
        self.sum += float(mono.sum(dtype=np.float64))
        is_full = np.concatenate((self.ends, np.abs(values) >= _FULL_SCALE))
        self.is_clipped |= bool((is_full[2:] & is_full[1:-1] & is_full[:-2]).any())
        self.ends = is_full[-2:]

    @property
    def is_constant(self) -> bool:
        """Whether the means hardly differ."""
        return self.highest - self.lowest < SILENCE_PEAK

    @property
    def is_silent(self) -> bool:
        """Whether the means are silent, or a constant."""
        return self.is_constant or max(-self.lowest, self.highest) < SILENCE_PEAK

    @property
    def mean(self) -> np.float32:
        """Their mean."""
        return np.float32(self.sum / self.seen)
