"""Resampling of sounds, in parts or as a whole."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

BLOCK_NUMBERS = 2**18
"""Numbers of all channels that are read together."""
_REACH = 10  # of SciPy's filter to each side, in numbers of the lower of both rates
ReadPart = Callable[[int, int], NDArray[np.float32]]
"""Returns numbers `start` to `stop` of each channel of a sound, (n, C): fewer where the sound ends."""


@dataclass(frozen=True, eq=False)
class ResampledSound:
    """A sound at another rate, of which any part is computed: the same as of the whole.

    Example:
        >>> sound = np.sin(np.arange(30_000, dtype=np.float32))[:, None]
        >>> resampled = ResampledSound(lambda start, stop: sound[start:stop], 1, 44_100, 16_000)
        >>> resampled.read(5_000, 5_003).shape, resampled.read(10_000, 20_000).shape
        ((3, 1), (885, 1))
        >>> whole = resample(sound, 44_100, 16_000)
        >>> bool(np.allclose(resampled.read(5_000, 5_003), whole[5_000:5_003], atol=1e-6))
        True
    """

    read_part: ReadPart
    """Reads a part of the sound at its own rate."""
    channels: int
    """Number of channels that are read: the more, the shorter are blocks."""
    rate: int
    """The rate of the sound in Hz."""
    new_rate: int
    """The rate of what is returned."""

    def length_of(self, total: int) -> int:
        """Return the length of a sound of `total` numbers at the new rate."""
        return -(-total * self.new_rate // self.rate)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return numbers `start` to `stop` at the new rate, (n, C): fewer where the sound ends."""
        if self.rate == self.new_rate:
            return self.read_part(start, stop)
        divisor = math.gcd(self.rate, self.new_rate)
        up, down = self.new_rate // divisor, self.rate // divisor
        margin = _REACH * max(1, -(-down // up)) + 1
        # every `down` numbers of the sound, one of them is at the place of one of the result
        first = max(0, start * down // up - margin) // down * down
        values = self.read_part(first, -(-stop * down // up) + margin)
        if not len(values):
            return values
        begin = start - first // down * up
        return resample(values, self.rate, self.new_rate)[begin : begin + stop - start]

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield the sound at the new rate in consecutive blocks (n, C)."""
        size = max(1, BLOCK_NUMBERS // self.channels * min(self.rate, self.new_rate) // self.rate)
        for start in count(0, size):
            block = self.read(start, start + size)
            if len(block):
                yield block
            if len(block) < size:
                return


def resample(sound: NDArray[np.float32], rate: int, new_rate: int) -> NDArray[np.float32]:
    """Return a sound (n,) or (n, C) at another rate, filtered so that no frequency is mirrored."""
    from scipy.signal import resample_poly

    divisor = math.gcd(rate, new_rate)
    if rate == new_rate:
        return sound
    return np.asarray(resample_poly(sound, new_rate // divisor, rate // divisor), np.float32)
