"""Sounds that tests make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def sine(frequency: float, length: int, rate: int, amplitude: float = 0.5) -> NDArray[np.float32]:
    """A sine (length,) that starts at 0."""
    return (amplitude * np.sin(2 * np.pi * frequency * np.arange(length) / rate)).astype(np.float32)


def noise(length: int, seed: int, amplitude: float = 0.2) -> NDArray[np.float32]:
    """White noise (length,)."""
    return (amplitude * np.random.default_rng(seed).standard_normal(length)).clip(-1, 1).astype(np.float32)


def click(length: int, place: int, amplitude: float = 0.9) -> NDArray[np.float32]:
    """One number that is not 0."""
    sound = np.zeros(length, np.float32)
    sound[place] = amplitude
    return sound


def hit(length: int, seed: int, rate: int, frequency: float = 200.0) -> NDArray[np.float32]:
    """A sine and noise that fade: like a drum."""
    fading = np.exp(-8 * np.arange(length) / rate).astype(np.float32)
    hit: NDArray[np.float32] = fading * (sine(frequency, length, rate) + noise(length, seed, 0.05))
    return hit


class ArraySound:
    """An array (n, C) that is read as a file is."""

    def __init__(self, values: NDArray[np.float32], rate: int) -> None:
        self.values, self.rate = values, rate
        self.total, self.channels = values.shape

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        return self.values[start:stop]


def write_hits(folder: Path, per_class: int = 8, rate: int = 8_000, seconds: float = 0.3) -> Path:
    """Write WAV files of two classes, kick and tick, into subfolders; return the folder."""
    import soundfile

    for name, frequency in (("kick", 80.0), ("tick", 1_000.0)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            sound = hit(round(seconds * rate), number, rate, frequency * (1 + number / 50))
            soundfile.write(folder / name / f"kit{number % 4}-{number}.wav", sound, rate)
    return folder
