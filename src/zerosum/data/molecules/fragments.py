"""Vocabularies of frequent fragments of SMILES texts, by merging the most frequent pairs of neighboring tokens.

Sennrich, Haddow, Birch 2015, "Neural Machine Translation of Rare Words with Subword Units", arXiv:1508.07909; Li,
Fourches 2021, "SMILES Pair Encoding", for molecules. A text of fragments has a third to a quarter of the tokens, so
that networks read and write it in as many fewer steps. Difference: a text is split from the left into the longest
fragments of the vocabulary, whatever the order of merges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from zerosum.data.molecules.tokens import split_smiles

LEARNED_TEXTS = 20_000
"""Texts from which fragments are learned."""
MIN_COUNT = 50
"""A fragment occurs at least so often in these texts."""
MERGES_PER_ROUND = 4
"""Pairs that are merged between two counts; they share no token, so that their counts are right."""


def learn_vocabulary(texts: Sequence[str], size: int) -> tuple[str, ...]:
    """Return the tokens of texts and their most frequent fragments, up to `size` of them.

    All tokens of the texts are in it, also if they are more than `size`.

    Example:
        >>> learn_vocabulary(["CCO"] * 60, 4)
        ('C', 'O', 'CC', 'CCO')
    """
    vocabulary = sorted({token for text in texts for token in split_smiles(text)})
    known = set(vocabulary)
    rows = [split_smiles(text) for text in texts[:LEARNED_TEXTS]]
    while len(vocabulary) < size:
        pairs = _frequent_pairs(rows, min(MERGES_PER_ROUND, size - len(vocabulary)))
        if not pairs:
            break
        for first, second in pairs:
            rows = [_merge(row, first, second) if first in row else row for row in rows]
            if first + second not in known:
                vocabulary.append(first + second)
                known.add(first + second)
    return tuple(vocabulary)


def _frequent_pairs(rows: Sequence[Sequence[str]], count: int) -> list[tuple[str, str]]:
    """Return the most frequent pairs of neighbors that share no token, up to `count` of them."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in rows:
        counts.update(pairwise(row))
    order = sorted((pair for pair, number in counts.items() if number >= MIN_COUNT), key=lambda p: (-counts[p], p))
    chosen: list[tuple[str, str]] = []
    used: set[str] = set()
    for pair in order:
        if used.isdisjoint(pair):
            chosen.append(pair)
            used |= {*pair, pair[0] + pair[1]}
        if len(chosen) == count:
            break
    return chosen


def _merge(row: Sequence[str], first: str, second: str) -> list[str]:
    """Return a text with each two neighboring tokens `first` and `second` as one."""
    merged: list[str] = []
    for token in row:
        if token == second and merged and merged[-1] == first:
            merged[-1] = first + second
        else:
            merged.append(token)
    return merged
