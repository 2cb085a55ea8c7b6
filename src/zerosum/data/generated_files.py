"""The names of what `zerosum sample` writes next to the samples, so that a folder of samples is read as data."""

from __future__ import annotations

import json
from typing import Final

RECORD_FILE: Final = "samples.json"
"""Which samples of which generator a folder holds; it marks a folder of samples."""
GRID_FILE: Final = "grid.png"
"""A sheet of the first samples."""
CLASS_GRID_FILE: Final = "classes.png"
"""A sheet with a row for each class."""
SHEET_FILES: Final = frozenset((GRID_FILE, CLASS_GRID_FILE))
"""Images next to a record that show samples which are files of their own, and so are no data."""
LABELS_FILE: Final = "labels.csv"
"""The class of each file."""
MAX_RECORD_BYTES: Final = 1 << 24
"""Largest record that is read: a range takes a few dozen bytes."""
_RECORD_KEYS: Final = frozenset(("checkpoint", "samples"))


def is_record(content: bytes) -> bool:
    """Return whether the content of a file named as a record is one; other programs use this name, too.

    Example:
        >>> is_record(b'{"checkpoint": "best", "samples": [[0, 64]]}'), is_record(b"{}")
        (True, False)
    """
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):  # also bytes that are not UTF-8
        return False
    return isinstance(record, dict) and record.keys() >= _RECORD_KEYS
