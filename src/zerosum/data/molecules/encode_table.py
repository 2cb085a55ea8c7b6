"""Give the molecules of a file the vocabulary of a codec: learned from its training molecules, or that of a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from zerosum.data import cache
from zerosum.data.kind import ProgressFn
from zerosum.data.molecules.collect import MoleculeTable
from zerosum.data.molecules.fragments import LEARNED_TEXTS, learn_vocabulary
from zerosum.data.molecules.tokens import Tokenizer, decode_rows, encode_texts, split_smiles, token_dtype
from zerosum.data.molecules.worker_pool import map_chunks
from zerosum.data.text import pluralize, printable

T = TypeVar("T")

CHUNK_MOLECULES = 10_000
"""Molecules that a process encodes at a time, in about half a second."""
SPARE_TOKENS = 4
"""Places of a sample after the longest text: generators may make longer molecules than those of the data."""
_MAX_NAMED_TOKENS = 10
_DAMAGED_FILE_ERRORS = (OSError, ValueError, KeyError, TypeError)


class EncodedTable(NamedTuple):
    """Molecules with the vocabulary of a codec."""

    raw: NDArray[np.generic]
    """(n, L) token numbers."""
    kept: NDArray[np.int64]
    """(n,) their rows in the table; the others are not known."""
    unknown: int
    """How many have tokens that are not in the vocabulary."""
    too_long: int
    """How many of the others are longer than a sample."""


@dataclass(frozen=True)
class EncodeRows:
    """Encodes chunks of rows of a table; it is sent to other processes."""

    tokens: tuple[str, ...]
    """The vocabulary of the codec."""
    base_tokens: tuple[str, ...]
    """That of the table."""

    def __call__(self, rows: NDArray[np.generic]) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return token numbers (n, M) of the rows of a chunk, and which are known (n,)."""
        texts: list[str] = decode_rows(rows, self.base_tokens).tolist()
        return encode_texts(texts, Tokenizer(self.tokens), rows.shape[1], token_dtype(len(self.tokens)))


def load_vocabulary(table: MoleculeTable, train: NDArray[np.int64], size: int, key: str) -> tuple[str, ...]:
    """Return the vocabulary that is learned from training molecules, or found in the cache.

    Args:
        table: the molecules.
        train: (n,) the rows of the training molecules, in order of content.
        size: how many tokens and fragments; no fragments if it is less than the number of tokens.
        key: the name of the entry of the cache of the molecules.
    """
    base = tuple(table.facts.tokens)
    if size <= len(base):
        return base
    rows = train[:LEARNED_TEXTS]
    learned_from = hashlib.blake2b(table.content_hashes[rows].tobytes(), digest_size=16).hexdigest()

    def learn() -> tuple[str, ...]:
        texts = decode_rows(table.raw[rows], base).tolist()
        present = {token for text in texts for token in split_smiles(text)}
        missing = [token for token in base if token not in present]
        return (*learn_vocabulary(texts, size - len(missing)), *missing)

    def load(folder: Path) -> tuple[str, ...] | None:
        try:
            return tuple(json.loads((folder / "tokens.json").read_text(encoding="utf-8")))
        except _DAMAGED_FILE_ERRORS:
            return None

    def save(tokens: tuple[str, ...], folder: Path) -> None:
        (folder / "tokens.json").write_text(json.dumps(tokens), encoding="utf-8")

    return load_or_make(f"vocabulary {key} {size} {learned_from}", learn, load, save)


def load_encoded(
    table: MoleculeTable, tokens: tuple[str, ...], length: int | None, key: str, progress: ProgressFn
) -> EncodedTable:
    """Return molecules with a vocabulary, or find them in the cache.

    Args:
        table: the molecules.
        tokens: the vocabulary.
        length: length L of a sample, of which the last place is for the end; None: as the longest text needs.
        key: the name of the entry of the cache of the molecules.
        progress: called with the numbers of molecules done and of all of them.
    """

    def load(folder: Path) -> EncodedTable | None:
        try:
            counts = json.loads((folder / "counts.json").read_text(encoding="utf-8"))
            raw, kept = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("raw", "kept"))
            return EncodedTable(raw, np.asarray(kept), *counts) if len(raw) == len(kept) else None
        except _DAMAGED_FILE_ERRORS:
            return None

    def save(encoded: EncodedTable, folder: Path) -> None:
        np.save(folder / "raw.npy", encoded.raw)
        np.save(folder / "kept.npy", encoded.kept)
        (folder / "counts.json").write_text(json.dumps([encoded.unknown, encoded.too_long]), encoding="utf-8")

    identity = f"encoded {key} {json.dumps(tokens)}"
    if length is not None:  # that of a run on this table, perhaps, which was encoded when its length was not known
        entry = cache.root() / _entry_name(f"{identity} {None}")
        own = load(entry)
        if own is not None and own.raw.shape[1] == length:
            cache.touch(entry)
            return own
    return load_or_make(f"{identity} {length}", lambda: encode_table(table, tokens, length, progress), load, save)


