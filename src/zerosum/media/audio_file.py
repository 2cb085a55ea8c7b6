"""WAV files of sounds, by Python's standard library alone: 16 bits, mono."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data.audio.codec import INT16_SCALE
from zerosum.data.codec import Items

SUFFIX = ".wav"
FULL_SCALE = INT16_SCALE
"""The 16-bit number of 1.0: that of data, so that a sound that is read and written stays as it is."""
FADE_IN_SECONDS, FADE_OUT_SECONDS = 0.001, 0.01
"""How long sounds fade in and out where others are before and after them, so that nothing clicks."""
Sounds = NDArray[np.float32]
"""(N, T) in [-1, 1]."""


def encode_wav(sound: NDArray[np.floating], rate: int) -> bytes:
    """Return the WAV file of a sound (T,) in [-1, 1]; values outside are clipped.

    Example:
        >>> len(encode_wav(np.zeros(100, np.float32), 16_000))
        244
    """
    numbers = np.rint(np.clip(np.nan_to_num(sound), -1, 1) * FULL_SCALE).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(numbers.tobytes())
    return file.getvalue()


def decode_wav(content: bytes) -> NDArray[np.float32]:
    """Return the sound (T,) of a file of `encode_wav`.

    Raises:
        ValueError: it is another file.
    """
    try:
        with wave.open(io.BytesIO(content)) as reader:
            if (reader.getnchannels(), reader.getsampwidth()) != (1, 2):
                raise ValueError("the file is not mono of 16 bits")
            numbers = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
    except (wave.Error, EOFError) as error:
        raise ValueError(str(error) or "the file ends early") from error
    return numbers.astype(np.float32) / np.float32(FULL_SCALE)


def file_name(number: int) -> str:
    """Return the name of the file of sound `number`: 00000.wav, 00001.wav, ..."""
    return f"{number:05d}{SUFFIX}"


def encode_each(sounds: Items, rate: int) -> Iterator[bytes]:
    """Yield the WAV file of each sound (N, T)."""
    for sound in np.asarray(sounds, np.float32):
        yield encode_wav(sound, rate)


def join_sounds(sounds: Items, rate: int) -> NDArray[np.float32]:
    """Return sounds (N, T) one after the other, (N T,), each faded in and out."""
    faded = np.array(sounds, np.float32)
    length = faded.shape[1]
    fade_in, fade_out = (min(length, round(rate * seconds)) for seconds in (FADE_IN_SECONDS, FADE_OUT_SECONDS))
    faded[:, :fade_in] *= np.linspace(0, 1, fade_in, endpoint=False, dtype=np.float32)
    faded[:, length - fade_out :] *= np.linspace(1, 0, fade_out, dtype=np.float32)
    return faded.reshape(-1)


def list_numbered(folder: Path, most: int) -> list[Path]:
    """Return the first files of samples in a folder, at most so many, in the order of their numbers."""
    files = [path for path in folder.glob(f"*{SUFFIX}") if path.stem.isdigit()]
    return sorted(files, key=lambda path: int(path.stem))[:most]
