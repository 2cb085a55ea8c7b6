"""Molecules as graphs: the types of their heavy atoms, and the kinds of their bonds.

A graph holds what a SMILES text without stereochemistry says of ordinary molecules; isotopes and radicals are not held.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from zerosum.data.molecules.chemistry import canonical_smiles, parse_smiles, to_canonical

if TYPE_CHECKING:
    from rdkit.Chem import Atom, Mol

NUM_BONDS = 5
"""Kinds of bonds, by their numbers: none, single, double, triple, aromatic."""
AROMATIC = 4


class AtomType(NamedTuple):
    """What a graph says of an atom; its other hydrogen atoms follow from its bonds.

    Example:
        >>> str(AtomType("N", 1)), str(AtomType("O", -1)), str(AtomType("N", 0, 1))
        ('N+', 'O-', 'NH')
    """

    symbol: str
    """The chemical symbol, such as "Cl"."""
    charge: int = 0
    """Formal charge."""
    hydrogens: int = 0
    """Hydrogen atoms that do not follow from the bonds: of aromatic atoms, such as the nitrogen of pyrrole."""

    def __str__(self) -> str:
        sign = ("-" if self.charge < 0 else "+") if self.charge else ""
        amount = str(abs(self.charge)) if abs(self.charge) > 1 else ""
        hydrogens = f"H{self.hydrogens if self.hydrogens > 1 else ''}" if self.hydrogens else ""
        return f"{self.symbol}{hydrogens}{sign}{amount}"


class MoleculeGraph(NamedTuple):
    """A molecule of n heavy atoms."""

    text: str
    """Its canonical SMILES text, without stereochemistry."""
    atoms: tuple[AtomType, ...]
    """(n,)"""
    bonds: NDArray[np.uint8]
    """(n, n) numbers of the kinds of bonds, symmetric."""


def smiles_to_graph(text: str) -> MoleculeGraph | None:
    """Return the graph of a SMILES text; None if a graph does not hold the molecule, or the text is none.

    Example:
        >>> graph = smiles_to_graph("OCC")
        >>> graph.text, [str(atom) for atom in graph.atoms], graph.bonds.tolist()
        ('CCO', ['C', 'C', 'O'], [[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    """
    from rdkit import Chem

    molecule = parse_smiles(text)
    if molecule is None:
        return None
    Chem.RemoveStereochemistry(molecule)
    ordered = parse_smiles(to_canonical(molecule))
    if ordered is None or (bonds := _bonds(ordered)) is None:
        return None
    if any(atom.GetAtomicNum() == 0 for atom in ordered.GetAtoms()):  # "*", which stands for any atom
        return None
    own = to_canonical(ordered)
    graph = MoleculeGraph(own, tuple(map(_atom_type, ordered.GetAtoms())), bonds)
    return graph if graph_to_smiles(graph.atoms, bonds) == own else None


def graph_to_smiles(atoms: Sequence[AtomType], bonds: NDArray[np.generic]) -> str:
    """Return the canonical SMILES text of a graph; "" if it is no molecule.

    It is none if an atom has more bonds than its element forms, aromatic bonds have no alternating single and double
    ones, or it consists of several parts. Nothing is repaired.

    Args:
        atoms: (n,) the types of the atoms.
        bonds: (n, n) numbers of the kinds of bonds, symmetric.

    Example:
        >>> atoms = [AtomType("C"), AtomType("C"), AtomType("O")]
        >>> graph_to_smiles(atoms, np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]]))
        'CCO'
        >>> graph_to_smiles(atoms, np.array([[0, 3, 3], [3, 0, 0], [3, 0, 0]]))
        ''
    """
    from rdkit import Chem, rdBase

    molecule = _build(atoms, bonds)
    if len(Chem.GetMolFrags(molecule)) != 1:
        return ""
    with rdBase.BlockLogs():
        try:
            Chem.SanitizeMol(molecule)
        except ValueError:  # the base of all errors of sanitization
            return ""
    return canonical_smiles(to_canonical(molecule)) or ""


def _build(atoms: Sequence[AtomType], bonds: NDArray[np.generic]) -> Mol:
    """Return the molecule of a graph, which may be none that exists."""
    from rdkit import Chem

    kinds = (Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE, Chem.BondType.AROMATIC)
    molecule = Chem.RWMol()
    for kind in atoms:
        atom = Chem.Atom(kind.symbol)
        atom.SetFormalCharge(kind.charge)
        if kind.hydrogens:
            atom.SetNumExplicitHs(kind.hydrogens)
            atom.SetNoImplicit(True)
        molecule.AddAtom(atom)
    for first, second in np.argwhere(np.triu(bonds, 1)).tolist():
        number = int(bonds[first, second])
        molecule.AddBond(first, second, kinds[number - 1])
        if number == AROMATIC:
            bond = molecule.GetBondBetweenAtoms(first, second)
            bond.SetIsAromatic(True)
            bond.GetBeginAtom().SetIsAromatic(True)
            bond.GetEndAtom().SetIsAromatic(True)
    return molecule


def _atom_type(atom: Atom) -> AtomType:
    return AtomType(atom.GetSymbol(), atom.GetFormalCharge(), atom.GetNumExplicitHs() if atom.GetIsAromatic() else 0)


def _bonds(molecule: Mol) -> NDArray[np.uint8] | None:
    """Return the numbers of the bonds (n, n) of a molecule; None if it has one of another kind."""
    from rdkit import Chem

    numbers = {
        Chem.BondType.SINGLE: 1,
        Chem.BondType.DOUBLE: 2,
        Chem.BondType.TRIPLE: 3,
        Chem.BondType.AROMATIC: AROMATIC,
    }
    count = molecule.GetNumAtoms()
    bonds = np.zeros((count, count), np.uint8)
    for bond in molecule.GetBonds():
        number = numbers.get(bond.GetBondType())
        if number is None:
            return None
        ends = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        bonds[ends] = bonds[ends[::-1]] = number
    return bonds