def encode_table(
    table: MoleculeTable, tokens: tuple[str, ...], length: int | None, progress: ProgressFn
) -> EncodedTable:
    """Return molecules with a vocabulary; see `load_encoded`."""
    total = len(table.raw)

    def chunks() -> Iterator[NDArray[np.generic]]:
        for first in range(0, total, CHUNK_MOLECULES):
            yield np.asarray(table.raw[first : first + CHUNK_MOLECULES])

    parts: list[NDArray[np.generic]] = []
    rows: list[NDArray[np.int64]] = []
    longest = done = unknown = too_long = 0
    for encoded, known in map_chunks(EncodeRows(tokens, tuple(table.facts.tokens)), chunks()):
        lengths = (encoded != 0).sum(1)
        kept = known if length is None else known & (lengths < length)
        unknown, too_long = unknown + int((~known).sum()), too_long + int((known & ~kept).sum())
        longest = max(longest, int(lengths[kept].max(initial=0)))
        rows.append(done + np.flatnonzero(kept))
        parts.append(encoded[kept][:, :longest])
        done += len(encoded)
        progress(done, total)
    size = longest + SPARE_TOKENS if length is None else length
    raw = np.concatenate([np.pad(part, ((0, 0), (0, size - part.shape[1]))) for part in parts])
    return EncodedTable(raw, np.concatenate(rows), unknown, too_long)


def keep_encoded(table: MoleculeTable, encoded: EncodedTable) -> MoleculeTable:
    """Return the molecules of a table that are known."""
    if len(encoded.kept) == len(table.raw):
        return table
    own = encoded.kept
    return replace(
        table,
        raw=np.asarray(table.raw[own]),
        content_hashes=np.asarray(table.content_hashes[own]),
        scaffolds=np.asarray(table.scaffolds[own] if len(table.scaffolds) else table.scaffolds),
        columns=np.asarray(table.columns[own]),
    )


def describe_left_out(table: MoleculeTable, encoded: EncodedTable, tokens: Sequence[str]) -> list[str]:
    """Return sentences about the molecules that a run does not know."""
    notes = []
    if encoded.unknown:
        new = [token for token in table.facts.tokens if token not in set(tokens)]
        more = ", ..." if len(new) > _MAX_NAMED_TOKENS else ""
        named = f" ({printable(', '.join(new[:_MAX_NAMED_TOKENS]))}{more})" if new else ""
        notes.append(f"{pluralize(encoded.unknown, 'molecule')} with tokens that the run does not know{named} left out")
    if encoded.too_long:
        notes.append(f"{pluralize(encoded.too_long, 'molecule')} longer than the samples of the run left out")
    return notes


def load_or_make(
    identity: str, make: Callable[[], T], load: Callable[[Path], T | None], save: Callable[[T, Path], None]
) -> T:
    """Return what an entry of the cache holds, or make it; if the cache cannot be written, what was made.

    Args:
        identity: all that it depends on, in a text.
        make: makes it.
        load: returns what the entry in a folder holds, or None if it is absent or damaged.
        save: writes it into a new folder.
    """
    made: list[T] = []

    def write(folder: Path) -> None:
        made.append(make())
        save(made[0], folder)

    try:
        return cache.load_or_write(_entry_name(identity), load, write)
    except cache.CacheWriteError:
        return made[0] if made else make()


def _entry_name(identity: str) -> str:
    """Return the name of the entry of the cache that depends on what a text says."""
    return f"molecules-{hashlib.blake2b(f'{cache.VERSION} {identity}'.encode(), digest_size=16).hexdigest()}"
