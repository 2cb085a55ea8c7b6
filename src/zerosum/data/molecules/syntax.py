"""Which SMILES texts are complete: branches and rings are closed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from zerosum.game.sample_spec import TokenSyntax

_ATOM_IN_BRACKETS = re.compile(r"\[[^\]]*\]")  # numbers in it are isotopes, hydrogens and charges
_RING = re.compile(r"%\((\d+)\)|%(\d\d)|(\d)")


def smiles_syntax(tokens: Sequence[str]) -> TokenSyntax:
    """Return the syntax of a vocabulary, whose token number 1 is `tokens[0]`; 0 ends a text.

    Example:
        >>> syntax = smiles_syntax(["C", "(C)", ")C", "c1cc", "1"])
        >>> syntax.depth_changes, syntax.depths_needed, syntax.marks
        ((0, 0, 0, -1, 0, 0), (0, 0, 0, 1, 0, 0), ((), (), (), (), (0,), (0,)))
    """
    texts = [_ATOM_IN_BRACKETS.sub("", token) for token in tokens]
    rings = [[next(filter(None, groups)) for groups in _RING.findall(text)] for text in texts]
    numbers = {ring: place for place, ring in enumerate(sorted({ring for own in rings for ring in own}))}
    depths = [_depths(text) for text in texts]
    marks = [tuple(sorted(numbers[ring] for ring in set(own) if own.count(ring) % 2)) for own in rings]
    return TokenSyntax((0, *(own[-1] for own in depths)), (0, *(-min(own) for own in depths)), ((), *marks))


def _depths(text: str) -> list[int]:
    """Return the number of open branches before each character of a text and at its end, counted from 0."""
    depths = [0]
    for character in text:
        depths.append(depths[-1] + (character == "(") - (character == ")"))
    return depths
