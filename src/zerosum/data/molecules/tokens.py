"""SMILES texts as sequences of tokens, and as numbers.

An atom in brackets, Br, Cl and a ring number %nn are one token each, and so is every other character. A vocabulary may
also have fragments of several tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

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


class Tokenizer:
    """Splits texts from the left into the longest tokens of a vocabulary, as numbers from 1 on; 0 is an unknown one.

    Example:
        >>> Tokenizer(["C", "O", "CC"]).numbers("CCCCl")
        [3, 1, 0]
    """

    def __init__(self, tokens: Sequence[str]) -> None:
        """Prepare for a vocabulary of tokens, and of fragments that consist of several."""
        self._numbers = {token: number for number, token in enumerate(tokens, 1)}
        longest_first = sorted(tokens, key=len, reverse=True)
        self._pattern = re.compile("|".join([*map(_token_pattern, longest_first), _TOKEN.pattern]), re.DOTALL)

    def numbers(self, text: str) -> list[int]:
        """Return the numbers of the tokens of a text."""
        return [self._numbers.get(token, 0) for token in self._pattern.findall(text)]


def _token_pattern(token: str) -> str:
    """Return the pattern of a token, which does not end within another one: C within Cl."""
    end = {"C": "(?!l)", "B": "(?!r)"}.get(token[-1], "")
    return re.escape(token) + end


def token_dtype(num_tokens: int) -> type[np.unsignedinteger]:
    """Return the type of arrays of the numbers of a vocabulary."""
    return np.uint8 if num_tokens <= _SMALL_VOCABULARY else np.uint16


def encode_texts(
    texts: Iterable[str], tokenizer: Tokenizer, max_tokens: int, dtype: type[np.unsignedinteger]
) -> tuple[NDArray[np.unsignedinteger], NDArray[np.bool_]]:
    """Return texts as token numbers (N, L), and which of them are known (N,).

    A text that is empty, has an unknown token or more than `max_tokens` tokens is not known: its row is 0.
    """
    rows = [tokenizer.numbers(text) for text in texts]
    raw = np.zeros((len(rows), max_tokens), dtype)
    known = np.array([0 < len(row) <= max_tokens and 0 not in row for row in rows], bool)
    for place in np.flatnonzero(known):
        raw[place, : len(rows[place])] = rows[place]
    return raw, known


def decode_rows(rows: NDArray[np.generic], tokens: Sequence[str]) -> NDArray[np.str_]:
    """Return the texts (N,) of token numbers (N, L), up to the first 0."""
    known = np.array(["", *tokens], object)
    is_ended = (rows == 0).cumsum(1) > 0
    parts = known[np.where(is_ended, 0, rows)]
    return np.array(["".join(row) for row in parts.tolist()], np.str_)
