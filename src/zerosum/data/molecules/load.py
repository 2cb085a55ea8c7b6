"""Load molecules: read the file, split it, find or compute the properties, and fit the codec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data.kind import LoadOptions
from zerosum.data.molecules.codec import MoleculeCodec
from zerosum.data.molecules.collect import MoleculeTable
from zerosum.data.molecules.config import MoleculeDataConfig
from zerosum.data.molecules.dataset import MoleculeDataset
from zerosum.data.molecules.encode_table import (
    EncodedTable,
    describe_left_out,
    keep_encoded,
    load_encoded,
    load_vocabulary,
)
from zerosum.data.molecules.ingest import MoleculeIngest
from zerosum.data.molecules.labels import PropertyPlan, read_labels
from zerosum.data.molecules.molecule_file import MoleculeFile
from zerosum.data.molecules.open_file import open_molecules
from zerosum.data.molecules.property_range import PropertyRange
from zerosum.data.molecules.summary import summarize
from zerosum.data.split import split_by_content, split_by_group
from zerosum.data.text import pluralize, printable
from zerosum.errors import BadInput

MIN_MOLECULES = 20
"""Least number of molecules to train on."""
FEW_MOLECULES = 1_000
"""Fewer molecules than this are noted: a generator learns no chemistry from them."""


@dataclass(frozen=True, eq=False)
class _Molecules:
    """The molecules of a dataset."""

    table: MoleculeTable
    raw: NDArray[np.generic]
    """(N, L) their token numbers in the vocabulary of the codec."""
    labels: NDArray[np.float32]
    """(N, P) properties, NaN where unknown; (N, 0) if none are wanted."""
    properties: tuple[PropertyRange, ...]
    """The ranges of the P properties; () before they are fitted."""
    notes: list[str] = field(default_factory=list)


def load_molecules(data: MoleculeDataConfig, options: LoadOptions, file: MoleculeFile | None = None) -> MoleculeDataset:
    """Load molecules to train on.

    Args:
        data: the settings.
        options: progress, split, and what a run keeps of its former data, or of the run that it starts from.
        file: the file, if it has been opened before.

    Raises:
        BadInput: the file cannot be used.
    """
    file = file or open_molecules(Path(data.source), data.column)
    codec = options.former.codec if options.former else options.codec
    if isinstance(codec, MoleculeCodec):
        return _load_for_run(data, options, file, codec)
    plan = PropertyPlan.of(data, file)
    ingest = MoleculeIngest(file, data.max_tokens, plan.present_columns(file), data.split == "scaffold")
    table = ingest.load(options.progress)
    if len(table.raw) < MIN_MOLECULES:
        raise file.error(
            f"has {pluralize(len(table.raw), 'different molecule')} that can be used; give at least {MIN_MOLECULES}"
        )
    train, held_out = split_molecules(data, options, table)
    labels = read_labels(plan, file, table, ingest.key, data.max_labeled, options.progress)
    ranges = _fit_ranges(plan.names, labels[train])
    tokens = load_vocabulary(table, train, data.vocabulary, ingest.key)
    raw = load_encoded(table, tokens, None, ingest.key, options.progress).raw
    fitted = MoleculeCodec(tokens, raw.shape[1], ranges, data.score)
    return _build(data, _Molecules(table, raw, labels, ranges, _note_few(len(raw))), fitted, train, held_out)


def load_molecules_like(data: MoleculeDataConfig, codec: MoleculeCodec, options: LoadOptions) -> MoleculeDataset:
    """Load other molecules in the form of a run's, without their properties.

    Raises:
        BadInput: the file cannot be used, or has none that the run knows.
    """
    file = open_molecules(Path(data.source), data.column)
    ingest = MoleculeIngest(file, data.max_tokens, (), data.split == "scaffold")
    table, encoded, notes = _encode_for_run(ingest, codec, options)
    train, held_out = split_molecules(data, options, table)
    nothing = np.zeros((len(table.raw), 0), np.float32)
    return _build(data, _Molecules(table, encoded.raw, nothing, (), notes), codec, train, held_out)


def _load_for_run(
    data: MoleculeDataConfig, options: LoadOptions, file: MoleculeFile, codec: MoleculeCodec
) -> MoleculeDataset:
    """Load molecules with the vocabulary and the properties that a run has."""
    plan = PropertyPlan.of(data, file, codec.property_names)
    if plan.names != codec.property_names:
        raise BadInput(f"`data.properties` {', '.join(plan.names) or 'none'}: the run was trained with "
                       f"{', '.join(codec.property_names) or 'none'}; leave it out")  # fmt: skip
    columns = plan.present_columns(file)
    ingest = MoleculeIngest(file, data.max_tokens, columns, data.split == "scaffold")
    table, encoded, notes = _encode_for_run(ingest, codec, options)
    if missing := [printable(name) for name in plan.columns if name not in columns]:
        notes.append(f"the file has no column {', '.join(missing)}, so this property is not known of any molecule")
    train, held_out = split_molecules(data, options, table)
    key = ingest.key
    if encoded.unknown or encoded.too_long:  # else the same molecules have been labeled before the run was trained
        key = f"{key} {codec.tokens} {codec.max_tokens}"
    labels = read_labels(plan, file, table, key, data.max_labeled, options.progress)
    return _build(data, _Molecules(table, encoded.raw, labels, codec.properties, notes), codec, train, held_out)


def _encode_for_run(
    ingest: MoleculeIngest, codec: MoleculeCodec, options: LoadOptions
) -> tuple[MoleculeTable, EncodedTable, list[str]]:
    """Return the molecules that a run knows, their token numbers, and notes about the others.

    Raises:
        BadInput: it knows none.
    """
    table = ingest.load(options.progress)
    encoded = load_encoded(table, codec.tokens, codec.max_tokens, ingest.key, options.progress)
    notes = describe_left_out(table, encoded, codec.tokens)
    if not len(encoded.kept):
        raise ingest.file.error(f"has no molecule that the run can take: {'; '.join(notes)}")
    return keep_encoded(table, encoded), encoded, notes


def split_molecules(
    data: MoleculeDataConfig, options: LoadOptions, table: MoleculeTable
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the training and the held-out molecules.

    Raises:
        BadInput: they have the same scaffold, and scaffolds are to be held out.
    """
    hashes, fraction, bounded = np.asarray(table.content_hashes), options.held_out_fraction, options.bounded_split
    if data.split == "content" or options.for_evaluation:
        return options.keep_sides(hashes, *split_by_content(hashes, fraction, bounded=bounded))
    scaffolds = np.asarray(table.scaffolds)
    if len(np.unique(scaffolds)) < 2:
        raise BadInput("`data.split` scaffold: all molecules have the same scaffold; choose content")
    train, held_out = split_by_group(hashes, scaffolds, fraction, "data.split", bounded=bounded)
    return options.former.split.keep(hashes, train, held_out, scaffolds) if options.former else (train, held_out)


