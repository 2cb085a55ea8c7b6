"""The molecules of a file: collected chunk by chunk, without duplicates, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from zerosum.data.molecules.molecule_file import MoleculeFile, Record, shorten
from zerosum.data.molecules.read_molecules import MoleculeChunk, Problem
from zerosum.data.molecules.tokens import token_dtype
from zerosum.run_folder import Json, Row

MAX_NAMED_ROWS = 5
"""Largest number of bad records that the summary names."""
Number = TypeVar("Number", bound=np.number)
_BLOCK_ROWS = 100_000  # rows of the array that are filled at a time, which bounds the memory
PROBLEM_TEXTS = {Problem.NO_MOLECULE: "no molecule", Problem.EMPTY: "empty", Problem.TOO_LONG: "too long"}


@dataclass
class MoleculeFacts:
    """What was found when a file of molecules was read."""

    tokens: list[str]
    """The vocabulary, in order."""
    length: int
    """Number M of tokens of the longest text."""
    rows: int
    """Number of records."""
    problems: dict[str, int] = field(default_factory=dict)
    """Number of records that were left out, by what was wrong."""
    bad_rows: list[str] = field(default_factory=list)
    """The first of these in words."""
    stripped: int = 0
    """Molecules whose smaller parts were left out."""
    mixtures: int = 0
    """Those of them that had another part about as large."""
    duplicates: int = 0
    """Molecules that were left out because an earlier one is equal."""
    atoms: list[int] = field(default_factory=list)
    """Least, median and largest number of heavy atoms."""
    lengths: list[int] = field(default_factory=list)
    """Least, median and largest number of tokens."""
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Json]:
        """Return the facts as JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, record: Row) -> Self:
        """Return the facts that `as_dict` wrote.

        Raises:
            TypeError: a fact is missing or unknown.
        """
        return cls(**record)


@dataclass(frozen=True, eq=False)
class MoleculeTable:
    """The N different molecules of a file, in its order."""

    raw: NDArray[np.generic]
    """(N, M) numbers of tokens without fragments, 0 after the end."""
    content_hashes: NDArray[np.uint64]
    """(N,) hashes of the canonical texts."""
    scaffolds: NDArray[np.uint64]
    """(N,) hashes of the scaffolds; (0,) if they were not asked for."""
    columns: NDArray[np.float32]
    """(N, C) numbers that came with the molecules, NaN where there is none."""
    facts: MoleculeFacts


