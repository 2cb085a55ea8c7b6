"""The names of what `zerosum sample` writes next to the samples, so that a folder of samples is read as data."""

from __future__ import annotations

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
