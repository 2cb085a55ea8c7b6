"""Files of molecules that are compared with each other: characters are their tokens, whatever each of them holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zerosum.data.content_hash import hash_text
from zerosum.data.kind import LoadOptions
from zerosum.data.molecules.chemistry import parse_mol_block, to_canonical
from zerosum.data.molecules.codec import MoleculeCodec
from zerosum.data.molecules.config import MoleculeDataConfig
from zerosum.data.molecules.dataset import MoleculeDataset
from zerosum.data.molecules.ingest import MoleculeIngest
from zerosum.data.molecules.molecule_file import MoleculeFile
from zerosum.data.molecules.open_file import open_molecules
from zerosum.data.molecules.summary import KIND, MoleculeSummary, summarize
from zerosum.data.molecules.tokens import decode_rows
from zerosum.data.split import split_by_content
from zerosum.data.text import pluralize

MAX_CHARACTERS = 500
"""Largest number of characters of a text that is compared; a longer generated one counts as invalid."""
_FIRST, _LAST, _OTHER = 33, 126, ord("?")  # codes of printable characters, and of one that no molecule has
_BLOCK_ROWS = 100_000  # molecules that are encoded at a time, which bounds the memory
_SPARE = 1.5  # how much longer the canonical text of a molecule may be than that of the file


def choose_length(sources: Sequence[str]) -> int:
    """Return the number of characters, with the end, of samples that hold the texts of all files.

    Raises:
        BadInput: a file cannot be read.
    """
    longest = 1
    for source in sources:
        file = open_molecules(Path(source))
        texts = (record.text for record in file.read(()))
        longest = MAX_CHARACTERS if file.has_mol_blocks else max(longest, max(map(len, texts), default=0))
    return min(int(_SPARE * longest) + 8, MAX_CHARACTERS)


def load_to_compare(data: MoleculeDataConfig, options: LoadOptions) -> MoleculeDataset:
    """Load molecules whose tokens are characters; generated ones as they were written, invalid and equal ones, too.

    Args:
        data: the settings, whose `max_tokens` is the length of samples; see `choose_length`.
        options: the split, and whether they were generated.

    Raises:
        BadInput: the file cannot be used.
    """
    file = open_molecules(Path(data.source), data.column)
    codec = MoleculeCodec(tuple(map(chr, range(_FIRST, _LAST + 1))), data.max_tokens)
    if options.generated:
        raw, hashes = _read_generated(file, data.max_tokens)
        summary = MoleculeSummary(data.source, KIND, len(raw), rows=len(raw), sample_length=data.max_tokens)
    else:
        table = MoleculeIngest(file, data.max_tokens).load(options.progress)
        blocks = range(0, len(table.raw), _BLOCK_ROWS)
        texts = (decode_rows(table.raw[first : first + _BLOCK_ROWS], table.facts.tokens).tolist() for first in blocks)
        raw, hashes = np.concatenate([encode_characters(own, data.max_tokens) for own in texts]), table.content_hashes
        summary = summarize(data.source, table, data.max_tokens)
        kept = (raw[:, 0] > 0).nonzero()[0]
        if len(kept) < len(raw):
            summary.notes.append(f"{pluralize(len(raw) - len(kept), 'molecule')} longer than {data.max_tokens - 1} "
                                 "characters left out")  # fmt: skip
            raw, hashes = raw[kept], hashes[kept]
    hashes = np.asarray(hashes)
    train, held_out = split_by_content(hashes, options.held_out_fraction, bounded=options.bounded_split)
    summary = replace(summary, count=len(raw), train=len(train), held_out=len(held_out))
    return MoleculeDataset(raw, np.zeros(len(raw), np.int64), (), hashes, train, held_out, summary, codec)


def _read_generated(file: MoleculeFile, length: int) -> tuple[NDArray[np.uint8], NDArray[np.uint64]]:
    """Return all texts of a file as numbers (N, L) of characters, and their content hashes (N,).

    Raises:
        BadInput: the file has no texts.
    """
    texts = [record.text for record in file.read(())]
    if file.has_mol_blocks:
        molecules = [parse_mol_block(text) for text in texts]
        texts = ["" if molecule is None else to_canonical(molecule) for molecule in molecules]
    if not texts:
        raise file.error("has no molecules; name a file with a SMILES text in each line")
    return encode_characters(texts, length), np.array([hash_text(text) for text in texts], np.uint64)


def encode_characters(texts: Sequence[str], length: int) -> NDArray[np.uint8]:
    """Return texts as numbers (N, L) of their characters, 0 after the end; those without a place for it are empty.

    Example:
        >>> encode_characters(["CO", "CCO"], 3).tolist()
        [[35, 47, 0], [0, 0, 0]]
    """
    contents = [text.encode("ascii", "replace") if len(text) < length else b"" for text in texts]
    codes = np.array(contents, f"S{length}").view(np.uint8).reshape(len(texts), length)
    is_other = (codes > 0) & ((codes < _FIRST) | (codes > _LAST))
    return np.where(codes > 0, np.where(is_other, _OTHER, codes) - (_FIRST - 1), 0).astype(np.uint8)
