"""The table of generated molecules: their properties, filters, novelty, and the nearest training molecule."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data.codec import GivenValues
from zerosum.data.kind import ProgressFn, ignore_progress
from zerosum.data.molecules.chemistry import parse_smiles, to_canonical
from zerosum.data.molecules.filters import passes_filters
from zerosum.data.molecules.fingerprints import NUM_BYTES, fingerprint
from zerosum.data.molecules.properties import PROPERTIES, Property, compute_properties, find_name, load_score
from zerosum.data.molecules.training_set import TrainingMolecules
from zerosum.data.molecules.worker_pool import map_chunks
from zerosum.errors import BadInput
from zerosum.files import write_atomically
from zerosum.media.tables_csv import format_rows

_CHUNK = 500
"""Texts that a process describes at a time, in about a second."""


@dataclass(frozen=True)
class DescribeTexts:
    """Describes SMILES texts; it can be sent to another process."""

    scores: tuple[str, ...] = ()
    """Functions of the user that compute further properties, `package.module:function`."""

    @cached_property
    def properties(self) -> list[Property]:
        """The properties that are computed: those of RDKit, and those of the functions."""
        return [*PROPERTIES.values(), *map(load_score, self.scores)]

    def __call__(self, texts: Sequence[str]) -> DescribedTexts:
        """Return what is known of texts (N,)."""
        found = [parse_smiles(text) for text in texts]
        rows = np.zeros((len(texts), NUM_BYTES), np.uint8)
        for place, molecule in enumerate(found):
            if molecule is not None:
                rows[place] = fingerprint(molecule)
        return DescribedTexts(
            tuple(known.name for known in self.properties),
            [text if molecule is None else to_canonical(molecule) for text, molecule in zip(texts, found, strict=True)],
            np.array([molecule is not None for molecule in found], bool),
            compute_properties(self.properties, found),
            np.array([molecule is not None and passes_filters(molecule) for molecule in found], bool),
            rows,
        )


@dataclass(frozen=True, eq=False)
class DescribedTexts:
    """What is known of N texts."""

    names: tuple[str, ...]
    """Names of the P properties."""
    canonical: list[str]
    """(N,) canonical texts; a text that is no molecule as it is."""
    valid: NDArray[np.bool_]
    """(N,) which are molecules."""
    properties: NDArray[np.float64]
    """(N, P), NaN where unknown."""
    passes: NDArray[np.bool_]
    """(N,) which pass the filters of MOSES."""
    fingerprints: NDArray[np.uint8]
    """(N, 128)"""

    @classmethod
    def of(cls, texts: Sequence[str], scores: Sequence[str] = (), progress: ProgressFn = ignore_progress) -> Self:
        """Describe texts on all cores: 400 a second on each.

        Raises:
            BadInput: a function of the user cannot be imported.
        """
        describe = DescribeTexts(tuple(scores))
        names = tuple(known.name for known in describe.properties)  # imports the functions before anything is computed
        parts = []
        for part in map_chunks(describe, (texts[first : first + _CHUNK] for first in range(0, len(texts), _CHUNK))):
            parts.append(part)
            progress(sum(len(each.valid) for each in parts), len(texts))
        return cls(
            names,
            [text for part in parts for text in part.canonical],
            *(np.concatenate(arrays) for arrays in zip(*(part._arrays for part in parts), strict=True)),
        )

    @property
    def _arrays(self) -> tuple[NDArray[np.generic], ...]:
        return self.valid, self.properties, self.passes, self.fingerprints

    def find_repeated(self) -> NDArray[np.bool_]:
        """Return which molecules (N,) are equal to an earlier one."""
        seen: set[str] = set()
        repeated = np.zeros(len(self.canonical), bool)
        for place, text in enumerate(self.canonical):
            repeated[place] = bool(self.valid[place]) and text in seen
            seen.add(text)
        return repeated


@dataclass(frozen=True, eq=False)
class MoleculeTable:
    """The columns of samples.csv."""

    described: DescribedTexts
    given: GivenValues
    """The properties that were asked for."""
    first: int = 0
    """The number of the first molecule."""
    novel: NDArray[np.bool_] | None = None
    """(N,) which are no training molecules; None: not known."""
    nearest: NDArray[np.str_] = field(default_factory=lambda: np.zeros(0, "<U1"))
    """(N,) the training molecules that are most similar; (0,): not known."""
    similarity: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    """(N,) how similar these are."""

    @classmethod
    def compare(
        cls, described: DescribedTexts, given: GivenValues, first: int, training: TrainingMolecules | None,
        progress: ProgressFn = ignore_progress,
    ) -> Self:  # fmt: skip
        """Return the table, with comparisons if the training molecules are there."""
        if training is None:
            return cls(described, given, first)
        novel = described.valid & ~training.find_known(described.canonical)
        return cls(described, given, first, novel, *training.find_nearest(described.fingerprints, progress))

    def write(self, path: Path) -> None:
        """Write samples.csv; columns that are not known stay empty."""
        asked = {find_name(name, self.described.names) or name: str(value) for name, value in self.given.items()}
        others = [name for name in asked if name not in self.described.names]  # columns of the user's file
        header = ["number", "smiles", "valid", *(f"asked_{name}" for name in asked), *self.described.names]
        header += [*others, "passes_filters", "repeated", "novel", "nearest", "similarity"]

        def rows() -> Iterator[list[str]]:
            yield header
            repeated = self.described.find_repeated()
            for place, text in enumerate(self.described.canonical):
                valid = bool(self.described.valid[place])
                row = [str(self.first + place), text, _word(valid), *asked.values()]
                row += map(_number, self.described.properties[place].tolist())
                row += ["" for _ in others] + [_word(bool(self.described.passes[place])) if valid else ""]
                yield [*row, _word(bool(repeated[place])) if valid else "", *self._comparisons(place)]

        write_atomically(path, lambda temporary: temporary.write_text(format_rows(rows(), ","), "utf8"))

    def _comparisons(self, place: int) -> list[str]:
        if self.novel is None or not self.described.valid[place]:
            return ["", "", ""]
        return [_word(bool(self.novel[place])), str(self.nearest[place]), f"{self.similarity[place]:.3f}"]

    def summarize(self) -> list[str]:
        """Return sentences about all molecules."""
        valid = self.described.valid
        if not valid.any():
            return []
        facts = [f"{self.described.passes[valid].mean():.1%} pass the filters"]
        facts += [f"{self.described.find_repeated()[valid].mean():.1%} are equal to an earlier one"]
        if self.novel is not None:
            facts += [f"{self.novel[valid].mean():.1%} are no training molecules"]
            facts += [f"mean similarity to the nearest training molecule {self.similarity[valid].mean():.2f}"]
        return [", ".join(facts), *self._describe_wishes(valid)]

    def _describe_wishes(self, valid: NDArray[np.bool_]) -> Iterator[str]:
        for name, value in self.given.items():
            if own := find_name(name, self.described.names):
                got = self.described.properties[valid, self.described.names.index(own)]
                spread = f"{np.nanmean(got):.3g} on average, with a standard deviation of {np.nanstd(got):.2g}"
                yield f"{name}: asked {value}, got {spread}"


def load_scores(scores: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the functions of the user that can be imported, and sentences about the others."""
    usable, notes = [], []
    for location in scores:
        try:
            load_score(location)
        except BadInput as error:
            notes.append(f"{location.rpartition(':')[2]} has no column: {error}")
        else:
            usable.append(location)
    return usable, notes


def _word(value: bool) -> str:
    return "yes" if value else "no"


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.5g}"
