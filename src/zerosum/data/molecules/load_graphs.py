"""Load small molecules as graphs: read the file, keep those of few atoms, split them, and fit the codec."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data.dataset import Dataset
from zerosum.data.kind import LoadOptions
from zerosum.data.molecules.collect import MoleculeTable
from zerosum.data.molecules.config import MoleculeDataConfig
from zerosum.data.molecules.graph import AtomType
from zerosum.data.molecules.graph_codec import MoleculeGraphCodec
from zerosum.data.molecules.graph_table import GraphTable, count_heavy_atoms, load_graphs
from zerosum.data.molecules.ingest import MoleculeIngest
from zerosum.data.molecules.load import MIN_MOLECULES, split_molecules
from zerosum.data.molecules.molecule_file import MoleculeFile
from zerosum.data.molecules.open_file import open_molecules
from zerosum.data.molecules.summary import KIND, MoleculeSummary
from zerosum.data.text import pluralize
from zerosum.errors import BadInput


@dataclass
class GraphSummary(MoleculeSummary):
    """Counts and notes of molecules that are graphs."""

    atom_types: dict[str, int] = field(default_factory=dict)
    """Number of atoms of each type."""

    def item_lines(self) -> list[str]:
        """Return the lines about the molecules."""
        least, middle, most = self.atoms
        types = ", ".join(f"{name} {count:,}" for name, count in self.atom_types.items())
        return [
            f"{self.source}: {pluralize(self.count, 'molecule')} of {self.rows:,} rows, as graphs",
            f"heavy atoms: {least} to {most}, median {middle}",
            f"types of atoms: {types}",
            *self.exception_lines(),
        ]


def load_graph_molecules(
    data: MoleculeDataConfig,
    options: LoadOptions,
    file: MoleculeFile | None = None,
    codec: MoleculeGraphCodec | None = None,
) -> Dataset:
    """Load molecules to train on, or to compare with those of a run, as graphs.

    Args:
        data: the settings.
        options: progress and split, and what a run keeps of its former data, or of the run that it starts from.
        file: the file, if it has been opened before.
        codec: the codec of a run to which they are compared; one molecule is enough.

    Raises:
        BadInput: the file cannot be used, or has too few molecules that are small enough.
    """
    file = file or open_molecules(Path(data.source), data.column)
    own = codec or (options.former.codec if options.former else options.codec)
    ingest = MoleculeIngest(file, data.max_tokens, (), data.split == "scaffold")
    table = ingest.load(options.progress)
    max_atoms = own.max_atoms if isinstance(own, MoleculeGraphCodec) else data.max_atoms
    graphs = load_graphs(table, max_atoms, ingest.key, options.progress)
    notes = _describe_left_out(graphs, max_atoms)
    if isinstance(own, MoleculeGraphCodec):
        graphs, unknown = _keep_known(graphs, own)
        notes += [f"{pluralize(unknown, 'molecule')} with types of atoms that the run does not know left out"] * (
            unknown > 0
        )
    else:
        own = MoleculeGraphCodec(graphs.atom_types, graphs.atoms.shape[1])
    least = 1 if codec else MIN_MOLECULES
    if len(graphs.rows) < least:
        raise _too_few(file, table, len(graphs.rows), max_atoms, least)
    kept = replace(
        table,
        raw=np.asarray(table.raw[graphs.rows]),
        content_hashes=graphs.hashes,
        scaffolds=np.asarray(table.scaffolds[graphs.rows] if len(table.scaffolds) else table.scaffolds),
        columns=np.asarray(table.columns[graphs.rows]),
    )
    train, held_out = split_molecules(data, options, kept)
    summary = _summarize(data.source, table, graphs, own.atom_types)
    summary.notes += notes
    summary.train, summary.held_out = len(train), len(held_out)
    return Dataset(
        _fit_size({"atoms": graphs.atoms, "bonds": graphs.bonds}, own.max_atoms),
        np.zeros(len(graphs.rows), np.int64),
        (),
        graphs.hashes,
        train,
        held_out,
        summary,
        own,
    )


def _too_few(file: MoleculeFile, table: MoleculeTable, count: int, max_atoms: int, least: int) -> BadInput:
    """Return the error that there are too few small molecules."""
    found = pluralize(count, "molecule") if count else "no molecule"
    return file.error(
        f"has {found} of at most {max_atoms} heavy atoms that can be used, and at least {least} are needed (its "
        f"smallest has {count_heavy_atoms(table).min()}); raise `data.max_atoms`, or choose `recipe` molecule, which "
        "takes molecules of any size"
    )


def _keep_known(graphs: GraphTable, codec: MoleculeGraphCodec) -> tuple[GraphTable, int]:
    """Return the graphs whose types of atoms a codec knows, in its numbers, and how many others there are."""
    numbers = {kind: number for number, kind in enumerate(codec.atom_types, 1)}
    translated = np.array([0, *(numbers.get(kind, 0) for kind in graphs.atom_types)], np.uint8)
    is_known = ((translated[graphs.atoms] > 0) == (graphs.atoms > 0)).all(1)
    known = replace(
        graphs,
        rows=graphs.rows[is_known],
        hashes=graphs.hashes[is_known],
        atoms=translated[graphs.atoms[is_known]],
        bonds=graphs.bonds[is_known],
    )
    return known, int((~is_known).sum())


def _fit_size(raw: Mapping[str, NDArray[np.uint8]], size: int) -> dict[str, NDArray[np.uint8]]:
    """Return raw graphs with places for `size` atoms, of which they have no more."""
    missing = size - raw["atoms"].shape[1]
    spaces = {"atoms": ((0, 0), (0, missing)), "bonds": ((0, 0), (0, missing), (0, missing))}
    return {name: np.pad(array, spaces[name]) for name, array in raw.items()}


def _summarize(source: str, table: MoleculeTable, graphs: GraphTable, atom_types: tuple[AtomType, ...]) -> GraphSummary:
    """Return the summary of graphs whose types of atoms have the numbers of `atom_types`."""
    facts = table.facts
    sizes = (graphs.atoms > 0).sum(1)
    counts = Counter({str(kind): int((graphs.atoms == number).sum()) for number, kind in enumerate(atom_types, 1)})
    return GraphSummary(
        source,
        KIND,
        len(graphs.rows),
        notes=list(facts.notes),
        rows=facts.rows,
        problems=facts.problems,
        bad_rows=facts.bad_rows,
        stripped=facts.stripped,
        mixtures=facts.mixtures,
        duplicates=facts.duplicates,
        atoms=[int(sizes.min()), int(np.median(sizes)), int(sizes.max())],
        scaffolds=len(np.unique(table.scaffolds[graphs.rows])) if len(table.scaffolds) else 0,
        atom_types={name: count for name, count in counts.most_common() if count},
    )


def _describe_left_out(graphs: GraphTable, max_atoms: int) -> list[str]:
    """Return sentences about the molecules of a file that are no graphs."""
    reasons = (
        (graphs.too_large, f"with more than {max_atoms} heavy atoms left out (`data.max_atoms`)"),
        (graphs.not_held, "that a graph does not hold, such as isotopes and radicals, left out"),
        (graphs.stereoisomers, "left out that differ from an earlier one in stereochemistry, which graphs do not hold"),
    )
    return [f"{pluralize(count, 'molecule')} {reason}" for count, reason in reasons if count]
