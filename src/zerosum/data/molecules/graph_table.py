"""The molecules of a file that are small enough for graphs: found by their tokens, and cached."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data.content_hash import hash_text
from zerosum.data.kind import ProgressFn
from zerosum.data.molecules.collect import MoleculeTable
from zerosum.data.molecules.encode_table import load_or_make
from zerosum.data.molecules.graph import AtomType, MoleculeGraph, smiles_to_graph
from zerosum.data.molecules.graph_codec import MoleculeGraphCodec
from zerosum.data.molecules.tokens import decode_rows
from zerosum.data.molecules.worker_pool import map_chunks

CHUNK_MOLECULES = 2_000
"""Molecules that a process turns into graphs at a time, in about a second."""
_ARRAYS = ("rows", "hashes", "atoms", "bonds")
_DAMAGED_FILE_ERRORS = (OSError, ValueError, KeyError, TypeError)


@dataclass(frozen=True, eq=False)
class GraphTable:
    """The n different molecules that graphs hold, without stereochemistry."""

    rows: NDArray[np.int64]
    """(n,) their rows in the table of all molecules."""
    hashes: NDArray[np.uint64]
    """(n,) hashes of their canonical texts."""
    atoms: NDArray[np.uint8]
    """(n, A) types of atoms, as numbers from 1 on; 0 for none. A is the number of heavy atoms of the largest one."""
    bonds: NDArray[np.uint8]
    """(n, A, A) numbers of kinds of bonds."""
    atom_types: tuple[AtomType, ...]
    too_large: int
    """How many molecules have too many heavy atoms."""
    not_held: int
    """How many of the others are none that a graph holds, such as isotopes and radicals."""
    stereoisomers: int
    """How many of the others differ from an earlier one in stereochemistry alone."""


def count_heavy_atoms(table: MoleculeTable) -> NDArray[np.int64]:
    """Return the numbers of heavy atoms (N,) of molecules, by their tokens: a hydrogen atom may count where it is one.

    Example:
        >>> from types import SimpleNamespace
        >>> facts = SimpleNamespace(tokens=["(", "=", "C", "Cl", "[nH]"])
        >>> count_heavy_atoms(SimpleNamespace(facts=facts, raw=np.array([[3, 1, 4, 2, 5], [3, 3, 0, 0, 0]]))).tolist()
        [3, 2]
    """
    is_atom = np.array([False, *(any(char.isalpha() for char in token) for token in table.facts.tokens)])
    return np.concatenate([is_atom[block].sum(1) for block in np.array_split(table.raw, len(table.raw) // 100_000 + 1)])


def load_graphs(table: MoleculeTable, max_atoms: int, key: str, progress: ProgressFn) -> GraphTable:
    """Return the molecules of at most `max_atoms` heavy atoms as graphs, or find them in the cache.

    Args:
        table: all molecules of a file.
        max_atoms: largest number of heavy atoms.
        key: the name of the entry of the cache of the molecules.
        progress: called with the numbers of molecules done and of all that are small enough.
    """

    def load(folder: Path) -> GraphTable | None:
        try:
            facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
            rows, hashes, atoms, bonds = (np.load(folder / f"{name}.npy") for name in _ARRAYS)
            types = tuple(AtomType(*kind) for kind in facts["atom_types"])
            is_complete = len(rows) == len(hashes) == len(atoms) == len(bonds)
            return GraphTable(rows, hashes, atoms, bonds, types, *facts["counts"]) if is_complete else None
        except _DAMAGED_FILE_ERRORS:
            return None

    def save(graphs: GraphTable, folder: Path) -> None:
        arrays: Sequence[NDArray[np.generic]] = (graphs.rows, graphs.hashes, graphs.atoms, graphs.bonds)
        for name, array in zip(_ARRAYS, arrays, strict=True):
            np.save(folder / f"{name}.npy", array)
        counts = [graphs.too_large, graphs.not_held, graphs.stereoisomers]
        facts = {"atom_types": [list(kind) for kind in graphs.atom_types], "counts": counts}
        (folder / "facts.json").write_text(json.dumps(facts), encoding="utf-8")

    return load_or_make(f"graphs {key} {max_atoms}", lambda: make_graphs(table, max_atoms, progress), load, save)


def make_graphs(table: MoleculeTable, max_atoms: int, progress: ProgressFn) -> GraphTable:
    """Return the molecules of at most `max_atoms` heavy atoms as graphs; see `load_graphs`."""
    small = np.flatnonzero(count_heavy_atoms(table) <= max_atoms)
    found: dict[int, tuple[int, MoleculeGraph]] = {}
    not_held = held = 0
    for place, graph in enumerate(_read_graphs(table, small, progress)):
        if graph is None:
            not_held += 1
            continue
        held += 1
        found.setdefault(hash_text(graph.text), (int(small[place]), graph))
    kept = [graph for _, graph in found.values()]
    types = sorted({kind for graph in kept for kind in graph.atoms})
    codec = MoleculeGraphCodec(tuple(types), max((len(graph.atoms) for graph in kept), default=0))
    raw = codec.to_raw(kept)
    return GraphTable(
        np.array([row for row, _ in found.values()], np.int64),
        np.array(list(found), np.uint64),
        raw["atoms"],
        raw["bonds"],
        codec.atom_types,
        len(table.raw) - len(small),
        not_held,
        held - len(found),
    )


def _read_graphs(table: MoleculeTable, rows: NDArray[np.int64], progress: ProgressFn) -> Iterator[MoleculeGraph | None]:
    """Yield the graphs of rows (n,) of a table, computed on all cores; None for what a graph does not hold."""

    def chunks() -> Iterator[list[str]]:
        for first in range(0, len(rows), CHUNK_MOLECULES):
            block = np.asarray(table.raw[rows[first : first + CHUNK_MOLECULES]])
            yield decode_rows(block, table.facts.tokens).tolist()

    done = 0
    for part in map_chunks(texts_to_graphs, chunks()):
        yield from part
        done += len(part)
        progress(done, len(rows))


def texts_to_graphs(texts: Sequence[str]) -> list[MoleculeGraph | None]:
    """Return the graphs of SMILES texts; it is sent to other processes."""
    return [smiles_to_graph(text) for text in texts]
