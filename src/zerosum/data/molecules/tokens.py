"""SMILES texts as sequences of tokens: an atom in brackets, Br, Cl and ring number %nn are one, else each character."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_TOKEN = re.compile(r"\[[^\]]*\]|Br|Cl|%\(\d+\)|%\d\d|.", re.DOTALL)
_SMALL_VOCABULARY = 255  # tokens whose numbers fit into a byte


def split_smiles(text: str) -> list[str]:
    """Return the tokens of a SMILES text, which joined are the text.

    Example:
        >>> split_smiles("C[C@H](Br)c%10")
        ['C', '[C@H]', '(', 'Br', ')', 'c', '%10']
    """
    return _TOKEN.findall(text)


def number_tokens(tokens: Sequence[str]) -> dict[str, int]:
    """Return the number of each token of a vocabulary, counted from 1: 0 ends a text."""
    return {token: number for number, token in enumerate(tokens, 1)}


def token_dtype(num_tokens: int) -> type[np.unsignedinteger]:
    """Return the type of arrays of the numbers of a vocabulary."""
    return np.uint8 if num_tokens <= _SMALL_VOCABULARY else np.uint16


def encode_texts(
    texts: Iterable[str], numbers: Mapping[str, int], max_tokens: int
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.bool_]]:
    """Return texts as token numbers (N, L), and which of them are known (N,).

    A text that is empty, has an unknown token or more than `max_tokens` tokens is not known: its row is 0.
    """
    rows = [[numbers.get(token, 0) for token in split_smiles(text)] for text in texts]
    raw = np.zeros((len(rows), max_tokens), token_dtype(len(numbers)))
    known = np.array([0 < len(row) <= max_tokens and 0 not in row for row in rows], bool)
    for place in np.flatnonzero(known):
        raw[place, : len(rows[place])] = rows[place]
    return raw, known


def decode_rows(rows: NDArray[np.integer], tokens: Sequence[str]) -> NDArray[np.str_]:
    """Return the texts (N,) of token numbers (N, L), up to the first 0."""
    known = np.array(["", *tokens], object)
    is_ended = (rows == 0).cumsum(1) > 0
    parts = known[np.where(is_ended, 0, rows)]
    return np.array(["".join(row) for row in parts.tolist()], np.str_)