def _fit_ranges(names: Sequence[str], labels: NDArray[np.float32]) -> tuple[PropertyRange, ...]:
    """Return the ranges of properties (N, P) of training molecules.

    Raises:
        BadInput: nothing can be learned from one.
    """
    return tuple(PropertyRange.fit(name, labels[:, place]) for place, name in enumerate(names))


def _build(
    data: MoleculeDataConfig,
    molecules: _Molecules,
    codec: MoleculeCodec,
    train: NDArray[np.int64],
    held_out: NDArray[np.int64],
) -> MoleculeDataset:
    """Build the dataset of molecules with the vocabulary of the codec."""
    table = molecules.table
    conditions = codec.standardize(molecules.labels) if molecules.properties else None
    summary = summarize(data.source, table, molecules.raw.shape[1])
    summary.notes += molecules.notes
    summary.properties = _describe_properties(molecules)
    summary.train, summary.held_out = len(train), len(held_out)
    return MoleculeDataset(
        molecules.raw,
        np.zeros(len(table.raw), np.int64),
        (),
        np.asarray(table.content_hashes),
        train,
        held_out,
        summary,
        codec,
        conditions=conditions,
        given_fraction=data.given,
    )


def _note_few(count: int) -> list[str]:
    """Return a sentence for the user if molecules to train on from scratch are few."""
    if count >= FEW_MOLECULES:
        return []
    return [f"{pluralize(count, 'molecule')}: too few to learn chemistry from, so a generator makes hardly any valid "
            "ones; start from a run on many (`start_from`)"]  # fmt: skip


def _describe_properties(molecules: _Molecules) -> dict[str, str]:
    """Return each property in words."""
    text = {}
    for place, known in enumerate(molecules.properties):
        values = molecules.labels[:, place]
        values = values[~np.isnan(values)]
        if len(values):
            spread = f"{values.min():.4g} to {values.max():.4g}, mean {values.mean():.4g}"
            text[known.name] = f"{spread}; known of {pluralize(len(values), 'molecule')}"
    return text
