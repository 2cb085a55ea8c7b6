"""What RDKit says of a molecule: whether a text is one, its canonical form, its largest part and its scaffold.

All functions are quiet: RDKit prints no messages about texts that are no molecules.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.data.molecules.imports import import_rdkit

if TYPE_CHECKING:
    from rdkit.Chem import Mol

MIXTURE_SHARE = 0.5
"""A second part with at least this share of the atoms of the largest one is more than the ion of a salt."""


class LargestPart(NamedTuple):
    """The part of a molecule with most heavy atoms."""

    molecule: Mol
    was_stripped: bool
    """Whether other parts were left out, such as the ion of a salt or water."""
    is_mixture: bool
    """Whether another one of these parts is about as large: see `MIXTURE_SHARE`."""


def rdkit_version() -> str:
    """Return the version of RDKit: canonical forms may change with it.

    Raises:
        BadInput: it is not installed.
    """
    import_rdkit()
    import rdkit

    return rdkit.__version__


def parse_smiles(text: str) -> Mol | None:
    """Return the molecule of a SMILES text; None if it is none.

    Raises:
        BadInput: RDKit is not installed.

    Example:
        >>> parse_smiles("CCO").GetNumAtoms(), parse_smiles("C1CC"), parse_smiles("")
        (3, None, None)
    """
    import_rdkit()
    from rdkit import Chem, rdBase

    if not text or text.isspace():
        return None  # RDKit returns a molecule of no atoms
    with rdBase.BlockLogs():
        molecule: Mol | None = Chem.MolFromSmiles(text)
    return molecule


def parse_mol_block(text: str) -> Mol | None:
    """Return the molecule of a record of an SDF file; None if it is none.

    Raises:
        BadInput: RDKit is not installed.
    """
    import_rdkit()
    from rdkit import Chem, rdBase

    with rdBase.BlockLogs():
        molecule: Mol | None = Chem.MolFromMolBlock(text)
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


def to_canonical(molecule: Mol) -> str:
    """Return the canonical SMILES text of a molecule: the same for all texts of one molecule.

    Example:
        >>> to_canonical(parse_smiles("OCC"))
        'CCO'
    """
    from rdkit import Chem

    return str(Chem.MolToSmiles(molecule))


def canonical_smiles(text: str) -> str | None:
    """Return the canonical form of a SMILES text; None if it is no molecule.

    Example:
        >>> canonical_smiles("C1=CC=CC=C1"), canonical_smiles("C(")
        ('c1ccccc1', None)
    """
    molecule = parse_smiles(text)
    return None if molecule is None else to_canonical(molecule)


def kekule_smiles(text: str) -> str | None:
    """Return a SMILES text in which aromatic rings have single and double bonds; None if it is no molecule.

    It is always the same for one canonical text. A generated text of this form has a mistake less to make: in one
    with aromatic atoms, any ring may lack a Kekule structure, which depends on all of its atoms.

    Example:
        >>> kekule_smiles("c1ccccc1"), kekule_smiles("c1cc[nH]c1"), kekule_smiles("c1cccc1")
        ('C1=CC=CC=C1', 'C1=CNC=C1', None)
    """
    from rdkit import Chem

    molecule = parse_smiles(text)
    if molecule is None:
        return None
    Chem.Kekulize(molecule, clearAromaticFlags=True)
    return str(Chem.MolToSmiles(molecule, kekuleSmiles=True))


def largest_part(molecule: Mol) -> LargestPart:
    """Return the part with most heavy atoms; of equal ones the heaviest, then the first by its text.

    Example:
        >>> part = largest_part(parse_smiles("CC(=O)[O-].[Na+]"))
        >>> to_canonical(part.molecule), part.was_stripped, part.is_mixture
        ('CC(=O)[O-]', True, False)
    """
    from rdkit import Chem
    from rdkit.Chem import rdMolDescriptors

    if len(Chem.GetMolFrags(molecule)) == 1:  # copying the parts takes as long as parsing
        return LargestPart(molecule, False, False)
    parts = Chem.GetMolFrags(molecule, asMols=True)
    ranked = sorted((-part.GetNumHeavyAtoms(), -rdMolDescriptors.CalcExactMolWt(part), to_canonical(part), place)
                    for place, part in enumerate(parts))  # fmt: skip
    first = ranked[0]
    others = {text: -negative for negative, _, text, _ in ranked[1:] if text != first[2]}
    is_mixture = max(others.values(), default=0) >= MIXTURE_SHARE * -first[0]
    return LargestPart(parts[first[3]], True, is_mixture)


def scaffold_smiles(molecule: Mol) -> str:
    """Return the canonical Bemis-Murcko scaffold, rings and what links them; "" of a molecule without rings.

    Bemis and Murcko (1996), The properties of known drugs: 1. Molecular frameworks, J. Med. Chem. 39, 2887.

    Example:
        >>> scaffold_smiles(parse_smiles("CCc1ccccc1")), scaffold_smiles(parse_smiles("CCO"))
        ('c1ccccc1', '')
    """
    from rdkit.Chem.Scaffolds import MurckoScaffold

    return str(MurckoScaffold.MurckoScaffoldSmiles(mol=molecule))  # type: ignore[no-untyped-call]


def find_invalid(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return which texts (N,) are no molecule.

    Example:
        >>> find_invalid(["CCO", "C(", ""]).tolist()
        [False, True, True]
    """
    return np.fromiter((parse_smiles(text) is None for text in texts), bool, len(texts))
