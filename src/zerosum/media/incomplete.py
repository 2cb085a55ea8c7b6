"""Files of items of which parts are missing, to be filled by a generator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from zerosum.data.kind import ProgressFn, ignore_progress

if TYPE_CHECKING:
    from torch import Tensor

    from zerosum.game.types import Sample

GenerateFn: TypeAlias = "Callable[[Sample, Tensor], Sample]"
"""From conditions (N, ...), the given parts, and seeds (N,) to samples (N, ...)."""


@dataclass(frozen=True)
class FillOptions:
    """How missing parts are filled."""

    draws: int
    """Number of samples from which a missing part is guessed; 1: a random draw."""
    seed: int
    """The seed of the samples."""
    progress: ProgressFn = ignore_progress
    """Called with the numbers of items done and of all."""


class IncompleteFile(ABC):
    """A file of items of which parts are missing."""

    @abstractmethod
    def check(self) -> list[str]:
        """Read the file once, and return sentences for the user about what is not as in the data of the run.

        Raises:
            BadInput: it cannot be used.
        """

    @abstractmethod
    def write(self, into: Path, generate: GenerateFn, options: FillOptions) -> list[str]:
        """Write the file with what was missing, and return sentences for the user about what could not be filled.

        Raises:
            BadInput: it cannot be written.
        """
