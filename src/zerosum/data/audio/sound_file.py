"""Sound files: which files are sounds, and what they hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data.text import printable
from zerosum.errors import BadInput

SOUND_SUFFIXES = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc")
"""Suffixes of sound files, in lower or upper case."""
COMMON_SUFFIXES = ".wav, .flac, .ogg, .mp3, .aiff"
"""The suffixes of most sound files, for messages."""
MAX_RATE = 1_000_000
"""Largest rate in Hz of a sound that is read."""
_FULL_SCALE = 0.9985  # three numbers in a row of at least this are no peak, but a clipped one


class UnreadableSound(Exception):
    """A file cannot be used; the message is the reason."""


@dataclass(frozen=True, eq=False)
class Sound:
    """What a file holds."""

    values: NDArray[np.float32]
    """(n, C) numbers, 1 being full scale; one or more."""
    rate: int
    """Numbers a second of a channel, in Hz."""
    format: str
    """The format of the file, such as "WAV PCM_16"."""
    total: int
    """Length of the sound in the file, of which `values` may be the start."""

    @property
    def seconds(self) -> float:
        """Its length in the file."""
        return self.total / self.rate

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.values.shape[1])

    @property
    def is_clipped(self) -> bool:
        """Whether three numbers in a row of a channel are at full scale or beyond."""
        is_full = np.abs(self.values) >= _FULL_SCALE
        return bool((is_full[2:] & is_full[1:-1] & is_full[:-2]).any())


def is_sound_file(name: str) -> bool:
    """Return True if the name has the suffix of a sound file."""
    return name.lower().endswith(SOUND_SUFFIXES)


def read_sound(path: Path, max_seconds: float) -> Sound:
    """Read a sound file, at most its first `max_seconds`.

    Raises:
        UnreadableSound: it is empty, is no sound, is damaged, or holds values that are no numbers.
    """
    import soundfile

    try:
        if not path.stat().st_size:
            raise UnreadableSound("the file is empty")
        with soundfile.SoundFile(str(path)) as file:
            rate, total, form = int(file.samplerate), int(file.frames), f"{file.format} {file.subtype}"
            if not 0 < rate <= MAX_RATE:
                raise UnreadableSound(f"its rate of {rate:,} Hz is out of range")
            values = file.read(int(max_seconds * rate) + 1, dtype="float32", always_2d=True)
    except (OSError, RuntimeError, TypeError, ValueError) as error:  # soundfile's own is a RuntimeError
        raise UnreadableSound(_reason(error, path)) from error
    if not len(values):
        raise UnreadableSound("the file holds a sound of length 0")
    if not np.isfinite(values).all():
        raise UnreadableSound("it holds values that are not finite numbers (NaN or infinity)")
    return Sound(values, rate, form, max(total, len(values)))


def read_one_sound(path: Path, max_seconds: float) -> Sound:
    """Read a sound file that the user named.

    Raises:
        BadInput: it cannot be used.
    """
    if path.exists() and not path.is_file():
        raise BadInput(f"{printable(str(path))}: cannot be read as a sound (not a regular file); name a sound file")
    try:
        return read_sound(path, max_seconds)
    except UnreadableSound as error:
        name = printable(str(path))
        raise BadInput(f"{name}: cannot be read as a sound ({error}); replace the file") from error


def _reason(error: Exception, path: Path) -> str:
    """Return the reason of an error without the path, which is named elsewhere."""
    reason = str(error).replace(f"Error opening {str(path)!r}: ", "").strip().rstrip(".")
    return printable(reason[:1].lower() + reason[1:]) or type(error).__name__
