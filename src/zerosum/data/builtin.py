"""Data sets that are known by name alone, for those who must not pay for importing them."""

POINT_DATASETS = ("ring", "grid", "spiral")
"""Points in the plane with a known density; `zerosum.data.toys` makes them."""
