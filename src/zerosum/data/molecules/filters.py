"""The filters of MOSES: atoms, charges and rings that drugs seldom have, and structures that make trouble in tests.

Polykovskiy et al. 2020, arXiv:1811.12823, section 2: medicinal chemistry filters (MCF) and pan-assay interference
compounds (PAINS).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from rdkit.Chem import Mol

ALLOWED_ATOMS = frozenset((1, 6, 7, 8, 9, 16, 17, 35))
"""Atomic numbers of H, C, N, O, F, S, Cl and Br."""
MAX_RING = 7
"""Largest number of atoms of a ring."""
_SCREEN_BITS = 2_048


@dataclass(frozen=True, eq=False)
class StructureFilters:
    """Structures that no molecule should have.

    A molecule that has a structure has all bits of the structure's pattern fingerprint, so that few structures are
    searched for: 30 of 502.
    """

    names: tuple[str, ...]
    """(F,) names of the structures."""
    structures: tuple[Mol, ...]
    """(F,) structures; hydrogen atoms are atoms of theirs."""
    screens: NDArray[np.uint8]
    """(F, 256) packed bits of their pattern fingerprints."""

    @classmethod
    def load(cls) -> Self:
        """Return the 502 structures of MOSES."""
        from rdkit import Chem

        file = resources.files(__package__).joinpath("moses_filters.tsv")
        lines = [line.split("\t") for line in file.read_text("utf8").splitlines()]
        structures = tuple(Chem.MolFromSmarts(smarts) for _, smarts in lines)
        for structure in structures:  # as fingerprints need it
            structure.UpdatePropertyCache(False)
            Chem.FastFindRings(structure)
        return cls(tuple(name for name, _ in lines), structures, np.stack([_screen(each) for each in structures]))

    def find(self, molecule: Mol) -> str:
        """Return the name of the first structure that a molecule has; "" if it has none."""
        from rdkit import Chem

        complete = Chem.AddHs(molecule)
        possible = np.flatnonzero(~(self.screens & ~_screen(complete)).any(1))
        found = (int(place) for place in possible if complete.HasSubstructMatch(self.structures[int(place)]))
        first = next(found, None)
        return "" if first is None else self.names[first]


@cache
def structure_filters() -> StructureFilters:
    """Return the structures of MOSES, which are read once."""
    return StructureFilters.load()


def passes_filters(molecule: Mol) -> bool:
    """Return whether a molecule has common atoms alone, no charges, no large ring, and none of the structures.

    Example:
        >>> from rdkit import Chem
        >>> [passes_filters(Chem.MolFromSmiles(text)) for text in ("CNC", "CCCP", "C[NH3+]", "C1CCCCCCC1", "CC=O")]
        [True, False, False, False, False]
    """
    from rdkit import Chem

    if any(atom.GetFormalCharge() or atom.GetAtomicNum() not in ALLOWED_ATOMS for atom in molecule.GetAtoms()):
        return False
    if any(len(ring) > MAX_RING for ring in molecule.GetRingInfo().AtomRings()):
        return False
    if structure_filters().find(molecule):
        return False
    return Chem.MolFromSmiles(Chem.MolToSmiles(molecule, isomericSmiles=False)) is not None


def _screen(molecule: Mol) -> NDArray[np.uint8]:
    """Return the packed pattern fingerprint (256,) of a molecule or structure."""
    from rdkit import Chem, DataStructs

    fingerprint = Chem.PatternFingerprint(molecule, fpSize=_SCREEN_BITS)
    return np.frombuffer(DataStructs.BitVectToBinaryText(fingerprint), np.uint8)
