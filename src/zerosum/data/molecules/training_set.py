"""The training molecules of a run: which generated ones are among them, and which of them are nearest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from zerosum.data import cache
from zerosum.data.content_hash import hash_text
from zerosum.data.dataset import Dataset
from zerosum.data.kind import ProgressFn, ignore_progress
from zerosum.data.molecules.chemistry import canonical_smiles, rdkit_version
from zerosum.data.molecules.fingerprints import NUM_BYTES, find_nearest, fingerprints_of_texts
from zerosum.data.molecules.worker_pool import map_chunks

MAX_SEARCHED = 200_000
"""Training molecules among which the nearest is searched: their fingerprints take 26 MB and, on a core, 30 s."""
_FILE = "fingerprints.npy"
_CHUNK = 2_000  # texts of which a process computes the fingerprints at a time


@dataclass(frozen=True, eq=False)
class TrainingMolecules:
    """The training molecules of a dataset, and fingerprints of up to `MAX_SEARCHED` of them."""

    dataset: Dataset
    searched: NDArray[np.int64]
    """(M,) indices in the dataset of those that are searched, chosen by content."""
    fingerprints: NDArray[np.uint8]
    """(M, 128)"""

    @classmethod
    def load(cls, dataset: Dataset, progress: ProgressFn = ignore_progress) -> Self:
        """Return the training molecules; fingerprints come from the cache if they are there.

        Args:
            dataset: the data of a run.
            progress: called with the numbers of fingerprints computed and of all.
        """
        order = np.argsort(dataset.content_hashes[dataset.train], kind="stable")  # hashes are uniform
        searched = dataset.train[order[:MAX_SEARCHED]]
        identity = f"{dataset.fingerprint} {MAX_SEARCHED} {NUM_BYTES} {rdkit_version()}"
        key = f"fingerprints-{hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()}"
        computed: list[NDArray[np.uint8]] = []  # so that none is computed twice if the cache cannot be written

        def write(folder: Path) -> None:
            computed.append(_compute(dataset, searched, progress))
            np.save(folder / _FILE, computed[0])

        def read(folder: Path) -> NDArray[np.uint8] | None:
            try:
                rows: NDArray[np.uint8] = np.load(folder / _FILE)
            except (OSError, ValueError):
                return None
            return rows if rows.shape == (len(searched), NUM_BYTES) else None

        try:
            return cls(dataset, searched, cache.load_or_write(key, read, write))
        except cache.CacheWriteError:
            return cls(dataset, searched, computed[0] if computed else _compute(dataset, searched, progress))

    def find_known(self, canonical: Sequence[str]) -> NDArray[np.bool_]:
        """Return which canonical texts (N,) are training molecules."""
        hashes = np.array([hash_text(text) for text in canonical], np.uint64)
        return np.isin(hashes, self.dataset.content_hashes[self.dataset.train])

    def find_nearest(
        self, rows: NDArray[np.uint8], progress: ProgressFn = ignore_progress
    ) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
        """Return the training molecule (N,) that is most similar to each fingerprint (N, 128), and how similar it is.

        Of `MAX_SEARCHED` training molecules at most. About 30 million pairs are compared in a second.
        """
        places, similarity = find_nearest(rows, self.fingerprints, progress)
        texts = self.dataset.items(self.searched[places]).astype(str).tolist()
        return np.array([canonical_smiles(text) or text for text in texts], np.str_), similarity


def _compute(dataset: Dataset, indices: NDArray[np.int64], progress: ProgressFn) -> NDArray[np.uint8]:
    """Return the fingerprints (n, 128) of molecules of a dataset, computed on all cores."""

    def texts() -> Iterator[list[str]]:
        for first in range(0, len(indices), _CHUNK):
            yield dataset.items(indices[first : first + _CHUNK]).astype(str).tolist()

    rows = np.zeros((len(indices), NUM_BYTES), np.uint8)
    done = 0
    for part in map_chunks(fingerprints_of_texts, texts()):
        rows[done : done + len(part)] = part
        done += len(part)
        progress(done, len(indices))
    return rows