class MoleculeCollector:
    """Collects the molecules of a file."""

    def __init__(self, file: MoleculeFile, max_tokens: int, columns: Sequence[str]) -> None:
        self._file, self._max_tokens, self._columns = file, max_tokens, columns
        self._numbers: dict[str, int] = {}
        self._chunks: list[MoleculeChunk] = []
        self._flat: list[NDArray[np.uint16]] = []
        self._cells: list[NDArray[np.float32]] = []
        self._problems: Counter[str] = Counter()
        self._bad_rows: list[str] = []
        self._rows = 0

    def add(self, records: Sequence[Record], chunk: MoleculeChunk) -> None:
        """Add the molecules of a chunk of records."""
        self._rows += len(records)
        own = [self._numbers.setdefault(token, len(self._numbers)) for token in chunk.tokens]
        self._flat.append(np.array(own, np.uint16)[chunk.numbers])
        self._chunks.append(chunk._replace(numbers=chunk.numbers[:0], places=chunk.places[:0], problems=()))
        if self._columns:
            cells = [[_parse_cell(cell) for cell in records[place].cells] for place in chunk.places.tolist()]
            self._cells.append(np.array(cells, np.float32).reshape(-1, len(self._columns)))
        for place, problem in chunk.problems:
            self._problems[PROBLEM_TEXTS[problem]] += 1
            if len(self._bad_rows) < MAX_NAMED_ROWS:
                self._bad_rows.append(self._describe(records[place], problem))

    def _describe(self, record: Record, problem: Problem) -> str:
        """Return a bad record in words, such as "line 7 'C1CC' (no molecule)"."""
        text = "" if self._file.has_mol_blocks or problem is Problem.EMPTY else f" {shorten(record.text)}"
        return f"{self._file.row_noun} {record.row:,}{text} ({PROBLEM_TEXTS[problem]})"

    def finish(self) -> MoleculeTable:
        """Return all molecules, of equal ones the first.

        Raises:
            BadInput: there are none.
        """
        hashes = _join([chunk.hashes for chunk in self._chunks], np.uint64)
        if not len(hashes):
            raise self._file.error(self._describe_failure())
        kept = np.sort(np.unique(hashes, return_index=True)[1])
        lengths = _join([chunk.lengths for chunk in self._chunks], np.uint16).astype(np.int64)
        atoms = _join([chunk.atoms for chunk in self._chunks], np.uint16)[kept]
        scaffolds = _join([chunk.scaffolds for chunk in self._chunks], np.uint64)
        tokens = sorted(self._numbers)
        length = int(lengths.max())
        cells = np.concatenate(self._cells)[kept] if self._cells else np.zeros((len(kept), 0), np.float32)
        facts = MoleculeFacts(
            tokens,
            length,
            self._rows,
            dict(self._problems),
            self._bad_rows,
            sum(chunk.stripped for chunk in self._chunks),
            sum(chunk.mixtures for chunk in self._chunks),
            len(hashes) - len(kept),
            _spread(atoms.astype(np.int64)),
            _spread(lengths[kept]),
        )
        raw = self._fill(tokens, lengths, kept, length)
        return MoleculeTable(raw, hashes[kept], scaffolds[kept] if len(scaffolds) else scaffolds, cells, facts)

    def _fill(
        self, tokens: Sequence[str], lengths: NDArray[np.int64], kept: NDArray[np.int64], length: int
    ) -> NDArray[np.generic]:
        """Return the token numbers (N, M) of the kept molecules."""
        order = {token: number for number, token in enumerate(tokens, 1)}
        final = np.array([order[token] for token in self._numbers], token_dtype(len(tokens)))
        flat = np.concatenate(self._flat)
        starts = np.cumsum(lengths) - lengths
        raw = np.zeros((len(kept), length), final.dtype)
        for first in range(0, len(kept), _BLOCK_ROWS):
            rows = kept[first : first + _BLOCK_ROWS]
            places = np.arange(length)[None] + starts[rows][:, None]
            is_text = np.arange(length)[None] < lengths[rows][:, None]
            raw[first : first + _BLOCK_ROWS][is_text] = final[flat[places[is_text]]]
        return raw

    def _describe_failure(self) -> str:
        """Return why there is no molecule at all."""
        if not self._rows:
            return "has no molecules; name a file with a SMILES text in each line"
        first = f"; the first is {self._bad_rows[0]}" if self._bad_rows else ""
        advice = "correct `data.column`, or name a file of SMILES"
        if set(self._problems) == {PROBLEM_TEXTS[Problem.TOO_LONG]}:
            advice = f"raise `data.max_tokens` (now {self._max_tokens})"
        return f"none of its {self._rows:,} {self._file.row_noun}s holds a molecule that can be used{first}; {advice}"


def _join(parts: Sequence[NDArray[Number]], dtype: type[Number]) -> NDArray[Number]:
    return np.concatenate(parts) if parts else np.zeros(0, dtype)


def _spread(values: NDArray[np.int64]) -> list[int]:
    """Return the least, the median and the largest value."""
    return [int(values.min()), int(np.median(values)), int(values.max())]


def _parse_cell(cell: str) -> float:
    """Return the number of a cell; NaN if it is none, or infinite."""
    try:
        number = float(cell)
    except ValueError:
        return np.nan
    return number if abs(number) < 1e30 else np.nan
