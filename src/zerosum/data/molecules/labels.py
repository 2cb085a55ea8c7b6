"""The properties of a file's molecules: computed once for some of them, or read from columns of the file."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data.kind import ProgressFn
from zerosum.data.molecules.collect import MoleculeTable
from zerosum.data.molecules.config import MoleculeDataConfig
from zerosum.data.molecules.encode_table import load_or_make
from zerosum.data.molecules.molecule_file import MoleculeFile
from zerosum.data.molecules.properties import PROPERTIES, compute_of_texts, find_name, load_score, resolve_properties
from zerosum.data.molecules.tokens import decode_rows
from zerosum.data.molecules.worker_pool import map_chunks
from zerosum.data.text import printable
from zerosum.errors import BadInput

CHUNK_MOLECULES = 500
"""Molecules whose properties a process computes at a time, in about half a second."""
_MIX = 0x9E3779B97F4A7C15  # odd: the molecules that have labels are others than those that are held out
_LABELS_FILE = "labels.npy"
_MAX_NAMED_COLUMNS = 20


@dataclass(frozen=True)
class ComputeProperties:
    """Computes properties of chunks of SMILES texts; it is sent to other processes."""

    names: tuple[str, ...]
    scores: tuple[str, ...]

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the properties (n, P) of the texts of a chunk, NaN where there is none."""
        return compute_of_texts(resolve_properties(self.names, self.scores), texts).astype(np.float32)


@dataclass(frozen=True)
class PropertyPlan:
    """Where each property of the settings comes from."""

    computed: tuple[str, ...]
    """Those of RDKit."""
    columns: tuple[str, ...]
    """The columns of the file."""
    scores: tuple[str, ...]
    """Functions of the user."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all P properties, in the order of `read_labels`."""
        scores = tuple(location.rpartition(":")[2] for location in self.scores)
        return (*self.computed, *scores, *self.columns)

    @classmethod
    def of(cls, data: MoleculeDataConfig, file: MoleculeFile, known: Sequence[str] = ()) -> PropertyPlan:
        """Return where the properties of the settings come from.

        Args:
            data: the settings.
            file: the file.
            known: properties of a run, which may be columns that this file does not have.

        Raises:
            BadInput: there is no such property, or two have one name.
        """
        computed, columns = [], []
        for name in data.properties:
            if own := find_name(name, list(PROPERTIES)):
                computed.append(own)
            elif (own := find_name(name, file.columns)) or (own := find_name(name, known)):
                columns.append(own)
            else:
                more = ", ".join(file.columns[:_MAX_NAMED_COLUMNS])
                has = f"; its columns are {printable(more)}" if more else ""
                raise BadInput(
                    f"`data.properties` {printable(name)}: {printable(str(file.path))} has no such column, and RDKit "
                    f"computes only {', '.join(PROPERTIES)}{has}"
                )
        plan = cls(tuple(computed), tuple(columns), data.score)
        resolve_properties(plan.computed, plan.scores)
        if twice := next((name for name in plan.names if plan.names.count(name) > 1), ""):
            raise BadInput(f"`data.properties` {printable(twice)}: is named twice; name it once")
        return plan

    def present_columns(self, file: MoleculeFile) -> tuple[str, ...]:
        """Return those of the columns that the file has."""
        return tuple(name for name in self.columns if name in file.columns)


def read_labels(
    plan: PropertyPlan, file: MoleculeFile, table: MoleculeTable, key: str, max_labeled: int, progress: ProgressFn
) -> NDArray[np.float32]:
    """Return the properties (N, P) of the molecules of a file, NaN where unknown.

    Args:
        plan: where they come from.
        file: the file.
        table: its molecules, with the columns that it has.
        key: the name of the entry of the cache of its molecules.
        max_labeled: the largest number of molecules of which properties are computed.
        progress: called with the numbers of molecules done and of all of these.
    """
    labels = np.full((len(table.raw), len(plan.names)), np.nan, np.float32)
    first = len(plan.computed) + len(plan.scores)
    if first:
        rows = choose_labeled(table.content_hashes, max_labeled)
        labels[rows, :first] = _load_computed(plan, table, rows, f"{key} {max_labeled}", progress)
    present = plan.present_columns(file)
    for place, name in enumerate(plan.columns, first):
        if name in present:
            labels[:, place] = table.columns[:, present.index(name)]
    return labels


def choose_labeled(content_hashes: NDArray[np.uint64], max_labeled: int) -> NDArray[np.int64]:
    """Return the rows (n,) of the molecules of which properties are computed, by their contents (N,) alone."""
    if len(content_hashes) <= max_labeled:
        return np.arange(len(content_hashes))
    return np.sort(np.argsort(content_hashes * np.uint64(_MIX), kind="stable")[:max_labeled])


def _load_computed(
    plan: PropertyPlan, table: MoleculeTable, rows: NDArray[np.int64], key: str, progress: ProgressFn
) -> NDArray[np.float32]:
    """Return the computed properties (n, P) of some rows (n,), from the cache if it has them."""
    scores = [(location, _hash_source(location)) for location in plan.scores]
    shape = (len(rows), len(plan.computed) + len(plan.scores))

    def load(folder: Path) -> NDArray[np.float32] | None:
        try:
            labels: NDArray[np.float32] = np.load(folder / _LABELS_FILE, allow_pickle=False)
        except (OSError, ValueError):
            return None
        return labels if labels.shape == shape and labels.dtype == np.float32 else None

    def save(labels: NDArray[np.float32], folder: Path) -> None:
        np.save(folder / _LABELS_FILE, labels)

    identity = f"properties {key} {json.dumps([plan.computed, scores])}"
    return load_or_make(identity, lambda: _compute(plan, table, rows, progress), load, save)


def _compute(
    plan: PropertyPlan, table: MoleculeTable, rows: NDArray[np.int64], progress: ProgressFn
) -> NDArray[np.float32]:
    """Compute the properties (n, P) of some rows (n,)."""

    def texts() -> Iterator[list[str]]:
        for first in range(0, len(rows), CHUNK_MOLECULES):
            yield decode_rows(table.raw[rows[first : first + CHUNK_MOLECULES]], table.facts.tokens).tolist()

    parts, done = [], 0
    for part in map_chunks(ComputeProperties(plan.computed, plan.scores), texts()):
        parts.append(part)
        done += len(part)
        progress(done, len(rows))
    return np.concatenate(parts)


def _hash_source(location: str) -> str:
    """Return a hash of the file of a function of the user, so that it is computed again if that has changed."""
    function = load_score(location).own_function
    assert function is not None, "it is a function of the user"
    try:
        content = Path(inspect.getfile(function)).read_bytes()
    except (OSError, TypeError):  # a function of C has no file
        return ""
    return hashlib.blake2b(content, digest_size=16).hexdigest()
