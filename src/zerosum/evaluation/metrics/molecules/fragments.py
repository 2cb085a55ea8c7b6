"""Parts of molecules, and how alike the frequencies are with which two sets have them.

Polykovskiy et al. 2020, arXiv:1811.12823, section 4: fragments by BRICS (Degen et al. 2008), and scaffolds by Bemis and
Murcko 1996.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rdkit.Chem import Mol

MIN_RINGS = 2
"""Scaffolds of fewer rings are not counted, as in MOSES: many molecules share them."""


def brics_fragments(molecule: Mol) -> list[str]:
    """Return the fragments of a molecule, as SMILES texts whose open ends are numbered by the type of their bond.

    Example:
        >>> from rdkit import Chem
        >>> brics_fragments(Chem.MolFromSmiles("CCOC"))
        ['[3*]OC', '[4*]CC']
    """
    from rdkit import Chem

    return str(Chem.MolToSmiles(Chem.FragmentOnBRICSBonds(molecule))).split(".")


def ring_scaffold(molecule: Mol) -> str:
    """Return the scaffold of a molecule as a SMILES text; "" if it has fewer rings than `MIN_RINGS`.

    Example:
        >>> from rdkit import Chem
        >>> ring_scaffold(Chem.MolFromSmiles("Cc1ccccc1-c1ccccc1")), ring_scaffold(Chem.MolFromSmiles("Cc1ccccc1"))
        ('c1ccc(-c2ccccc2)cc1', '')
    """
    from rdkit import Chem
    from rdkit.Chem.Scaffolds import MurckoScaffold

    scaffold: Mol = MurckoScaffold.GetScaffoldForMol(molecule)  # type: ignore[no-untyped-call]
    return str(Chem.MolToSmiles(scaffold)) if scaffold.GetRingInfo().NumRings() >= MIN_RINGS else ""


def cosine_similarity(first: Mapping[str, int], second: Mapping[str, int]) -> float:
    """Return the cosine of the angle between two vectors of counts: 1 for equal frequencies; NaN for an empty one.

    Example:
        >>> round(cosine_similarity({"a": 1, "b": 1}, {"b": 2, "c": 2}), 6)
        0.5
    """
    norms = [math.hypot(*counts.values()) for counts in (first, second)]
    product = math.fsum(count * second.get(name, 0) for name, count in first.items())
    return min(product / math.prod(norms), 1.0) if all(norms) else math.nan
