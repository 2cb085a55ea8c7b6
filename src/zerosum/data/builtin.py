"""Names of the built-in point datasets, importable without NumPy or PyTorch."""

POINT_DATASETS = ("ring", "grid", "spiral")
"""Two-dimensional datasets with a known density; `zerosum.data.points.mixtures` defines them."""
