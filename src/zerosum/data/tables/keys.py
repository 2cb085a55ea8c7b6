"""Keys: columns whose cells are unique, of which new ones are made when rows are written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from zerosum.data.tables.text_table import Texts
from zerosum.run_folder import Json

if TYPE_CHECKING:
    from pandas import Series

_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)", re.DOTALL)
_HEX = re.compile(r"[0-9a-fA-F-]{8,}")
LONG_KEY = 16
"""Number of hexadecimal digits from which on new keys are random numbers; shorter ones go on counting."""
MAX_DIGITS = 38
"""Largest number of digits of a number in a key that goes on counting."""
MAX_INTEGER = 2**63 - 1
"""Largest number that is an int64; larger ones are texts."""
_GOLDEN, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


@dataclass(frozen=True)
class KeyFormat:
    """How keys are written: a text around a number, or hexadecimal digits. No key of the data is made again.

    Example:
        >>> import numpy as np
        >>> KeyFormat.fit(np.array(["A-0007", "A-0009"], object)).texts(0, 2).tolist()
        ['A-0010', 'A-0011']
    """

    kind: ClassVar[str] = "key"
    before: str = ""
    after: str = ""
    digits: int = 1
    """Least number of digits; leading ones are zeros."""
    next_number: int = 1
    """The number of the first new key, larger than all of the data."""
    shape: str = ""
    """Keys of hexadecimal digits: an x for each digit, with the marks between; "" for numbered keys."""

    @classmethod
    def fit(cls, present: Texts) -> KeyFormat:
        """Return the format of these keys (N,)."""
        texts = [str(text) for text in present]
        if texts and all(map(_HEX.fullmatch, texts)) and any(not text.isdigit() for text in texts):
            shapes = {re.sub(r"[0-9a-fA-F]", "x", text) for text in texts}
            if len(shapes) == 1:
                (shape,) = shapes
                largest = max(int(text.replace("-", ""), 16) for text in texts) if shape.count("x") < LONG_KEY else 0
                return cls(shape=shape, next_number=1 + largest)
        parts = [_NUMBERED.fullmatch(text) for text in texts]
        found = [part.groups() for part in parts if part and len(part[2]) <= MAX_DIGITS]
        around = {(before, after) for before, _, after in found}
        if len(found) < len(texts) or len(around) != 1:
            return UNNUMBERED
        ((before, after),) = around
        numbers = [number for _, number, _ in found]
        is_padded = len(set(map(len, numbers))) == 1 and any(number.startswith("0") for number in numbers)
        return cls(before, after, len(numbers[0]) if is_padded else 1, 1 + max(map(int, numbers)))

    def texts(self, first: int, count: int) -> Texts:
        """Return the keys of rows number `first` to `first + count - 1`; no two rows have the same."""
        numbers = range(self.next_number + first, self.next_number + first + count)
        if self.shape:
            return np.array([self._hexadecimal(number) for number in numbers], object)
        return np.array([f"{self.before}{number:0{self.digits}d}{self.after}" for number in numbers], object)

    def _hexadecimal(self, number: int) -> str:
        """Return hexadecimal digits of a number; an odd factor makes different ones of different numbers."""
        length = self.shape.count("x")
        digits = f"{number:0{length}x}"
        if length >= LONG_KEY:
            digits = f"{_scramble(number):016x}{_scramble(number ^ _MASK):016x}" * (1 + length // 32)
            digits = digits[:length]
        more, own = digits[:-length], iter(digits[-length:])  # more digits than the data have, if those are used up
        return more + "".join(next(own) if mark == "x" else mark for mark in self.shape)

    def typed(self, first: int, count: int) -> Series:
        """Return the keys as a pandas column: of int64, if all are such numbers."""
        import pandas as pd

        texts = self.texts(first, count)
        is_plain = not (self.before or self.after or self.shape) and self.digits == 1
        is_integer = is_plain and self.next_number + first + count - 1 <= MAX_INTEGER
        return pd.Series(texts.astype(np.int64)) if is_integer else pd.Series(texts, dtype=object)

    def settings(self) -> dict[str, Json]:
        """Return the fields as JSON."""
        return {
            "before": self.before, "after": self.after, "digits": self.digits, "next_number": self.next_number,
            "shape": self.shape,
        }  # fmt: skip


UNNUMBERED = KeyFormat(before="key-")
"""New keys where those of the data have no number that could be counted on."""


def _scramble(number: int) -> int:
    """Return another 64-bit number for each number: a multiplication by an odd one is a bijection."""
    return (number * _GOLDEN ^ (number * _GOLDEN & _MASK) >> 31) & _MASK
