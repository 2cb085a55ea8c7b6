"""Settings of points."""

from __future__ import annotations

from typing import Literal

from zerosum.data.config import DataConfig


class PointDataConfig(DataConfig):
    """Points of a distribution whose density is known."""

    kind: Literal["points"] = "points"
    source: str = ""
    """The name of a built-in dataset: ring, grid or spiral."""
