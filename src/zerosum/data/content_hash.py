"""Hashes of the contents of examples, which find duplicates and decide the split."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def hash_content(header: str, content: bytes) -> int:
    """Return a 64-bit hash of an example: uniform, and the same on every machine and in every version."""
    return hash_content_parts(header, [content])


def hash_text(text: str) -> int:
    """Return the content hash of an item that is a text, such as a molecule."""
    return hash_content("molecule", text.encode())  # the header is part of every split, so it never changes


def hash_content_parts(header: str, parts: Iterable[bytes]) -> int:
    """Return the content hash of an example that is given in parts: that of the parts joined."""
    digest = ContentHash(header)
    for part in parts:
        digest.add(part)
    return digest.value


class ContentHash:
    """The content hash of an example whose parts come one after the other.

    Example:
        >>> digest = ContentHash("text")
        >>> digest.add(b"ab")
        >>> digest.add(b"c")
        >>> digest.value == hash_content("text", b"abc")
        True
    """

    def __init__(self, header: str) -> None:
        self._digest = hashlib.blake2b(header.encode(), digest_size=8)

    def add(self, part: bytes) -> None:
        """Add the next part."""
        self._digest.update(part)

    @property
    def value(self) -> int:
        """The hash of the parts so far: 64 bits."""
        return int.from_bytes(self._digest.digest(), "little")


def hash_contents(header: str, contents: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the content hashes (n,) of examples (n, ...) that share a header, in about a microsecond each."""
    header_digest = hashlib.blake2b(header.encode(), digest_size=8)
    rows = np.ascontiguousarray(contents).data.cast("B")
    example_bytes = rows.nbytes // len(contents)
    digests = bytearray()
    for first in range(0, rows.nbytes, example_bytes):
        digest = header_digest.copy()
        digest.update(rows[first : first + example_bytes])
        digests += digest.digest()
    return np.frombuffer(digests, "<u8").astype(np.uint64)
