"""Molecules as samples: graphs of a fixed number of places for atoms, each a type of atom or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from zerosum.data.codec import Items
from zerosum.data.molecules.graph import NUM_BONDS, AtomType, MoleculeGraph, graph_to_smiles
from zerosum.data.molecules.smiles_codec import SmilesCodec
from zerosum.game.sample_spec import SampleSpec, TensorSpec
from zerosum.game.sample_tree import leaves
from zerosum.game.types import Sample
from zerosum.run_folder import Json

FORM = "graph"
"""The form that is saved with the codec, by which it is restored."""


@dataclass(frozen=True, eq=False)
class MoleculeGraphCodec(SmilesCodec):
    """Encodes graphs as one-hot samples, and decodes samples to SMILES texts (N,).

    Raw graphs are the tree of numbers "atoms" uint8 (N, A), 0 for no atom and k for `atom_types[k - 1]`, and "bonds"
    uint8 (N, A, A), 0 for none, then single, double, triple, aromatic. In a sample, each number is one-hot along a
    further axis: "atoms" (N, A, T) and "bonds" (N, A, A, 5), float32.
    """

    atom_types: tuple[AtomType, ...]
    """The T - 1 types of atoms."""
    max_atoms: int
    """Largest number A of heavy atoms."""

    @property
    def spec(self) -> SampleSpec:
        """The atoms and the bonds."""
        size = self.max_atoms
        return {
            "atoms": TensorSpec((size, len(self.atom_types) + 1), one_hot=True),
            "bonds": TensorSpec((size, size, NUM_BONDS), one_hot=True),
        }

    # ------------------------------------------------------------------ graphs to samples and back

    def to_raw(self, graphs: Sequence[MoleculeGraph]) -> Mapping[str, NDArray[np.uint8]]:
        """Return graphs (N) of known atom types, and of at most A atoms, as raw numbers."""
        numbers = {kind: number for number, kind in enumerate(self.atom_types, 1)}
        atoms = np.zeros((len(graphs), self.max_atoms), np.uint8)
        bonds = np.zeros((len(graphs), self.max_atoms, self.max_atoms), np.uint8)
        for place, graph in enumerate(graphs):
            count = len(graph.atoms)
            atoms[place, :count] = [numbers[kind] for kind in graph.atoms]
            bonds[place, :count, :count] = graph.bonds
        return {"atoms": atoms, "bonds": bonds}

    def encode(self, raw: Sample) -> Sample:
        """Encode raw graphs as samples."""
        atoms, bonds = _atoms_and_bonds(raw)
        return {
            "atoms": one_hot(atoms.long(), len(self.atom_types) + 1).float(),
            "bonds": one_hot(bonds.long(), NUM_BONDS).float(),
        }

    def decode(self, sample: Sample, seed: Tensor) -> Items:
        """Decode samples to SMILES texts (N,); "" where a graph is no molecule."""
        return self.items(self._to_numbers(sample))

    def items(self, raw: Sample) -> Items:
        """Return the SMILES texts (N,) of raw graphs; "" where one is no molecule."""
        atoms, bonds = (tensor.cpu().numpy() for tensor in _atoms_and_bonds(raw))
        return np.array([self._text(*graph) for graph in zip(atoms, bonds, strict=True)], np.str_)

    def _text(self, atoms: NDArray[np.integer], bonds: NDArray[np.integer]) -> str:
        """Return the text of numbers of atoms (A,) and bonds (A, A), which must not bind what is no atom."""
        is_atom = atoms > 0
        if bonds[~is_atom].any() or bonds[:, ~is_atom].any() or (bonds != bonds.T).any() or bonds.diagonal().any():
            return ""
        kinds = [self.atom_types[number - 1] for number in atoms[is_atom].tolist()]
        return graph_to_smiles(kinds, bonds[is_atom][:, is_atom])

    def _to_numbers(self, sample: Sample) -> Sample:
        """Return the most likely numbers of samples, int64; of bonds, both directions count."""
        atoms, bonds = (tensor.detach().float().nan_to_num() for tensor in _atoms_and_bonds(sample))
        return {"atoms": atoms.argmax(-1), "bonds": (bonds + bonds.transpose(1, 2)).argmax(-1)}

    def round(self, sample: Sample) -> Sample:
        """Return samples of zeros and ones."""
        return self.encode(self._to_numbers(sample))

    @property
    def steps(self) -> float:
        """None between 0 and 1."""
        return 2.0

    def embed(self, sample: Sample) -> Tensor:
        """Return features (N, T^2 * 4) of length 1: how many bonds of each kind join atoms of each two types."""
        atoms, bonds = (tensor.cpu() for tensor in _atoms_and_bonds(self.round(sample)))
        counts = torch.einsum("nit,nijb,nju->ntub", atoms, bonds[..., 1:], atoms)
        return normalize(counts.flatten(1))

    # ------------------------------------------------------------------ saved state

    def settings(self) -> Mapping[str, Json]:
        """Return the form, the types of atoms and their number."""
        kinds: list[Json] = [list(kind) for kind in self.atom_types]
        return {"form": FORM, "atom_types": kinds, "max_atoms": self.max_atoms}

    @classmethod
    def restore(cls, settings: Mapping[str, Json]) -> Self:
        """Return the codec that was saved.

        Raises:
            KeyError, TypeError, ValueError: the settings are damaged.
        """
        kinds = settings["atom_types"]
        if not isinstance(kinds, list):
            raise TypeError("the codec of graphs has a list of types of atoms")
        return cls(tuple(_restore_type(kind) for kind in kinds), int(str(settings["max_atoms"])))


def _restore_type(saved: Json) -> AtomType:
    if not isinstance(saved, list):
        raise TypeError("a type of atoms is a list")
    symbol, charge, hydrogens = saved
    return AtomType(str(symbol), int(str(charge)), int(str(hydrogens)))


def _atoms_and_bonds(tree: Sample) -> tuple[Tensor, Tensor]:
    """Return the two tensors of graphs."""
    assert isinstance(tree, Mapping), "graphs are a tree"
    return leaves(tree["atoms"])[0], leaves(tree["bonds"])[0]
