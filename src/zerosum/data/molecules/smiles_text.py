"""Which texts look like SMILES: a cheap look at their characters, without RDKit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

COLUMN_NAMES = ("smiles", "canonical_smiles", "isomeric_smiles", "smiles_string", "canonicalsmiles", "isosmiles")
"""Names of columns that hold SMILES, in lower case and with _ for spaces."""
_SYMBOLS = re.compile(r"\[[^\[\]\s]+\]|Br|Cl|[BCNOPSFIbcnops*]|%\d\d|[0-9()=#$:/\\.+\-~@]")
_RING = re.compile(r"%\d\d|\d")
_BRACKETS = re.compile(r"\[[^\[\]\s]+\]")
_MIN_SHARE = 0.9  # of the cells of a column of SMILES
_MIN_STRUCTURED = 0.5  # of them with a bond, a branch or a ring: words such as "NO" and "Sn" have none
_MIN_DISTINCT = 0.5


def is_smiles_name(name: str) -> bool:
    """Return whether a column of this name holds SMILES.

    Example:
        >>> is_smiles_name("Canonical SMILES"), is_smiles_name("price")
        (True, False)
    """
    return name.strip().lower().replace(" ", "_") in COLUMN_NAMES


def looks_like_smiles(text: str) -> bool:
    """Return whether a text may be a SMILES text: known symbols, closed branches and rings, and an atom.

    Example:
        >>> looks_like_smiles("c1ccccc1C(=O)O"), looks_like_smiles("hello"), looks_like_smiles("2019-04-01")
        (True, False, False)
    """
    if not text or _SYMBOLS.sub("", text) or not re.match(r"[A-Za-z\[*]", text):
        return False
    outside = _BRACKETS.sub("", text)
    rings = Counter(_RING.findall(outside))
    is_closed = outside.count("(") == outside.count(")") and all(count % 2 == 0 for count in rings.values())
    return is_closed and any(char.isalpha() or char == "*" for char in text)


def is_smiles_column(cells: Sequence[str]) -> bool:
    """Return whether cells look like SMILES: nearly all may be, many have bonds or rings, and few are equal.

    Example:
        >>> is_smiles_column(["CC(C)=O", "c1ccccc1", "CCO"]), is_smiles_column(["C1", "C2", "B1"])
        (True, False)
    """
    filled = [cell for cell in cells if cell]
    if not filled:
        return False
    good = [cell for cell in filled if looks_like_smiles(cell)]
    structured = [cell for cell in good if len(cell) > 3 and re.search(r"[()=#\d\[]", cell)]
    return (
        len(good) >= _MIN_SHARE * len(filled)
        and len(structured) >= _MIN_STRUCTURED * len(filled)
        and len(set(filled)) >= _MIN_DISTINCT * len(filled)
    )
