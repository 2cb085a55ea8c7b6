"""Files of signals, such as sounds, that a translator reads and writes piece by piece, so that they have any length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from torch import Tensor


class Signal(ABC):
    """An input that is read piece by piece."""

    @property
    def note(self) -> str:
        """A sentence about what its translation lacks; "" by default."""
        return ""

    @property
    @abstractmethod
    def length(self) -> int:
        """Number of its positions, such as frames or numbers of a waveform."""

    @abstractmethod
    def read(self, start: int, stop: int) -> Tensor:
        """Return positions `start` to `stop`, (N, C, stop - start), of the N channels of the signal."""

    @abstractmethod
    def write(self, pieces: Iterator[Tensor], path: Path) -> None:
        """Write the pieces (N, C, t) of its translation into a file, one after the other."""


class SignalFiles(ABC):
    """Reads and writes the signals of a translation."""

    noun: ClassVar[str]
    """One file in words; the plural has an s."""
    suffix: ClassVar[str]
    """The suffix of written files."""

    @abstractmethod
    def is_input(self, path: Path) -> bool:
        """Return whether a file has the suffix of an input."""

    @abstractmethod
    def open(self, path: Path) -> Signal:
        """Open a file.

        Raises:
            BadInput: it cannot be used.
        """
