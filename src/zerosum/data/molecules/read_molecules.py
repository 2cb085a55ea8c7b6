"""Read molecules of a chunk of records: canonical texts as tokens, and what was wrong with the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.data.content_hash import hash_text
from zerosum.data.molecules.chemistry import (
    kekule_smiles,
    largest_part,
    parse_mol_block,
    parse_smiles,
    scaffold_smiles,
    to_canonical,
)
from zerosum.data.molecules.tokens import split_smiles

if TYPE_CHECKING:
    from rdkit.Chem import Mol

MAX_CHARS = 20_000
"""Texts of more characters are not parsed: longer molecules than any setting allows."""


class Problem(IntEnum):
    """Why a record is left out."""

    NO_MOLECULE = 1
    EMPTY = 2
    TOO_LONG = 3


class MoleculeChunk(NamedTuple):
    """The molecules of a chunk of records, n of them readable."""

    places: NDArray[np.int32]
    """(n,) their places in the chunk."""
    hashes: NDArray[np.uint64]
    """(n,) hashes of their canonical texts."""
    scaffolds: NDArray[np.uint64]
    """(n,) hashes of their scaffolds; (0,) if they were not asked for."""
    atoms: NDArray[np.uint16]
    """(n,) numbers of heavy atoms."""
    lengths: NDArray[np.uint16]
    """(n,) numbers of tokens."""
    numbers: NDArray[np.uint16]
    """The tokens of all texts, one after the other, as indices into `tokens`."""
    tokens: tuple[str, ...]
    """The vocabulary of the chunk."""
    problems: Sequence[tuple[int, Problem]]
    """The other records: their places, and what was wrong."""
    stripped: int
    """How many had other parts, such as the ion of a salt, which were left out."""
    mixtures: int
    """How many of these had another part about as large."""


@dataclass(frozen=True)
class ReadMolecules:
    """Reads chunks of records; it is sent to other processes."""

    has_mol_blocks: bool
    """Whether records are blocks of .sdf files, else SMILES texts."""
    max_tokens: int
    """Largest number of tokens of a text and its end."""
    with_scaffolds: bool = False

    def __call__(self, texts: Sequence[str]) -> MoleculeChunk:
        """Read the records of a chunk."""
        numbers: dict[str, int] = {}
        rows: list[tuple[int, int, int, int, int]] = []
        flat: list[int] = []
        problems: list[tuple[int, Problem]] = []
        stripped = mixtures = 0
        for place, text in enumerate(texts):
            molecule = self._parse(text)
            if isinstance(molecule, Problem):
                problems.append((place, molecule))
                continue
            part = largest_part(molecule)
            canonical, tokens = self._write(part.molecule)
            if not tokens:
                problems.append((place, Problem.TOO_LONG))
                continue
            stripped, mixtures = stripped + part.was_stripped, mixtures + part.is_mixture
            flat += [numbers.setdefault(token, len(numbers)) for token in tokens]
            scaffold = hash_text(scaffold_smiles(part.molecule)) if self.with_scaffolds else 0
            own = hash_text(canonical)
            rows.append((place, own, scaffold, part.molecule.GetNumHeavyAtoms(), len(tokens)))
        places, hashes, scaffolds, atoms, lengths = zip(*rows, strict=True) if rows else ((),) * 5
        return MoleculeChunk(
            np.array(places, np.int32),
            np.array(hashes, np.uint64),
            np.array(scaffolds if self.with_scaffolds else (), np.uint64),
            np.array(atoms, np.uint16),
            np.array(lengths, np.uint16),
            np.array(flat, np.uint16),
            tuple(numbers),
            problems,
            stripped,
            mixtures,
        )

    def _parse(self, text: str) -> Mol | Problem:
        """Return the molecule of a record, or what is wrong with it."""
        if not text.strip():
            return Problem.EMPTY
        if len(text) > MAX_CHARS and not self.has_mol_blocks:
            return Problem.TOO_LONG
        molecule = parse_mol_block(text) if self.has_mol_blocks else parse_smiles(text)
        return Problem.NO_MOLECULE if molecule is None else molecule

    def _write(self, molecule: Mol) -> tuple[str, list[str]]:
        """Return the canonical text, and the tokens of the one that networks read; [] if they are too many."""
        if molecule.GetNumHeavyAtoms() >= self.max_tokens:  # its text is longer still, and takes long to make
            return "", []
        canonical = to_canonical(molecule)
        tokens = split_smiles(kekule_smiles(canonical) or "")
        return canonical, tokens if len(tokens) < self.max_tokens else []
