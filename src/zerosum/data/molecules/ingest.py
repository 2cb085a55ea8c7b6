"""Read a file of molecules once: canonical, without salts and duplicates, as arrays that the cache keeps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data.kind import ProgressFn, ignore_progress
from zerosum.data.molecules.chemistry import rdkit_version
from zerosum.data.molecules.collect import MoleculeCollector, MoleculeFacts, MoleculeTable
from zerosum.data.molecules.encode_table import load_or_make
from zerosum.data.molecules.molecule_file import MoleculeFile, Record
from zerosum.data.molecules.read_molecules import ReadMolecules
from zerosum.data.molecules.worker_pool import map_chunks

CHUNK_RECORDS = 2_000
"""Records that a process reads at a time, in a third of a second."""
ARRAYS = ("raw", "content_hashes", "scaffolds", "columns")
_WRITTEN_FORM = "kekule"
_FACTS_FILE = "facts.json"
_DAMAGED_FILE_ERRORS = (OSError, ValueError, KeyError, TypeError)


@dataclass(frozen=True)
class MoleculeIngest:
    """Reads all molecules of a file, or finds them in the cache."""

    file: MoleculeFile
    max_tokens: int
    """Largest number of tokens of a text and its end."""
    columns: tuple[str, ...] = ()
    """The columns of numbers that are read."""
    with_scaffolds: bool = False

    @property
    def key(self) -> str:
        """What the molecules depend on: the content of the file, each setting, and RDKit."""
        identity = [
            _WRITTEN_FORM,
            self.file.content_hash,
            self.file.form,
            self.max_tokens,
            self.columns,
            self.with_scaffolds,
            rdkit_version(),
        ]
        return json.dumps(identity)

    def load(self, progress: ProgressFn = ignore_progress) -> MoleculeTable:
        """Return the molecules, memory-mapped from the cache; they are read if it does not have them.

        Args:
            progress: called with the numbers of records read and of all records.

        Raises:
            BadInput: no molecule can be read, or the file is damaged.
        """
        return load_or_make(self.key, lambda: self.read(progress), load_table, save_table)

    def read(self, progress: ProgressFn = ignore_progress) -> MoleculeTable:
        """Read the molecules; see `load`."""
        total = max(1, self.file.count())
        collector = MoleculeCollector(self.file, self.max_tokens, self.columns)
        read = ReadMolecules(self.file.has_mol_blocks, self.max_tokens, self.with_scaffolds)
        pending: list[list[Record]] = []  # chunks that are being read, oldest first

        def texts() -> Iterator[list[str]]:
            records = self.file.read(self.columns)
            while chunk := list(islice(records, CHUNK_RECORDS)):
                pending.append(chunk)
                yield [record.text for record in chunk]

        done = 0
        for result in map_chunks(read, texts()):
            records = pending.pop(0)
            collector.add(records, result)
            done += len(records)
            progress(min(done, total), total)
        return collector.finish()


def save_table(table: MoleculeTable, folder: Path) -> None:
    """Write molecules into a new entry of the cache."""
    arrays: Sequence[NDArray[np.generic]] = (table.raw, table.content_hashes, table.scaffolds, table.columns)
    for name, array in zip(ARRAYS, arrays, strict=True):
        np.save(folder / f"{name}.npy", array)
    (folder / _FACTS_FILE).write_text(json.dumps(table.facts.as_dict()), encoding="utf-8")


def load_table(entry: Path) -> MoleculeTable | None:
    """Return the molecules of an entry of the cache, memory-mapped, or None if it is absent or damaged."""
    try:
        facts = MoleculeFacts.from_dict(json.loads((entry / _FACTS_FILE).read_text(encoding="utf-8")))
        raw, hashes, scaffolds, columns = (np.load(entry / f"{name}.npy", mmap_mode="r") for name in ARRAYS)
        is_complete = len(raw) == len(hashes) == len(columns) and raw.shape[1] == facts.length
    except _DAMAGED_FILE_ERRORS:
        return None
    return MoleculeTable(raw, hashes, scaffolds, columns, facts) if is_complete else None
