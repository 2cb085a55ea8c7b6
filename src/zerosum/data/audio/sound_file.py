"""Sound files: which files are sounds, and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data.text import printable
from zerosum.errors import BadInput

if TYPE_CHECKING:
    from soundfile import SoundFile

SOUND_SUFFIXES = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc")
"""Suffixes of sound files, in lower or upper case."""
COMMON_SUFFIXES = ".wav, .flac, .ogg, .mp3, .aiff"
"""The suffixes of most sound files, for messages."""
UNREAD_SUFFIXES = (".m4a", ".aac", ".wma", ".webm", ".amr", ".caf", ".ape", ".mka")
"""Suffixes of sounds that libsndfile does not read."""
MAX_RATE = 1_000_000
"""Largest rate in Hz of a sound that is read."""


class UnreadableSound(Exception):
    """A file cannot be used; the message is the reason."""


class SoundReader:
    """An open sound file, of which any part is read: a sound need not fit in memory.

    The part that was read last is held, so that parts that overlap are read without going back, and to go back to the
    start the file is opened again: after a seek to it, the first numbers of an Ogg Vorbis file are wrong (libsndfile
    1.2.2).

    Raises:
        UnreadableSound: it is empty, is no sound, or is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._position = path, 0
        with _explain(path):
            if not path.stat().st_size:
                raise UnreadableSound("the file is empty")
            self._file = _open(path)
        self.rate = int(self._file.samplerate)
        """Numbers a second of a channel, in Hz."""
        self.channels = int(self._file.channels)
        """Number of channels."""
        self._held: NDArray[np.float32] = np.zeros((0, self.channels), np.float32)
        self.total = int(self._file.frames)
        """Length of the sound, as the file says."""
        self.format = f"{self._file.format} {self._file.subtype}"
        """The format of the file, such as "WAV PCM_16"."""
        if not 0 < self.rate <= MAX_RATE:
            raise UnreadableSound(f"its rate of {self.rate:,} Hz is out of range")
        if not len(self.read(0, 1)):
            raise UnreadableSound("the file holds a sound of length 0")

    @property
    def seconds(self) -> float:
        """Length of the sound."""
        return self.total / self.rate

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return numbers `start` to `stop` of each channel, (n, C), 1 being full scale; fewer where the sound ends.

        Raises:
            UnreadableSound: the file is damaged there, or holds values that are no numbers.
        """
        first = min(start, self.total)
        with _explain(self._path):
            if not self._position - len(self._held) <= first <= self._position:
                self._file.close()
                self._file = _open(self._path)
                if first:
                    self._file.seek(first)
                self._position, self._held = first, self._held[:0]
            new = self._file.read(max(0, stop - self._position), dtype="float32", always_2d=True)
        if not np.isfinite(new).all():
            raise UnreadableSound("it holds values that are not finite numbers (NaN or infinity)")
        self._held = np.concatenate((self._held[first - self._position + len(self._held) :], new))
        self._position += len(new)
        return self._held[: max(0, stop - first)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _open(path: Path) -> SoundFile:
    import soundfile

    return soundfile.SoundFile(str(path))


def is_sound_file(name: str) -> bool:
    """Return True if the name has the suffix of a sound file."""
    return name.lower().endswith(SOUND_SUFFIXES)


@contextmanager
def refuse_unreadable(path: Path) -> Iterator[None]:
    """In this context, a sound that the user named is opened and read.

    Raises:
        BadInput: it cannot be used.
    """
    name = printable(str(path))
    if path.exists() and not path.is_file():
        raise BadInput(f"{name}: cannot be read as a sound (not a regular file); name a sound file")
    try:
        yield
    except UnreadableSound as error:
        raise BadInput(f"{name}: cannot be read as a sound ({error}); replace the file") from error
    except MemoryError as error:
        raise BadInput(f"{name}: this sound does not fit in memory; cut it into parts") from error


@contextmanager
def _explain(path: Path) -> Iterator[None]:
    """Turn what is raised at a damaged file into its reason."""
    try:
        yield
    except (OSError, RuntimeError, TypeError, ValueError) as error:  # soundfile's own is a RuntimeError
        raise UnreadableSound(_reason(error, path)) from error


def _reason(error: Exception, path: Path) -> str:
    """Return the reason of an error without the path, which is named elsewhere."""
    reason = str(error).replace(f"Error opening {str(path)!r}: ", "").strip().rstrip(".")
    if "not a regular file" in reason and path.is_file():  # what libsndfile says of an MP3 file that is none
        return "it is no sound, or damaged"
    return printable(reason[:1].lower() + reason[1:]) or type(error).__name__
